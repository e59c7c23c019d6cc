//! Whoever reads all of the bus, sends on any subject of it, and holds the keys and the routes of
//! some remotes, fewer than the quorum.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::message::OutboundMessage;
use bytes::Bytes;
use mpic_common::assignment::Assignment;
use mpic_common::code::PerspectiveId;
use mpic_common::job::Job;
use mpic_common::limits::{ANSWER_OCTETS_MAX, ASSIGNMENT_OCTETS_MAX, JOB_OCTETS_MAX};
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::Answer;
use mpic_common::reply::Reply;
use mpic_common::subject;
use mpic_common::testing::{Fleet, Seen};
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::bus::message;

use crate::op::Attack;

#[derive(Debug)]
pub(crate) struct Attacker {
    fleet: Fleet,
    /// Remotes whose keys he holds.
    held: BTreeSet<PerspectiveId>,
    attacks: Vec<Attack>,
    replies: BTreeMap<PerspectiveId, Vec<Bytes>>,
    answers: Vec<Bytes>,
    assignments: Vec<Bytes>,
    /// Messages that he still sends.
    left: u32,
}

/// The token of the reply subjects that he makes up: nobody must answer there.
pub(crate) const OWN_TOKEN: [u8; 16] = [0xEE; 16];

/// So that a run ends, and what he repeats does not make him repeat more.
const SENT_MAX: u32 = 120;

impl Attacker {
    pub(crate) fn new(fleet: Fleet, held: &BTreeSet<String>) -> Self {
        Self {
            fleet,
            held: held.iter().map(|code| code.parse().unwrap()).collect(),
            attacks: Vec::new(),
            replies: BTreeMap::new(),
            answers: Vec::new(),
            assignments: Vec::new(),
            left: SENT_MAX,
        }
    }

    pub(crate) fn begin(&mut self, attack: Attack) {
        if !self.attacks.contains(&attack) {
            self.attacks.push(attack);
        }
    }

    /// What he sends where he sees this.
    pub(crate) fn on_message(&mut self, seen: &OutboundMessage) -> Vec<OutboundMessage> {
        let mut sent = Vec::new();
        let reply_to = seen.reply.as_ref().and_then(|reply| subject::parse_reply(reply));
        if let Some((perspective, _, token)) = reply_to {
            if token != OWN_TOKEN {
                self.on_assignment(seen, &perspective, &mut sent);
            }
        } else if let Some((perspective, ..)) = subject::parse_reply(&seen.subject) {
            let of_perspective = self.replies.entry(perspective).or_default();
            if of_perspective.len() < 4 && !of_perspective.contains(&seen.payload) {
                of_perspective.push(seen.payload.clone());
            }
        } else if subject::ca_of_job(&seen.subject).is_some() {
            self.on_job(seen, &mut sent);
        } else if seen.subject.starts_with(&subject::answer_inbox(&"ca1".parse().unwrap())) {
            self.answers.push(seen.payload.clone());
        }
        sent.truncate(self.left as usize);
        self.left -= u32::try_from(sent.len()).unwrap();
        sent
    }

    fn on_assignment(
        &mut self,
        seen: &OutboundMessage,
        perspective: &PerspectiveId,
        sent: &mut Vec<OutboundMessage>,
    ) {
        let Some(reply_to) = seen.reply.clone() else { return };
        for attack in self.attacks.clone() {
            let replies = match attack {
                Attack::ForgeReplies => self.forge_replies(seen, perspective, Duration::ZERO),
                Attack::MisdateReplies => {
                    self.forge_replies(seen, perspective, Duration::from_secs(3_600))
                }
                Attack::ReplayReplies => self.replies.get(perspective).cloned().unwrap_or_default(),
                Attack::JunkReplies => self.junk_replies(perspective),
                Attack::ForgeAssignments => {
                    self.forge_assignments(seen, perspective, sent);
                    Vec::new()
                }
                Attack::ForgeAnswers | Attack::JunkRecords => Vec::new(),
            };
            sent.extend(replies.into_iter().map(|reply| message(reply_to.clone(), reply)));
        }
    }

