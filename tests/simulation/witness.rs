//! Sees everything that passes, and says at once what must not have happened.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::message::OutboundMessage;
use mpic_audit::log::Storage;
use mpic_audit::log::memory::Memory;
use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::limits::ANSWER_OCTETS_MAX;
use mpic_common::record::Answer;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body};

use crate::attacker::OWN_TOKEN;
use crate::bus::{Server, hashed};
use crate::op::Process;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) carried: u64,
    pub(crate) violations: Vec<String>,
    /// How often what happened, so that a test can tell that it does happen.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    /// The disk of the log as it is now.
    pub(crate) disk: Option<Memory>,
    /// Sequences of what no coordinator sent.
    pub(crate) junk: BTreeSet<u64>,
    /// Whose key was revoked; and when each coordinator first read that.
    pub(crate) revoked: Option<(PerspectiveId, BTreeMap<CoordinatorId, UnixMs>)>,
    trace: u64,
}

impl Witness {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Adds a message that the server has to the trace of the run.
    pub(crate) fn trace(&mut self, now_ms: u64, message: u64) {
        // A sum: what came in one millisecond has no order.
        self.trace = self.trace.wrapping_add(hashed((now_ms, message)));
    }

    pub(crate) fn traced(&self) -> u64 {
        self.trace
    }

    /// A coordinator reads the directory document.
    pub(crate) fn reads(&mut self, coordinator: &CoordinatorId, at: UnixMs) {
        if let Some((_, readers)) = &mut self.revoked {
            readers.entry(coordinator.clone()).or_insert(at);
        }
    }

    /// Nothing is acked before it is durable.
    pub(crate) fn acked(&mut self, seq: u64) {
        self.count("acked");
        let Some(disk) = &self.disk else { return };
        let size = durable_size(disk);
        if size <= seq {
            let text = format!("sequence {seq} is acked with {size} entries on the disk");
            self.violations.push(format!("nothing_is_acked_before_it_is_durable: {text}"));
        }
    }
}

impl Server {
    /// No agent answers what the attacker asks. And every answer was recorded first: the stream has these octets at this sequence now.
    pub(crate) fn witness_published(&mut self, process: Process, message: &OutboundMessage) {
        if !matches!(process, Process::Coordinator(_)) {
            let token = subject::parse_reply(&message.subject).map(|(_, _, token)| token);
            if token == Some(OWN_TOKEN) {
                let text = format!("{process:?} replies on {}", message.subject);
                let broken = format!("a_forged_assignment_is_never_answered: {text}");
                self.witness.violations.push(broken);
            }
            return;
        }
        let inboxes = subject::answer_inbox(&"ca1".parse().unwrap());
        if !subject::is_below(&message.subject, &inboxes) {
            return;
        }
        let answer = Envelope::parse(&message.payload, ANSWER_OCTETS_MAX).unwrap();
        let answer: Answer = decode_body(Kind::Answer, answer.body).unwrap();
        let (Some(record), Some(seq)) = (answer.record, answer.seq) else {
            self.witness.count("refused");
            return;
        };
        self.witness.count("answered");
        if self.stream.get(seq).is_none_or(|stored| stored.payload != record.0) {
            let text = format!("sequence {seq} is not what the CA is told");
            self.witness.violations.push(format!("every_answer_was_recorded_first: {text}"));
        }
    }
}

/// How many entries are left if the power goes now, and nothing that was not synced is there.
pub(crate) fn durable_size(disk: &Memory) -> u64 {
    let left = disk.cut(|choices| usize::from(choices == 2));
    let names = left.list("checkpoints").unwrap_or_default();
    let whole = names.into_iter().filter(|(name, _)| {
        left.read(&format!("checkpoints/{name}")).is_ok_and(|note| !note.is_empty())
    });
    whole.filter_map(|(name, _)| name.parse().ok()).max().unwrap_or(0)
}
