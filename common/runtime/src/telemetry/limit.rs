//! Bounds the warnings and errors of a second, so that whoever floods a process, be it with
//! messages or with failures, cannot fill its disk with what it says of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// Lets the first few lines of each place in a second pass, and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Limit(Mutex<BTreeMap<Place, Lines>>);

/// Where a line is written: there are as many as the code has.
type Place = (String, Option<u32>);

#[derive(Debug)]
struct Lines {
    since: Instant,
    count: u32,
}

/// Warnings and errors of one place in a second. Figures tell how many there were.
const PER_SECOND_MAX: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// How many were left out; there is one log a process.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// How many lines were left out since the process started.
pub(crate) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

impl Limit {
    /// Whether one more line of this place is written.
    fn admits(&self, metadata: &Metadata<'_>) -> bool {
        let place = (metadata.target().to_owned(), metadata.line());
        let (now, mut all) =
            (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = all.entry(place).or_insert(Lines { since: now, count: 0 });
        if now.duration_since(lines.since) >= SECOND {
            *lines = Lines { since: now, count: 0 };
        }
        lines.count = lines.count.saturating_add(1);
        lines.count <= PER_SECOND_MAX
    }
}

/// Lines below a warning come one a job that is taken, which is bounded; or were asked for. Those of
/// the library of the bus come one a message that it drops.
fn is_bounded(metadata: &Metadata<'_>) -> bool {
    let is_loud = *metadata.level() <= Level::WARN || metadata.target().starts_with("async_nats");
    metadata.is_event() && is_loud
}

impl<S> Filter<S> for Limit {
    // Called once an event. A refusal in `event_enabled` would leave the registry's own note of who
    // is enabled behind, on which it panics in debug builds.
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let is_written = !is_bounded(metadata) || self.admits(metadata);
        if !is_written {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
        is_written
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_bounded(metadata) { Interest::sometimes() } else { Interest::always() }
    }

    // Without a hint the filter's own would be of no use, and every line would be looked at.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}
