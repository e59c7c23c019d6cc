//! Times as they stand on the wire and the UTC dates that the policy goes by.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// The UTC date; the last one of the calendar for what lies beyond it, so that a time which
    /// makes no sense meets the strictest requirements.
    pub fn date(self) -> Date {
        self.timestamp().map_or(Date::MAX, |time| Offset::UTC.to_datetime(time).date())
    }

    /// This time and `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This time and `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    fn timestamp(self) -> Option<Timestamp> {
        i64::try_from(self.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }
}

/// Whole milliseconds of `span`.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 with milliseconds.
impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(time) => write!(f, "{time:.3}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let midnight = UnixMs(1_797_292_800_000);
        assert_eq!(midnight.date().to_string(), "2026-12-15");
        assert_eq!(midnight.minus(Duration::from_millis(1)).date().to_string(), "2026-12-14");
        assert_eq!(midnight.to_string(), "2026-12-15T00:00:00.000Z");
        assert_eq!(UnixMs(u64::MAX).date(), Date::MAX);
    }
}
