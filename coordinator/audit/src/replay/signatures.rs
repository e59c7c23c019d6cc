//! Every signature of one entry: whose it is, whether it holds, and if not, why.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mpic_common::assignment::Assignment;
use mpic_common::directory::{Directory, DirectoryError, Owner};
use mpic_common::limits::{ASSIGNMENT_OCTETS_MAX, RECORD_OCTETS_MAX};
use mpic_common::octets::Hash;
use mpic_common::record::{
    DecisionRecord, LateRecord, NoteRecord, RefusalRecord, ReplyRecord, SupersededRecord, leaf_hash,
};
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body};
use serde::Serialize;

use super::asked::{self, Asked, with_source};
use super::documents::{self, Documents, Grounds};
use super::notes::signed;
use super::problem::Problems;
use super::replies::{self, Expected};
use crate::genesis::OwnEntry;
use crate::reader::{LogReadError, LogReader};

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// What is signed, such as `decision` or `replies[us-east-1]`.
    pub of: String,
    /// The id of the key that it names, if it names one.
    pub key: Option<String>,
    /// Whose key that is, by the directory documents that were logged before.
    pub owner: Option<String>,
    /// Whether it holds, under a key that was in force, over what it should.
    pub valid: bool,
    /// Why not.
    pub why: Option<String>,
}

/// The signatures of an entry, strictly verified under the directory documents that were logged
/// before it; `brought` are the auditor's own. What the writer made itself has none.
pub fn signatures<E: From<LogReadError> + From<DirectoryError>>(
    log: &LogReader,
    brought: &[Vec<u8>],
    index: u64,
) -> Result<Vec<Signature>, E> {
    let mut documents = Documents::new(documents::open(brought)?);
    let mut recent = VecDeque::new();
    for entry in log.entries() {
        let (at, octets) = entry?;
        let envelope = Envelope::parse(&octets, RECORD_OCTETS_MAX);
        let is_directory = envelope.as_ref().is_ok_and(|found| found.kind == Kind::Directory);
        if at >= index {
            return Ok(match envelope {
                Ok(envelope) if is_directory => {
                    vec![of_directory(&envelope, documents.add(&octets))]
                }
                Ok(envelope) => Found { documents: &documents, recent: &recent }.all(&envelope),
                Err(_) if OwnEntry::decode(&octets).is_ok() => Vec::new(),
                Err(error) => vec![of_nothing(&error)],
            });
        }
        if is_directory {
            // What is wrong with it is shown where it is looked at itself.
            let _ = documents.add(&octets);
        }
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(octets);
    }
    Err(LogReadError::NoSuchEntry { size: log.head().size, index }.into())
}

/// The directory root signs documents.
fn of_directory<T>(envelope: &Envelope<'_>, added: Result<T, String>) -> Signature {
    Signature {
        of: envelope.kind.to_string(),
        key: envelope.seal.map(|seal| seal.key.to_string()),
        owner: Some("directory root".to_owned()),
        valid: added.is_ok(),
        why: added.err(),
    }
}

fn of_nothing(error: &Malformed) -> Signature {
    let why = Some(format!("no record: {error}"));
    Signature { of: "entry".to_owned(), key: None, owner: None, valid: false, why }
}

/// What stands before an entry.
struct Found<'a> {
    documents: &'a Documents,
    recent: &'a VecDeque<Bytes>,
}

