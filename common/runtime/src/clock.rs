//! The one place that reads the system clock.

use mpic_common::time::{UnixMs, millis};

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMs;
}

/// The system clock, which NTP keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        UnixMs(since.map_or(0, millis))
    }
}
