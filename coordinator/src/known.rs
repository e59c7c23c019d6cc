//! Jobs that this coordinator has met: a repeat joins the one in flight, or gets the decision
//! that was recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mpic_common::code::CaId;
use mpic_common::job::JobId;
use mpic_common::limits::{CLOCK_SKEW, DUPLICATE_WINDOW};
use mpic_common::octets::Hash;
use mpic_common::time::UnixMs;

/// Where an answer goes.
pub type ReplyTo = async_nats::Subject;

#[derive(Debug)]
enum State {
    InFlight { digest: Hash, waiting: Vec<ReplyTo> },
    Recorded { digest: Hash, seq: u64 },
}

/// What to do with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// Perform it.
    New,
    /// It is being performed; whoever asked will be answered with the others.
    Joined,
    /// It was performed; the record is there.
    Recorded(u64),
    /// The id was used for other content.
    Conflict,
}

/// The jobs of the last minutes.
#[derive(Debug, Default)]
pub struct Known(Mutex<Jobs>);

#[derive(Debug, Default)]
struct Jobs {
    /// The id comes first: it is ordered by time.
    states: BTreeMap<(JobId, CaId), State>,
    in_flight: BTreeMap<CaId, usize>,
}

/// Jobs that are remembered.
const JOBS_MAX: usize = 100_000;

/// Repeats that one job's answer goes to.
const WAITING_MAX: usize = 16;

impl Known {
    /// A job arrives; unless it is new, `reply` is looked after.
    pub fn meet(&self, ca: &CaId, job: JobId, digest: Hash, reply: &ReplyTo, now: UnixMs) -> Met {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.forget_old(now);
        match jobs.states.get_mut(&(job, ca.clone())) {
            None => {
                let state = State::InFlight { digest, waiting: Vec::new() };
                jobs.states.insert((job, ca.clone()), state);
                *jobs.in_flight.entry(ca.clone()).or_default() += 1;
                Met::New
            }
            Some(State::InFlight { digest: known, .. } | State::Recorded { digest: known, .. })
                if *known != digest =>
            {
                Met::Conflict
            }
            Some(State::InFlight { waiting, .. }) => {
                if waiting.len() < WAITING_MAX {
                    waiting.push(reply.clone());
                }
                Met::Joined
            }
            Some(State::Recorded { seq, .. }) => Met::Recorded(*seq),
        }
    }

    /// The job is performed; gives who else waits for its answer. Without a sequence it may be
    /// tried afresh.
    pub fn finish(&self, ca: &CaId, job: JobId, seq: Option<u64>) -> Vec<ReplyTo> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (job, ca.clone());
        let Some(State::InFlight { digest, waiting }) = jobs.states.remove(&key) else {
            return Vec::new();
        };
        if let Some(count) = jobs.in_flight.get_mut(ca) {
            *count = count.saturating_sub(1);
        }
        if let Some(seq) = seq {
            jobs.states.insert(key, State::Recorded { digest, seq });
        }
        waiting
    }

    /// How many of `ca` are in flight.
    pub fn in_flight(&self, ca: &CaId) -> usize {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.in_flight.get(ca).copied().unwrap_or(0)
    }
}

impl Jobs {
    /// A job this old is refused as expired before it comes here, and has its answer. Where there
    /// are too many, a repeat of the oldest is asked afresh, and finds the record in the stream.
    fn forget_old(&mut self, now: UnixMs) {
        let oldest = now.minus(DUPLICATE_WINDOW + CLOCK_SKEW);
        let surplus = self.states.len().saturating_sub(JOBS_MAX);
        for forgotten in 0.. {
            let Some(first) = self.states.first_entry() else { break };
            let is_done = matches!(first.get(), State::Recorded { .. });
            if !is_done || (forgotten >= surplus && first.key().0.time() >= oldest) {
                break;
            }
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mpic_common::testing::job_id;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn meet(known: &Known, digest: &[u8]) -> Met {
        let ca = "ca1".parse().unwrap();
        known.meet(&ca, job_id(0), Hash::of(digest), &"mpic.v1.answer.ca1.x".into(), NOW)
    }

    #[test]
    fn a_repeat_joins_and_then_gets_the_record() {
        let (known, ca) = (Known::default(), "ca1".parse().unwrap());
        assert_eq!(meet(&known, b"a"), Met::New);
        assert_eq!(meet(&known, b"a"), Met::Joined);
        assert_eq!(known.finish(&ca, job_id(0), Some(7)).len(), 1);
        assert_eq!(meet(&known, b"a"), Met::Recorded(7));
    }

    #[test]
    fn other_content_under_the_same_id_is_a_conflict() {
        let known = Known::default();
        meet(&known, b"a");
        assert_eq!(meet(&known, b"b"), Met::Conflict);
        known.finish(&"ca1".parse().unwrap(), job_id(0), Some(7));
        assert_eq!(meet(&known, b"b"), Met::Conflict);
    }

    #[test]
    fn what_was_not_recorded_is_tried_afresh() {
        let known = Known::default();
        meet(&known, b"a");
        known.finish(&"ca1".parse().unwrap(), job_id(0), None);
        assert_eq!(meet(&known, b"a"), Met::New);
    }

    #[test]
    fn old_jobs_are_forgotten() {
        let (known, ca) = (Known::default(), "ca1".parse().unwrap());
        meet(&known, b"a");
        assert_eq!(known.in_flight(&ca), 1);
        known.finish(&ca, job_id(0), Some(7));
        assert_eq!(known.in_flight(&ca), 0);
        let later = NOW.plus(Duration::from_secs(300));
        known.meet(&ca, job_id(300_000), Hash::ZERO, &"x".into(), later);
        assert_eq!(meet(&known, b"a"), Met::New);
    }
}
