//! The entries of one log in order, each with all that a replay finds about it.

use std::sync::Arc;

use bytes::Bytes;
use mpic_common::directory::{Directory, DirectoryError};
use mpic_common::octets::Hash;

use super::documents::{self, Documents};
use super::sequence::Sequence;
use super::{Depth, entry};
use crate::finding::{Finding, Severity};
use crate::reader::{LogReadError, LogReader};

/// An entry, and what is wrong with it under the documents that were logged before it.
#[derive(Debug)]
pub struct Judged {
    /// Its place.
    pub index: u64,
    /// The stream sequence that it comes from; none of the genesis entry.
    pub seq: Option<u64>,
    /// Its octets.
    pub octets: Bytes,
    /// What the checks R2 to R11 find about it.
    pub findings: Vec<Finding>,
    documents: Arc<Documents>,
}

impl Judged {
    /// Whether any check failed.
    pub fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The directory document of this hash, if it was logged before.
    pub fn directory(&self, hash: &Hash) -> Option<&Directory> {
        self.documents.by_hash(hash).map(AsRef::as_ref)
    }
}

/// Hands every entry to `each`, authenticated against the head and judged as a replay does; ends
/// at the first error. `brought` are the auditor's own directory documents, as for a replay.
pub fn judge_each<E: From<LogReadError> + From<DirectoryError>>(
    log: &LogReader,
    brought: &[Vec<u8>],
    mut each: impl FnMut(Judged) -> Result<(), E>,
) -> Result<(), E> {
    let mut documents = Arc::new(Documents::new(documents::open(brought)?));
    let mut sequence = Sequence::default();
    let genesis = log.genesis()?;
    for read in log.entries() {
        let (index, octets) = read?;
        let mut findings = Vec::new();
        if index == 0 {
            findings.extend(sequence.begin(&log.head().origin, None, Some(&octets)));
        }
        let examined = entry::prepare(&octets, &mut documents).examine(Depth::Signed);
        findings.extend(sequence.follow(index, examined));
        let (seq, documents) = (genesis.seq(index), Arc::clone(&documents));
        each(Judged { index, seq, octets, findings, documents })?;
    }
    Ok(())
}
