//! From what was heard to the record of it: all that `decide` was given, and what it said. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::observation::CheckKind;
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::{
    CheckRecord, DecisionRecord, LateRecord, MissingRecord, PrimaryRecord, PrimarySource,
    QuorumRecord, ReplyRecord, leaf_hash,
};
use mpic_common::signature::SigningKey;
use mpic_common::wire::{Kind, encode_body, envelope};
use mpic_runtime::SOFTWARE;

use crate::admission::Admitted;
use crate::attempt::{Attempt, Heard};
use crate::corroboration::Corroboration;

/// A signed record, and what must be known of it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The envelope.
    pub octets: Bytes,
    /// The body.
    pub body: Vec<u8>,
    /// The leaf hash of the envelope.
    pub leaf: Hash,
}

impl Signed {
    /// Signs a record over the digest of the job that it answers.
    pub fn new<T: serde::Serialize>(kind: Kind, fields: &T, key: &SigningKey, job: Hash) -> Self {
        let body = encode_body(kind, fields);
        let octets = Bytes::from(envelope::seal(kind, &body, key, Some(job)));
        let leaf = leaf_hash(&octets);
        Self { octets, body, leaf }
    }

    /// Whether it fits the stream and the log.
    pub fn fits(&self) -> bool {
        self.octets.len() <= RECORD_OCTETS_MAX
    }
}

/// Signs the decision on `admitted`; rejected replies lose their octets where they do not fit.
pub fn sign(
    admitted: &Admitted,
    heard: &Corroboration,
    coordinator: &CoordinatorId,
    seed: u64,
    key: &SigningKey,
) -> (DecisionRecord, Signed) {
    let mut record = record(admitted, heard, coordinator, seed);
    let mut signed = Signed::new(Kind::Decision, &record, key, admitted.digest);
    if !signed.fits() {
        record.rejected.iter_mut().for_each(|rejected| rejected.raw = None);
        signed = Signed::new(Kind::Decision, &record, key, admitted.digest);
    }
    (record, signed)
}

fn record(
    admitted: &Admitted,
    heard: &Corroboration,
    coordinator: &CoordinatorId,
    seed: u64,
) -> DecisionRecord {
    let (attempt, plan) = (&heard.attempt, heard.attempt.plan());
    let decision = attempt.decision();
    let job = &admitted.job;
    let source =
        if plan.primary.is_some() { PrimarySource::Agent } else { PrimarySource::External };
    let assignments: Vec<_> =
        heard.assignments.iter().map(|octets| Octets(octets.to_vec())).collect();
    let unasked = assignments.is_empty();
    let check = |check: CheckKind| {
        let decided = decision.checks.get(&check).map(QuorumRecord::from)?;
        let QuorumRecord { quorum, outcome, shortfalls } = decided;
        let method = method(admitted, check);
        let findings = attempt.findings(check);
        Some((check, CheckRecord { method, findings, quorum, outcome, shortfalls }))
    };
    DecisionRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: coordinator.clone(),
        software: SOFTWARE.to_owned(),
        ca_request: job.ca_request.clone(),
        identifier: job.identifier.clone(),
        directory_hash: plan.directory.hash(),
        relaxations: plan.allowed.to_vec(),
        assignments,
        job_envelope: unasked.then(|| Octets(admitted.envelope.to_vec())),
        seed,
        primary: PrimaryRecord { perspective: plan.primary.clone(), source },
        cohort: plan.cohort.remotes().keys().cloned().collect(),
        replies: replies(attempt.replies()),
        missing: missing(attempt),
        rejected: heard.rejected.clone(),
        checks: job.checks().filter_map(check).collect(),
        both: decision.both.as_ref().map(QuorumRecord::from),
        outcome: decision.outcome,
        requested_ms: admitted.requested_ms,
        started_ms: heard.started_ms,
        decided_ms: heard.decided_ms,
    }
}

fn method(admitted: &Admitted, check: CheckKind) -> Option<String> {
    match check {
        CheckKind::Dcv => admitted.job.dcv.as_ref().map(|dcv| dcv.challenge.method_id().to_owned()),
        CheckKind::Caa => None,
    }
}

fn replies(heard: &BTreeMap<PerspectiveId, Heard>) -> Vec<ReplyRecord> {
    heard.iter().map(|(perspective, heard)| reply_record(perspective, heard)).collect()
}

/// A reply as records hold it.
pub fn reply_record(perspective: &PerspectiveId, heard: &Heard) -> ReplyRecord {
    ReplyRecord {
        perspective: perspective.clone(),
        received_ms: heard.received_ms,
        reply: Octets(heard.octets.clone()),
    }
}

fn missing(attempt: &Attempt) -> Vec<MissingRecord> {
    let record = |(perspective, reason): (&PerspectiveId, _)| MissingRecord {
        perspective: perspective.clone(),
        reason,
    };
    attempt.missing().iter().map(|(perspective, reason)| record((perspective, *reason))).collect()
}

/// Signs what came in the late window; nothing where nothing came. Rejected replies lose their
/// octets where they do not fit.
pub fn sign_late(mut late: LateRecord, job: Hash, key: &SigningKey) -> Option<Signed> {
    if late.replies.is_empty() && late.rejected.is_empty() {
        return None;
    }
    let signed = Signed::new(Kind::Late, &late, key, job);
    if signed.fits() {
        return Some(signed);
    }
    late.rejected.iter_mut().for_each(|rejected| rejected.raw = None);
    Some(Signed::new(Kind::Late, &late, key, job)).filter(Signed::fits)
}
