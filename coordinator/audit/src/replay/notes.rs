//! The records that are no decisions: refusals, superseded decisions, late replies, notes.

use mpic_common::code::CoordinatorId;
use mpic_common::directory::{Directory, Owner};
use mpic_common::octets::Hash;
use mpic_common::record::{
    DecisionRecord, LateRecord, NoteRecord, RefusalRecord, SupersededRecord,
};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body};
use serde::de::DeserializeOwned;

use super::asked::{self, Asked};
use super::documents::{Grounds, check_owner};
use super::problem::Problems;
use super::replies::{self, Expected};

/// The decision that a late record names.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) record: &'a DecisionRecord,
    pub(super) asked: &'a Asked,
    pub(super) directory: &'a Directory,
}

pub(super) fn decode<T: DeserializeOwned>(
    envelope: &Envelope<'_>,
    problems: &mut Problems,
) -> Option<T> {
    let decoded = decode_body(envelope.kind, envelope.body);
    problems.keep("R3", envelope.kind.as_str(), decoded.map_err(|error| error.to_string()))
}

pub(super) fn check_refusal(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) -> Option<RefusalRecord> {
    let record: RefusalRecord = decode(envelope, problems)?;
    let owner = coordinator(&record.coordinator);
    check_signed(envelope, grounds, &owner, record.at_ms, record.job_digest, problems);
    Some(record)
}

pub(super) fn check_note(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) -> Option<NoteRecord> {
    let record: NoteRecord = decode(envelope, problems)?;
    let owner = Owner::Operator(record.operator.clone());
    check_signed(envelope, grounds, &owner, record.at_ms, Hash::ZERO, problems);
    problems.demand(record.text.len() <= NOTE_TEXT_MAX, "R3", || "the text is too long".to_owned());
    Some(record)
}

/// The decision inside gives the job whose digest is signed.
pub(super) fn check_superseded(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) -> Option<SupersededRecord> {
    let record: SupersededRecord = decode(envelope, problems)?;
    let lost = decode_body(Kind::Decision, &record.decision.0).map_err(|error| error.to_string());
    let lost: DecisionRecord = problems.keep("R3", "the decision inside", lost)?;
    let same = lost.ca == record.ca && lost.job == record.job;
    problems.demand(same, "R3", || "the decision inside is of another job".to_owned());
    let Some(directory) = grounds.by_hash(&lost.directory_hash).cloned() else {
        problems.error("R6", format!("no directory document {} was logged", lost.directory_hash));
        return Some(record);
    };
    if let Some(asked) = asked::read(&lost, &directory, grounds, problems) {
        let owner = coordinator(&record.coordinator);
        check_signed(envelope, grounds, &owner, record.at_ms, asked.job_digest, problems);
    }
    Some(record)
}

/// R8 and R9 for replies that came after the decision.
pub(super) fn check_late(
    envelope: &Envelope<'_>,
    record: &LateRecord,
    named: &Named<'_>,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) {
    let decision = named.record;
    let owner = coordinator(&record.coordinator);
    let digest = named.asked.job_digest;
    check_signed(envelope, grounds, &owner, record.closed_ms, digest, problems);
    let same = decision.ca == record.ca && decision.job == record.job;
    problems.demand(same, "R9", || "it names the decision of another job".to_owned());
    for reply in &record.replies {
        let code = &reply.perspective;
        let was_missing = decision.missing.iter().any(|missing| missing.perspective == *code);
        problems.demand(was_missing, "R9", || format!("{code} was not missing"));
    }
    let latest = decision.decided_ms.0 + LATE_MAX_MS;
    problems.demand(record.closed_ms.0 <= latest, "R9", || {
        format!("it was closed at {}, decided at {}", record.closed_ms, decision.decided_ms)
    });
    let expected = Expected {
        asked: named.asked,
        directory: named.directory,
        grounds,
        primary: decision.primary.perspective.as_ref(),
        started_ms: decision.started_ms,
        closed_ms: record.closed_ms,
    };
    replies::check(&record.replies, expected, problems);
    replies::check_rejected(&record.rejected, expected, problems);
}

fn check_signed(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    owner: &Owner,
    at: UnixMs,
    digest: Hash,
    problems: &mut Problems,
) {
    problems.keep("R3", "signature", signed(envelope, grounds, owner, at, digest));
}

/// R3: the signature is this owner's, by a key in force at the time that it states.
pub(super) fn signed(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    owner: &Owner,
    at: UnixMs,
    digest: Hash,
) -> Result<(), String> {
    let key = grounds.key(envelope.seal, at)?;
    check_owner(key, owner)?;
    let verified = envelope.verify_with(grounds.verifier, &key.public, Some(digest));
    verified.map_err(|error| error.to_string())
}

fn coordinator(code: &CoordinatorId) -> Owner {
    Owner::Coordinator(code.clone())
}

/// How long after a decision its late window may close.
const LATE_MAX_MS: u64 = 60_000;

/// Octets of a note's text.
const NOTE_TEXT_MAX: usize = 8_192;