impl Found<'_> {
    fn all(&self, envelope: &Envelope<'_>) -> Vec<Signature> {
        let mut all = Vec::new();
        let result = match envelope.kind {
            Kind::Decision => self.decision(envelope, &mut all),
            Kind::Late => self.late(envelope, &mut all),
            Kind::Superseded => self.superseded(envelope, &mut all),
            Kind::Refusal => self.refusal(envelope),
            Kind::Note => self.note(envelope),
            other => Err(format!("a {other} is no entry of a log")),
        };
        all.insert(0, self.told(envelope.kind.to_string(), Some(*envelope), result));
        all
    }

    fn decision(&self, envelope: &Envelope<'_>, all: &mut Vec<Signature>) -> Result<(), String> {
        let record: DecisionRecord = decoded(envelope)?;
        let asked = self.carried(&record, "", all)?;
        let owner = asked::signer(&record);
        signed(envelope, self.grounds(), &owner, record.decided_ms, asked.job_digest)
    }

    fn superseded(&self, envelope: &Envelope<'_>, all: &mut Vec<Signature>) -> Result<(), String> {
        let record: SupersededRecord = decoded(envelope)?;
        let lost = decode_body::<DecisionRecord>(Kind::Decision, &record.decision.0);
        let lost = lost.map_err(|error| format!("the decision inside: {error}"))?;
        let asked = self.carried(&lost, "decision.", all)?;
        let owner = Owner::Coordinator(record.coordinator.clone());
        signed(envelope, self.grounds(), &owner, record.at_ms, asked.job_digest)
    }

    fn late(&self, envelope: &Envelope<'_>, all: &mut Vec<Signature>) -> Result<(), String> {
        let record: LateRecord = decoded(envelope)?;
        let decision =
            self.recent.iter().rev().find(|entry| leaf_hash(entry) == record.decision_hash);
        let decision = decision.ok_or("the decision that it names is not before it")?;
        let decision = Envelope::parse(decision, RECORD_OCTETS_MAX).map_err(|e| e.to_string())?;
        let decision: DecisionRecord = decoded(&decision)?;
        let directory = self.directory(&decision)?;
        let asked = asked::read(&decision, directory, self.grounds(), &mut Problems::default());
        let asked = asked.ok_or("what its decision asked cannot be read")?;
        let expected = self.expected(&decision, &asked, directory);
        self.replies(&record.replies, expected, "", all);
        let owner = Owner::Coordinator(record.coordinator.clone());
        signed(envelope, self.grounds(), &owner, record.closed_ms, asked.job_digest)
    }

    fn refusal(&self, envelope: &Envelope<'_>) -> Result<(), String> {
        let record: RefusalRecord = decoded(envelope)?;
        let owner = Owner::Coordinator(record.coordinator.clone());
        signed(envelope, self.grounds(), &owner, record.at_ms, record.job_digest)
    }

    fn note(&self, envelope: &Envelope<'_>) -> Result<(), String> {
        let record: NoteRecord = decoded(envelope)?;
        let owner = Owner::Operator(record.operator.clone());
        signed(envelope, self.grounds(), &owner, record.at_ms, Hash::ZERO)
    }

    /// The signatures that a decision carries: those of what was asked, and of the replies.
    fn carried(
        &self,
        record: &DecisionRecord,
        before: &str,
        all: &mut Vec<Signature>,
    ) -> Result<Asked, String> {
        let directory = self.directory(record)?;
        for (number, octets) in record.assignments.iter().enumerate() {
            let verified = Assignment::verify(&octets.0, directory, record.requested_ms);
            let envelope = Envelope::parse(&octets.0, ASSIGNMENT_OCTETS_MAX).ok();
            let seal = envelope.and_then(|envelope| envelope.seal);
            let verified = verified.map_err(|error| with_source(&error)).and_then(|verified| {
                self.documents.check_carried(seal, record.started_ms)?;
                Ok(verified)
            });
            // An assignment holds only with the job that it carries.
            if let (0, Some(job)) = (number, envelope.and_then(|found| job_of(&found))) {
                let envelope = Envelope::parse(&job, RECORD_OCTETS_MAX).ok();
                if envelope.is_some_and(|envelope| envelope.seal.is_some()) {
                    let result = verified.as_ref().map(drop).map_err(Clone::clone);
                    all.push(self.told(format!("{before}job"), envelope, result));
                }
            }
            let of = format!("{before}assignments[{number}]");
            all.push(self.told(of, envelope, verified.map(drop)));
        }
        let mut problems = Problems::default();
        let asked = asked::read(record, directory, self.grounds(), &mut problems);
        if let (Some(asked), Some(job)) = (&asked, &record.job_envelope) {
            let envelope = Envelope::parse(&job.0, RECORD_OCTETS_MAX).ok();
            if asked.assignments.is_empty() && envelope.is_some_and(|found| found.seal.is_some()) {
                all.push(self.told(format!("{before}job"), envelope, Ok(())));
            }
        }
        let asked = asked.ok_or("what was asked cannot be read")?;
        let expected = self.expected(record, &asked, directory);
        self.replies(&record.replies, expected, before, all);
        Ok(asked)
    }

    fn replies(
        &self,
        replies: &[ReplyRecord],
        expected: Expected<'_>,
        before: &str,
        all: &mut Vec<Signature>,
    ) {
        for reply in replies {
            let envelope = Envelope::parse(&reply.reply.0, RECORD_OCTETS_MAX).ok();
            let verified = replies::verify(reply, expected).map(drop);
            let of = format!("{before}replies[{}]", reply.perspective);
            all.push(self.told(of, envelope, verified));
        }
    }

    fn directory(&self, record: &DecisionRecord) -> Result<&Directory, String> {
        let hash = &record.directory_hash;
        let found = self.documents.by_hash(hash).map(Arc::as_ref);
        found.ok_or_else(|| format!("no directory document {hash} was logged before"))
    }

    fn expected<'a>(
        &'a self,
        record: &'a DecisionRecord,
        asked: &'a Asked,
        directory: &'a Directory,
    ) -> Expected<'a> {
        Expected {
            asked,
            directory,
            grounds: self.grounds(),
            primary: record.primary.perspective.as_ref(),
            started_ms: record.started_ms,
            closed_ms: record.decided_ms,
        }
    }

    fn grounds(&self) -> Grounds<'_> {
        Grounds::strict(self.documents)
    }

    fn told(
        &self,
        of: String,
        envelope: Option<Envelope<'_>>,
        result: Result<(), String>,
    ) -> Signature {
        let key = envelope.and_then(|envelope| envelope.seal).map(|seal| seal.key);
        let owner = key.and_then(|key| self.documents.owner(key));
        let (valid, why) = (result.is_ok(), result.err());
        Signature {
            of,
            key: key.map(|key| key.to_string()),
            owner: owner.map(ToString::to_string),
            valid,
            why,
        }
    }
}

fn decoded<T: serde::de::DeserializeOwned>(envelope: &Envelope<'_>) -> Result<T, String> {
    decode_body(envelope.kind, envelope.body).map_err(|error| error.to_string())
}

/// The octets of the job that an assignment carries.
fn job_of(assignment: &Envelope<'_>) -> Option<Vec<u8>> {
    let assignment: Assignment = decoded(assignment).ok()?;
    Some(assignment.job_envelope.0)
}

/// Late replies come within seconds of their decision.
const RECENT_MAX: usize = 8_192;
