//! Time as a process has it: the run's own, some way off.

use mpic_common::time::{UnixMs, millis};
use mpic_runtime::clock::Clock;
use tokio::time::Instant;

/// A clock that is ahead by a constant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkewedClock {
    pub(crate) started: Instant,
    pub(crate) ahead_ms: u64,
}

/// When runs begin: a day in January 2027.
const BEGINNING: UnixMs = UnixMs(1_800_000_000_000);

impl Clock for SkewedClock {
    fn now(&self) -> UnixMs {
        UnixMs(BEGINNING.0 + self.ahead_ms + millis(self.started.elapsed()))
    }
}
