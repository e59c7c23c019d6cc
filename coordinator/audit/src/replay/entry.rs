//! One entry by itself: what it is, and what is wrong with it.

use std::sync::Arc;

use bytes::Bytes;
use mpic_common::job::JobId;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::record::{LateRecord, NoteRecord, RefusalRecord, SupersededRecord};
use mpic_common::signature::Verifier;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed};

use super::Depth;
use super::decision::{self, Checked};
use super::deep::{self, Underivable};
use super::documents::{Documents, Grounds};
use super::notes;
use super::problem::Problems;
use crate::genesis::{Gap, OwnEntry};

/// An entry, with the documents that were logged before it.
pub(super) struct Prepared<'a> {
    octets: &'a Bytes,
    leaf: Hash,
    read: Read<'a>,
    documents: Arc<Documents>,
    problems: Problems,
}

enum Read<'a> {
    Own(OwnEntry),
    Envelope(Envelope<'a>),
    /// When it was issued, if it can be used.
    Directory(Option<UnixMs>),
    Unreadable(Malformed),
}

/// An entry, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) is: Is,
    pub(super) problems: Problems,
    pub(super) leaf: Hash,
    pub(super) octets: Bytes,
    pub(super) documents: Arc<Documents>,
    /// What a deep replay cannot evaluate.
    pub(super) underivable: Vec<Underivable>,
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Is {
    Genesis,
    Gap(Gap),
    Decision(Arc<Checked>),
    Late(Box<LateRecord>),
    Superseded(SupersededRecord),
    Refusal(RefusalRecord),
    Note(NoteRecord),
    Directory(UnixMs),
    Unreadable,
}

/// Reads an entry; a directory document is in force for what comes after it.
pub(super) fn prepare<'a>(
    octets: &'a Bytes,
    leaf: Hash,
    documents: &mut Arc<Documents>,
) -> Prepared<'a> {
    let mut problems = Problems::default();
    let read = match Envelope::parse(octets, RECORD_OCTETS_MAX) {
        Ok(Envelope { kind: Kind::Directory, .. }) => {
            let added = Arc::make_mut(documents).add(octets);
            Read::Directory(problems.keep("R4", "directory document", added))
        }
        Ok(envelope) => Read::Envelope(envelope),
        Err(error) => OwnEntry::decode(octets).map_or(Read::Unreadable(error), Read::Own),
    };
    Prepared { octets, leaf, read, documents: Arc::clone(documents), problems }
}

impl Prepared<'_> {
    pub(super) fn examine(&self, depth: Depth, verifier: &dyn Verifier) -> Examined {
        let Self { octets, leaf, read, documents, problems } = self;
        let (documents, mut problems) = (Arc::clone(documents), problems.clone());
        let grounds = Grounds { documents: &documents, verifier };
        let is = match read {
            Read::Own(OwnEntry::Genesis(_)) => Is::Genesis,
            Read::Own(OwnEntry::Gap(gap)) => Is::Gap(*gap),
            Read::Unreadable(error) => {
                problems.error("R3", format!("no record: {error}"));
                Is::Unreadable
            }
            Read::Directory(issued) => issued.map_or(Is::Unreadable, Is::Directory),
            Read::Envelope(envelope) => examine(envelope, grounds, &mut problems),
        };
        let underivable = match (depth, &is) {
            (Depth::Evidence, Is::Decision(checked)) => deep::check(checked, &mut problems),
            _ => Vec::new(),
        };
        Examined { is, problems, leaf: *leaf, octets: Bytes::clone(octets), documents, underivable }
    }
}

fn examine(envelope: &Envelope<'_>, grounds: Grounds<'_>, problems: &mut Problems) -> Is {
    let is = match envelope.kind {
        Kind::Decision => {
            let checked = decision::check(envelope, grounds, problems);
            checked.map(|checked| Is::Decision(Arc::new(checked)))
        }
        // Its decision comes before it, and is looked for in order.
        Kind::Late => notes::decode(envelope, problems).map(|late| Is::Late(Box::new(late))),
        Kind::Superseded => {
            notes::check_superseded(envelope, grounds, problems).map(Is::Superseded)
        }
        Kind::Refusal => notes::check_refusal(envelope, grounds, problems).map(Is::Refusal),
        Kind::Note => notes::check_note(envelope, grounds, problems).map(Is::Note),
        other => {
            problems.error("R3", format!("a {other} is no entry of a log"));
            None
        }
    };
    is.unwrap_or(Is::Unreadable)
}

impl Examined {
    /// The job that it is about.
    pub(super) fn job(&self) -> Option<JobId> {
        match &self.is {
            Is::Decision(checked) => Some(checked.record.job),
            Is::Late(late) => Some(late.job),
            Is::Superseded(superseded) => Some(superseded.job),
            Is::Refusal(refusal) => refusal.job,
            _ => None,
        }
    }

    /// The CA's certificate request that it decides on.
    pub(super) fn request(&self) -> Option<&str> {
        match &self.is {
            Is::Decision(checked) => checked.record.ca_request.as_deref(),
            _ => None,
        }
    }

    /// What it allows in replies that count.
    pub(super) fn relaxations(&self) -> &[String] {
        match &self.is {
            Is::Decision(checked) => &checked.record.relaxations,
            _ => &[],
        }
    }

    /// The time that it states, in milliseconds since the Unix epoch.
    pub(super) fn time_ms(&self) -> Option<u64> {
        let time = match &self.is {
            Is::Decision(checked) => checked.record.decided_ms,
            Is::Late(late) => late.closed_ms,
            Is::Superseded(superseded) => superseded.at_ms,
            Is::Refusal(refusal) => refusal.at_ms,
            Is::Note(note) => note.at_ms,
            Is::Directory(issued) => *issued,
            Is::Genesis | Is::Gap(_) | Is::Unreadable => return None,
        };
        Some(time.0)
    }
}
