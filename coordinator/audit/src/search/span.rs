//! Where in a log the times lie: decisions stand nearly in the order of their times, so that a
//! span of time is found without reading all of it.

use std::ops::Range;
use std::time::Duration;

use mpic_common::time::{UnixMs, millis};

use super::Subject;
use crate::reader::{LogReadError, LogReader};
use crate::tree::TILE_WIDTH;

/// The bundles that may hold what signers say to be of this span of time.
///
/// What stands further than `slack` from its place in time is not among them: only a search
/// without a span finds it.
pub(super) fn bundles(
    log: &LogReader,
    from: Option<UnixMs>,
    to: Option<UnixMs>,
    slack: Duration,
) -> Result<Range<u64>, LogReadError> {
    let all = log.head().size.div_ceil(TILE_WIDTH);
    let start = match from {
        // The bundle before the first that begins then may go on until then.
        Some(from) => first_since(log, all, minus(from, slack))?.saturating_sub(1),
        None => 0,
    };
    let end = match to {
        Some(to) => {
            let after = first_since(log, all, to.plus(slack))?;
            // What stands before its first decision may be older than that.
            first_decided(log, after..all)?.map_or(all, |(bundle, _)| bundle + 1)
        }
        None => all,
    };
    Ok(start..end.max(start))
}

/// The first bundle from which on the next decision is not before `at`.
fn first_since(log: &LogReader, all: u64, at: UnixMs) -> Result<u64, LogReadError> {
    let (mut low, mut high) = (0, all);
    while low < high {
        let middle = low.midpoint(high);
        match first_decided(log, middle..high)? {
            Some((bundle, time)) if time < at => low = bundle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first decision in these bundles: which bundle, and its time.
fn first_decided(
    log: &LogReader,
    bundles: Range<u64>,
) -> Result<Option<(u64, UnixMs)>, LogReadError> {
    for bundle in bundles {
        let entries = log.bundle(bundle)?;
        let mut subjects = entries.iter().map(|entry| Subject::of(entry));
        if let Some(time) = subjects.find(|subject| subject.is_decision).and_then(|found| found.at)
        {
            return Ok(Some((bundle, time)));
        }
    }
    Ok(None)
}

fn minus(at: UnixMs, span: Duration) -> UnixMs {
    UnixMs(at.0.saturating_sub(millis(span)))
}
