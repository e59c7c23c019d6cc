//! What was dropped without an answer, by reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mpic_common::time::UnixMs;

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// No reply subject, or another perspective's.
    ReplySubject,
    /// No assignment.
    Malformed,
    /// Signed by no coordinator of the directory.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// Another coordinator's reply subject.
    OtherCoordinator,
    /// Another job inside than is named.
    OtherJob,
    /// A job that does not parse.
    InvalidJob,
    /// Not the CA's to ask.
    NotAdmitted,
    /// This perspective is not asked.
    NotAsked,
    /// Its deadline has passed.
    Expired,
    /// Too many messages at a time.
    Overload,
}

impl Dropped {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::ReplySubject,
        Self::Malformed,
        Self::UnknownKey,
        Self::BadSignature,
        Self::OtherCoordinator,
        Self::OtherJob,
        Self::InvalidJob,
        Self::NotAdmitted,
        Self::NotAsked,
        Self::Expired,
        Self::Overload,
    ];

    /// For logs and figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReplySubject => "reply-subject",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::OtherCoordinator => "other-coordinator",
            Self::OtherJob => "other-job",
            Self::InvalidJob => "invalid-job",
            Self::NotAdmitted => "not-admitted",
            Self::NotAsked => "not-asked",
            Self::Expired => "expired",
            Self::Overload => "overload",
        }
    }
}

/// Counts them.
#[derive(Debug, Default)]
pub struct Drops(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    by_reason: BTreeMap<Dropped, u64>,
    /// When the latest expired ones were dropped, the newest last.
    expired: VecDeque<UnixMs>,
}

/// More expired assignments than this in a minute mean that a clock is wrong.
const EXPIRED_MAX: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

impl Drops {
    /// Counts one.
    pub fn count(&self, dropped: Dropped, now: UnixMs) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.by_reason.entry(dropped).or_default() += 1;
        if dropped == Dropped::Expired {
            counted.expired.push_back(now);
            if counted.expired.len() > EXPIRED_MAX + 1 {
                counted.expired.pop_front();
            }
            if is_alarming(&counted.expired, now) {
                tracing::error!("assignments come expired: a clock is wrong, or the bus is slow");
            }
        }
    }

    /// How many, by reason.
    pub fn by_reason(&self) -> BTreeMap<Dropped, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_reason.clone()
    }

    /// Whether so many came expired in the last minute that the agent is not ready.
    pub fn is_alarming(&self, now: UnixMs) -> bool {
        is_alarming(&self.0.lock().unwrap_or_else(PoisonError::into_inner).expired, now)
    }
}

fn is_alarming(expired: &VecDeque<UnixMs>, now: UnixMs) -> bool {
    expired.iter().filter(|at| now.since(**at) < MINUTE).count() > EXPIRED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i18_eleven_expired_in_a_minute_alarm_for_a_minute() {
        let drops = Drops::default();
        let at = |second: u64| UnixMs(1_800_000_000_000 + second * 1_000);
        (0..10).for_each(|second| drops.count(Dropped::Expired, at(second)));
        assert!(!drops.is_alarming(at(10)));
        drops.count(Dropped::Expired, at(10));
        assert!(drops.is_alarming(at(10)));
        assert!(!drops.is_alarming(at(61)));
        assert_eq!(drops.by_reason(), BTreeMap::from([(Dropped::Expired, 11)]));
    }
}
