//! How many refusals of a CA go on record one by one; above that they are counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mpic_common::code::CaId;
use mpic_common::time::UnixMs;

/// Refusals of one CA that are recorded in one second.
const PER_SECOND_MAX: u32 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    second: u64,
    recorded: u32,
    unrecorded: u64,
}

/// CAs that are counted: the bus lets nobody ask under a code that is not his.
const CAS_MAX: usize = 4_096;

/// Counts refusals by CA.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<CaId, Count>>);

impl Refusals {
    /// Whether this refusal goes on record by itself; else it is counted.
    pub fn admit(&self, ca: &CaId, now: UnixMs) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= CAS_MAX && !counts.contains_key(ca) {
            return false;
        }
        let count = counts.entry(ca.clone()).or_default();
        let second = now.0 / 1_000;
        if count.second != second {
            (count.second, count.recorded) = (second, 0);
        }
        if count.recorded < PER_SECOND_MAX {
            count.recorded += 1;
            true
        } else {
            count.unrecorded += 1;
            false
        }
    }

    /// How many were only counted since this was last called.
    pub fn take(&self) -> Vec<(CaId, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter_mut()
            .map(|(ca, count)| (ca.clone(), std::mem::take(&mut count.unrecorded)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// These could not be recorded, and are to be taken again. Where the stream had them and could
    /// not say so, they are recorded twice: never not at all.
    pub fn put_back(&self, ca: &CaId, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.entry(ca.clone()).or_default();
        known.unrecorded = known.unrecorded.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_refusal_of_a_second_is_counted() {
        let (refusals, ca) = (Refusals::default(), "ca1".parse().unwrap());
        let admitted = (0..15).filter(|_| refusals.admit(&ca, UnixMs(5_000))).count();
        assert_eq!(admitted, 10);
        assert!(refusals.admit(&ca, UnixMs(6_000)));
        assert_eq!(refusals.take(), [(ca, 5)]);
        assert!(refusals.take().is_empty());
    }

    #[test]
    fn what_could_not_be_recorded_is_counted_on() {
        let (refusals, ca) = (Refusals::default(), "ca1".parse().unwrap());
        let counted = |count: usize, at| (0..count).filter(|_| !refusals.admit(&ca, at)).count();
        assert_eq!(counted(12, UnixMs(5_000)), 2);
        refusals.put_back(&ca, refusals.take()[0].1);
        assert_eq!(counted(11, UnixMs(6_000)), 1);
        assert_eq!(refusals.take(), [(ca, 3)]);
    }
}
