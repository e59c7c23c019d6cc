//! Entries side by side, each by itself, their signatures in batches.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use mpic_common::octets::Hash;
use mpic_common::signature::{Batch, Strict};

use super::documents::Documents;
use super::entry::{self, Examined, Prepared};
use super::{Depth, Signatures};
use crate::work::side_by_side;

/// How entries are examined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub(super) depth: Depth,
    pub(super) signatures: Signatures,
    pub(super) threads: NonZeroUsize,
}

/// Examines entries, each with its leaf hash, under the documents that were logged before it.
pub(super) fn examine(
    entries: &[Bytes],
    leaves: &[Hash],
    documents: &mut Arc<Documents>,
    means: Means,
) -> Vec<Examined> {
    let prepare = |(entry, leaf): (_, &Hash)| entry::prepare(entry, *leaf, documents);
    let prepared: Vec<_> = entries.iter().zip(leaves).map(prepare).collect();
    side_by_side(&prepared, BATCH, means.threads, |batch| examine_batch(batch, means))
}

/// Believes all signatures and verifies them together in the end. Where one fails, nothing of what
/// was concluded holds, and each is verified by itself.
fn examine_batch(entries: &[Prepared<'_>], means: Means) -> Vec<Examined> {
    if means.signatures == Signatures::Batches {
        let batch = Batch::default();
        let examined = entries.iter().map(|entry| entry.examine(means.depth, &batch)).collect();
        if batch.settle().is_ok() {
            return examined;
        }
    }
    entries.iter().map(|entry| entry.examine(means.depth, &Strict)).collect()
}

/// Entries of a batch: with six perspectives more than 1,024 signatures, beyond which nothing is
/// gained. It does not depend on the machine, so that two auditors find the same.
const BATCH: NonZeroUsize = NonZeroUsize::new(128).unwrap();

#[cfg(test)]
mod tests {
    use mpic_common::record::leaf_hash;

    use super::*;
    use crate::testing::{fleet, job, sign_decision, unanimous};

    #[test]
    fn each_signature_of_a_decision_is_verified_once() {
        let decision = sign_decision(&unanimous(&fleet(), &job(0)), &job(0));
        let entries: [Bytes; 2] = [fleet().document().into(), decision.into()];
        let mut documents = Arc::new(Documents::new(Vec::new()));
        let batch = Batch::default();
        for entry in &entries {
            let prepared = entry::prepare(entry, leaf_hash(entry), &mut documents);
            prepared.examine(Depth::Signed, &batch);
        }
        // The decision's, its assignment's, and those of seven replies.
        assert_eq!((batch.count(), batch.settle()), (9, Ok(())));
    }
}
