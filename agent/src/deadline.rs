//! Absolute ends of waits: progress never extends one.

use std::time::Duration;

use tokio::time::Instant;

/// The end of a job's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `span` from now.
    pub fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The end of a wait that begins now and may take `span`, but never more than half of what is
    /// left, so that something is left to go on with or to report.
    #[must_use]
    pub fn narrow(self, span: Duration) -> Self {
        Self::after(span.min(self.remaining() / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_its_span_but_at_most_half_of_what_is_left() {
        let job = Deadline::after(Duration::from_secs(10));
        assert_eq!(job.narrow(Duration::from_secs(4)).remaining(), Duration::from_secs(4));
        assert_eq!(job.narrow(Duration::from_secs(8)).remaining(), Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(job.narrow(Duration::from_secs(4)).remaining(), Duration::ZERO);
    }
}
