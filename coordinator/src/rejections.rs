//! Replies to one job that do not count, as they come.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use mpic_common::code::PerspectiveId;
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::RejectedRecord;
use mpic_common::reply::Rejected;
use mpic_common::time::UnixMs;

use crate::figures::{Exchanges, Replied};
use crate::multiplexer::Answers;

/// The replies to one job that do not count.
#[derive(Debug, Clone, Default)]
pub struct Rejections(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    rejected: Vec<RejectedRecord>,
    is_decided: bool,
    /// Of the perspectives whose reply counts already.
    answered: Vec<Answered>,
}

#[derive(Debug)]
struct Answered {
    perspective: PerspectiveId,
    answers: Answers,
    /// SHA-256 of the reply that counts.
    counted: Hash,
    exchanges: Exchanges,
    /// The sends that are answered, by the subjects of their replies.
    sends: BTreeSet<String>,
}

/// A longer one is known by its hash alone: no reply may be as long.
const RAW_OCTETS_MAX: usize = 8_192;

/// Rejected replies of one perspective that one record holds: a hostile one must not fill it.
const REJECTIONS_MAX: usize = 3;

impl Rejections {
    /// A reply of `perspective`, received at `at`, that does not count for this reason.
    pub fn push(&self, perspective: &PerspectiveId, message: &Message, at: UnixMs, why: Rejected) {
        self.found().push(rejected(perspective, message, at, why));
    }

    /// Whether `perspective`, of which no reply counts, has said something that does not.
    pub fn holds_of(&self, perspective: &PerspectiveId) -> bool {
        let found = self.found();
        found.rejected.iter().any(|known| known.perspective.as_ref() == Some(perspective))
    }

    /// The reply of `perspective` in `message` counts: whatever else it answers does not. A further
    /// send may bring the same octets, since an agent that is asked twice answers twice alike.
    pub fn watch(
        &self,
        perspective: PerspectiveId,
        answers: Answers,
        message: &Message,
        exchanges: Exchanges,
    ) {
        let (counted, sends) = (Hash::of(&message.payload), [message.subject.to_string()].into());
        let answered = Answered { perspective, answers, counted, exchanges, sends };
        self.found().answered.push(answered);
    }

    /// Whether the job was decided: those that came until then were taken.
    pub fn is_decided(&self) -> bool {
        self.found().is_decided
    }

    /// Takes those that came since this was last called; what is read only now came by `now`.
    pub fn take(&self, now: UnixMs) -> Vec<RejectedRecord> {
        let mut found = self.found();
        found.is_decided = true;
        let mut answered = std::mem::take(&mut found.answered);
        for Answered { perspective, answers, counted, exchanges, sends } in &mut answered {
            while let Some(message) = answers.try_next() {
                if message.status.is_none() {
                    exchanges.replied(perspective, Replied::Further);
                }
                let mut twice = rejected(perspective, &message, now, Rejected::Duplicate);
                let is_same = twice.hash == *counted;
                let is_first = sends.insert(message.subject.to_string());
                // What the server itself says answers nothing twice.
                if message.status.is_some() || (is_same && is_first) {
                    continue;
                }
                twice.raw = twice.raw.filter(|_| !is_same);
                found.push(twice);
            }
        }
        found.answered = answered;
        std::mem::take(&mut found.rejected)
    }

    /// Each use is one whole change.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// The same octets for the same reason are one line, however often they came.
    fn push(&mut self, rejected: RejectedRecord) {
        let is_known = self.rejected.iter().any(|known| {
            (&known.perspective, known.reason, known.hash)
                == (&rejected.perspective, rejected.reason, rejected.hash)
        });
        let before = self.rejected.iter().filter(|known| known.perspective == rejected.perspective);
        if before.count() < REJECTIONS_MAX && !is_known {
            self.rejected.push(rejected);
        }
    }
}

fn rejected(
    perspective: &PerspectiveId,
    message: &Message,
    received_ms: UnixMs,
    reason: Rejected,
) -> RejectedRecord {
    RejectedRecord {
        perspective: Some(perspective.clone()),
        received_ms,
        reason,
        hash: Hash::of(&message.payload),
        raw: (message.payload.len() <= RAW_OCTETS_MAX).then(|| Octets(message.payload.to_vec())),
    }
}
