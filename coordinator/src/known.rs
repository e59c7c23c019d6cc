//! Jobs that this coordinator has met: a repeat joins the one in flight, or gets the decision
//! that was recorded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpic_common::code::CaId;
use mpic_common::job::JobId;
use mpic_common::limits::{CLOCK_SKEW, DUPLICATE_WINDOW};
use mpic_common::octets::Hash;
use mpic_common::time::UnixMs;

/// Where an answer goes.
pub type ReplyTo = async_nats::Subject;

/// What to do with a job.
#[derive(Debug)]
pub enum Met {
    /// Perform it.
    New(InFlight),
    /// It is being performed; whoever asked will be answered with the others.
    Joined,
    /// It was performed; the record is there.
    Recorded(u64),
    /// The id was used for other content.
    Conflict,
}

/// A job that is being performed. However that ends, a panic among the ways, the job may then be
/// asked again.
#[derive(Debug)]
pub struct InFlight {
    jobs: Arc<Mutex<Jobs>>,
    key: Key,
    is_finished: AtomicBool,
}

/// The jobs of the last minutes.
#[derive(Debug, Default)]
pub struct Known(Arc<Mutex<Jobs>>);

/// The id comes first: it is ordered by time.
type Key = (JobId, CaId);

#[derive(Debug, Default)]
struct Jobs {
    in_flight: BTreeMap<Key, Waiting>,
    recorded: BTreeMap<Key, Recorded>,
    /// How many of each CA are in flight.
    of_ca: BTreeMap<CaId, usize>,
}

#[derive(Debug)]
struct Waiting {
    digest: Hash,
    repeats: Vec<ReplyTo>,
}

#[derive(Debug)]
struct Recorded {
    digest: Hash,
    seq: u64,
}

/// Decisions that are remembered.
const RECORDED_MAX: usize = 100_000;

/// Repeats that one job's answer goes to.
const WAITING_MAX: usize = 16;

impl Known {
    /// A job arrives; unless it is new, `reply` is looked after.
    pub fn meet(&self, ca: &CaId, job: JobId, digest: Hash, reply: &ReplyTo, now: UnixMs) -> Met {
        let mut jobs = lock(&self.0);
        jobs.forget_old(now);
        let key = (job, ca.clone());
        if let Some(known) = jobs.recorded.get(&key) {
            return if known.digest == digest { Met::Recorded(known.seq) } else { Met::Conflict };
        }
        if let Some(known) = jobs.in_flight.get_mut(&key) {
            if known.digest != digest {
                return Met::Conflict;
            }
            if known.repeats.len() < WAITING_MAX {
                known.repeats.push(reply.clone());
            }
            return Met::Joined;
        }
        jobs.in_flight.insert(key.clone(), Waiting { digest, repeats: Vec::new() });
        *jobs.of_ca.entry(ca.clone()).or_default() += 1;
        let jobs = Arc::clone(&self.0);
        Met::New(InFlight { jobs, key, is_finished: AtomicBool::new(false) })
    }

    /// How many of `ca` are in flight.
    pub fn in_flight(&self, ca: &CaId) -> usize {
        lock(&self.0).of_ca.get(ca).copied().unwrap_or(0)
    }
}

impl InFlight {
    /// The job is performed; gives who else waits for its answer. Without a sequence it may be
    /// tried afresh. Only the first call does anything.
    pub fn finish(&self, seq: Option<u64>) -> Vec<ReplyTo> {
        if self.is_finished.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut jobs = lock(&self.jobs);
        let Some(Waiting { digest, repeats }) = jobs.in_flight.remove(&self.key) else {
            return Vec::new();
        };
        let ca = &self.key.1;
        let left = jobs.of_ca.remove(ca).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            jobs.of_ca.insert(ca.clone(), left);
        }
        if let Some(seq) = seq {
            jobs.recorded.insert(self.key.clone(), Recorded { digest, seq });
        }
        repeats
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.finish(None);
    }
}

impl Jobs {
    /// A job this old is refused as expired before it comes here, and has its answer. Where there
    /// are too many, a repeat of the oldest is asked afresh, and finds the record in the stream.
    fn forget_old(&mut self, now: UnixMs) {
        let oldest = now.minus(DUPLICATE_WINDOW + CLOCK_SKEW);
        while let Some(first) = self.recorded.first_key_value()
            && (self.recorded.len() > RECORDED_MAX || first.0.0.time() < oldest)
        {
            self.recorded.pop_first();
        }
    }
}

/// Each use of the map is one whole change.
fn lock(jobs: &Mutex<Jobs>) -> MutexGuard<'_, Jobs> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mpic_common::testing::job_id;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn meet(known: &Known, digest: &[u8]) -> Met {
        known.meet(&ca(), job_id(0), Hash::of(digest), &"mpic.v1.answer.ca1.x".into(), NOW)
    }

    /// The job, which is new.
    fn begin(known: &Known, digest: &[u8]) -> InFlight {
        match meet(known, digest) {
            Met::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    fn ca() -> CaId {
        "ca1".parse().unwrap()
    }

    #[test]
    fn a_repeat_joins_and_then_gets_the_record() {
        let known = Known::default();
        let job = begin(&known, b"a");
        assert!(matches!(meet(&known, b"a"), Met::Joined));
        assert_eq!(job.finish(Some(7)).len(), 1);
        assert!(matches!(meet(&known, b"a"), Met::Recorded(7)));
        drop(job);
        assert!(matches!(meet(&known, b"a"), Met::Recorded(7)), "also once all is done");
    }

    #[test]
    fn other_content_under_the_same_id_is_a_conflict() {
        let known = Known::default();
        let job = begin(&known, b"a");
        assert!(matches!(meet(&known, b"b"), Met::Conflict));
        job.finish(Some(7));
        assert!(matches!(meet(&known, b"b"), Met::Conflict));
    }

    #[test]
    fn what_was_not_recorded_is_tried_afresh() {
        let known = Known::default();
        let job = begin(&known, b"a");
        job.finish(None);
        let again = begin(&known, b"a");
        drop(job);
        assert!(matches!(meet(&known, b"a"), Met::Joined), "its second try goes on");
        drop(again);
    }

    #[test]
    fn a_job_whose_task_panics_or_is_aborted_may_be_asked_again() {
        let known = Known::default();
        let panicking = begin(&known, b"a");
        let panicked = std::thread::spawn(move || {
            let _job = panicking;
            panic!("as a fault would");
        });
        assert!(panicked.join().is_err());
        assert_eq!(known.in_flight(&ca()), 0);
        drop(begin(&known, b"a"));
        assert_eq!(known.in_flight(&ca()), 0);
    }

    #[test]
    fn old_jobs_are_forgotten_but_those_in_flight() {
        let known = Known::default();
        begin(&known, b"a").finish(Some(7));
        let later = NOW.plus(Duration::from_secs(300));
        let arrives = |ms: u64| known.meet(&ca(), job_id(ms), Hash::ZERO, &"x".into(), later);
        assert_eq!(known.in_flight(&ca()), 0);
        let older = begin_at(arrives(1));
        assert_eq!(known.in_flight(&ca()), 1);
        begin_at(arrives(2)).finish(Some(8));
        let _ = begin_at(arrives(300_000));
        assert!(matches!(arrives(1), Met::Joined), "it is in flight");
        drop(begin_at(arrives(2)));
        drop(begin(&known, b"a"));
        drop(older);
    }

    fn begin_at(met: Met) -> InFlight {
        match met {
            Met::New(job) => job,
            other => panic!("{other:?}"),
        }
    }
}
