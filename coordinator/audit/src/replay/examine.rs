//! Entries side by side, each by itself, their signatures in batches.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use mpic_common::octets::Hash;
use mpic_common::signature::{Batch, Strict, Verifier};

use super::documents::Documents;
use super::entry::{self, Examined};
use super::late::Late;
use super::problem::Problems;
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
    side_by_side(&prepared, BATCH, means.threads, |batch| {
        in_batch(batch, means.signatures, |entry, verifier| entry.examine(means.depth, verifier))
    })
}

/// Checks late replies, whose decisions are known by now.
pub(super) fn examine_late(late: &[&Late], means: Means) -> Vec<Problems> {
    side_by_side(late, BATCH, means.threads, |late| {
        in_batch(late, means.signatures, |late, verifier| late.check(verifier))
    })
}

/// Believes all signatures and verifies them together in the end. Where one fails, nothing of what
/// was concluded holds, and each is verified by itself.
fn in_batch<T, R>(
    items: &[T],
    signatures: Signatures,
    conclude: impl Fn(&T, &dyn Verifier) -> R,
) -> Vec<R> {
    if signatures == Signatures::Batches {
        let batch = Batch::default();
        let concluded = items.iter().map(|item| conclude(item, &batch)).collect();
        if batch.settle().is_ok() {
            return concluded;
        }
    }
    items.iter().map(|item| conclude(item, &Strict)).collect()
}

/// Entries of a batch: with six perspectives more than 2,000 signatures, beyond which little is
/// gained. It does not depend on the machine, so that two auditors find the same.
const BATCH: NonZeroUsize = NonZeroUsize::new(256).unwrap();

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