    /// What would corroborate, signed by whomever he can sign for.
    fn forge_replies(
        &self,
        seen: &OutboundMessage,
        perspective: &PerspectiveId,
        early: Duration,
    ) -> Vec<Bytes> {
        let Some((digest, job)) = opened(&seen.payload) else { return Vec::new() };
        let good = |code: &PerspectiveId| {
            let at = job.id.time().minus(early);
            let reply = self.fleet.unsigned_reply(code, &job, Seen::Expected);
            Reply { started_ms: at, ended_ms: at, ..reply }
        };
        if self.held.contains(perspective) {
            return vec![good(perspective).sign(&Fleet::key(perspective.as_str()), digest).into()];
        }
        let body = encode_body(Kind::Reply, &good(perspective));
        let mut forged = vec![Bytes::from(envelope::unsigned(Kind::Reply, &body))];
        for name in self.held.first().map(PerspectiveId::as_str).into_iter().chain(["nobody"]) {
            let key = Fleet::key(name);
            forged.push(envelope::seal(Kind::Reply, &body, &key, Some(digest)).into());
        }
        // Key ids are public, so he can name any key. And what the perspective's own agent said to
        // another assignment of the same job is signed by it.
        let key = Fleet::key(perspective.as_str());
        let mut altered = envelope::seal(Kind::Reply, &body, &key, Some(digest));
        if let Some(last) = altered.last_mut() {
            *last ^= 1;
        }
        forged.push(altered.into());
        forged.push(envelope::seal(Kind::Reply, &body, &key, Some(Hash::ZERO)).into());
        if let Some(held) = self.held.first() {
            forged.push(good(held).sign(&Fleet::key(held.as_str()), digest).into());
        }
        forged
    }

    fn junk_replies(&self, perspective: &PerspectiveId) -> Vec<Bytes> {
        let mut junk = vec![
            Bytes::new(),
            Bytes::from(vec![0x81; 9_000]),
            Bytes::from(envelope::unsigned(Kind::Refusal, &encode_body(Kind::Refusal, &()))),
        ];
        if let Some(reply) = self.replies.get(perspective).and_then(|replies| replies.first()) {
            junk.push(reply.slice(..reply.len() / 2));
            let mut other_version = reply.to_vec();
            if let Some(version) = other_version.get_mut(3) {
                *version = 2;
            }
            junk.push(other_version.into());
        }
        junk
    }

    fn forge_assignments(
        &mut self,
        seen: &OutboundMessage,
        perspective: &PerspectiveId,
        sent: &mut Vec<OutboundMessage>,
    ) {
        let coordinator = "c0".parse().unwrap();
        let to = |payload: Bytes, token: [u8; 16]| OutboundMessage {
            reply: Some(subject::reply(perspective, &coordinator, &token).into()),
            ..message(subject::check(perspective), payload)
        };
        let Ok(envelope) = Envelope::parse(&seen.payload, ASSIGNMENT_OCTETS_MAX) else { return };
        let Some((_, job)) = opened(&seen.payload) else { return };
        let digest = Some(Hash::of(&job.to_body()));
        for name in self.held.first().map(PerspectiveId::as_str).into_iter().chain(["nobody"]) {
            let key = Fleet::key(name);
            let forged = envelope::seal(Kind::Assignment, envelope.body, &key, digest);
            sent.push(to(forged.into(), OWN_TOKEN));
        }
        // Whose reply nobody waits for.
        sent.extend(self.assignments.last().map(|earlier| to(earlier.clone(), [0xDD; 16])));
        self.assignments.push(seen.payload.clone());
    }

    fn on_job(&self, seen: &OutboundMessage, sent: &mut Vec<OutboundMessage>) {
        let Some(inbox) = seen.reply.clone() else { return };
        if self.attacks.contains(&Attack::ForgeAnswers) {
            for answer in self.answers.iter().rev().take(2) {
                sent.push(message(inbox.clone(), answer.clone()));
                let forged = forge_answer(answer, &seen.payload);
                sent.extend(forged.map(|forged| message(inbox.clone(), forged)));
            }
        }
        if self.attacks.contains(&Attack::JunkRecords) {
            let to = subject::audit_decision(&"ca1".parse().unwrap());
            sent.push(message(to.clone(), Bytes::from_static(b"{\"error\":{}}")));
            sent.push(message(to, seen.payload.clone()));
        }
    }
}

/// Another job's decision, signed as one on this job by a key that is no coordinator's.
fn forge_answer(answer: &[u8], job: &[u8]) -> Option<Bytes> {
    let job = Envelope::parse(job, JOB_OCTETS_MAX).ok()?;
    let answer = Envelope::parse(answer, ANSWER_OCTETS_MAX).ok()?;
    let mut answer: Answer = decode_body(Kind::Answer, answer.body).ok()?;
    let record = answer.record?.0;
    let body = Envelope::parse(&record, usize::MAX).ok()?.body;
    let forged = envelope::seal(Kind::Decision, body, &Fleet::key("r0"), Some(job.digest()));
    answer.leaf = Some(mpic_common::record::leaf_hash(&forged));
    answer.record = Some(Octets(forged));
    Some(envelope::unsigned(Kind::Answer, &encode_body(Kind::Answer, &answer)).into())
}

/// The digest of an assignment and the job in it.
fn opened(assignment: &[u8]) -> Option<(Hash, Job)> {
    let envelope = Envelope::parse(assignment, ASSIGNMENT_OCTETS_MAX).ok()?;
    let digest = envelope.digest();
    let assignment: Assignment = decode_body(Kind::Assignment, envelope.body).ok()?;
    let job = Envelope::parse(&assignment.job_envelope.0, JOB_OCTETS_MAX).ok()?;
    Some((digest, Job::parse(job.body).ok()?))
}
