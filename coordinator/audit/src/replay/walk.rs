//! The entries of one log in order, each with all that a replay finds about it.

use std::sync::Arc;

use bytes::Bytes;
use mpic_common::directory::{Directory, DirectoryError};
use mpic_common::octets::Hash;

use super::documents::{self, Documents};
use super::examine::{Means, examine};
use super::sequence::Sequence;
use super::{Depth, Signatures, settled};
use crate::finding::{Finding, Severity};
use crate::reader::{LogReadError, LogReader};
use crate::tree::{TILE_WIDTH, leaf_hash};
use crate::work::Work;

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
    let threads = Work::default().threads;
    let means = Means { depth: Depth::Signed, signatures: Signatures::Batches, threads };
    for bundle in 0..log.head().size.div_ceil(TILE_WIDTH) {
        let entries = log.bundle(bundle)?;
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let first = bundle * TILE_WIDTH;
        let examined = examine(&entries, &leaves, &mut documents, means);
        let known: Vec<_> =
            examined.iter().map(|examined| Arc::clone(&examined.documents)).collect();
        let mut begun = if first == 0 {
            sequence.begin(&log.head().origin, None, entries.first())
        } else {
            Vec::new()
        };
        let followed =
            (first..).zip(examined).map(|(index, examined)| sequence.follow(index, examined));
        let findings = settled(followed.collect(), means);
        for (index, ((octets, documents), found)) in
            (first..).zip(entries.into_iter().zip(known).zip(findings))
        {
            let findings = std::mem::take(&mut begun).into_iter().chain(found).collect();
            each(Judged { index, seq: genesis.seq(index), octets, findings, documents })?;
        }
    }
    Ok(())
}
