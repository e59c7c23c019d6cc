//! Step 1 of a commit: what the consumer delivered becomes the next entries, without a hole.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use mpic_common::octets::Hash;

use super::{AppendError, Stream};
use crate::genesis::{Gap, OwnEntry};
use crate::log::{Log, LogError};
use crate::source::Source;
use crate::tree::{TILE_WIDTH, leaf_hash};

/// The entries that follow the log's last one. Messages that the log has must be the same.
pub(super) async fn in_order<L: Log, S: Source, C>(
    log: &mut L,
    stream: &Stream<S, C>,
    messages: Vec<(u64, Bytes)>,
) -> Result<Vec<Bytes>, AppendError> {
    let next = stream.base_seq + log.size().saturating_sub(1);
    let mut fresh: BTreeMap<u64, Bytes> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for (seq, payload) in messages {
        let seen = if seq < next { &mut known } else { &mut fresh };
        let earlier = seen.insert(seq, payload.clone());
        if earlier.is_some_and(|earlier| earlier != payload) {
            return Err(AppendError::Rewritten { seq });
        }
    }
    compare_known(log, stream.base_seq, known).await?;
    let end = fresh.last_key_value().map_or(next, |(last, _)| last + 1);
    let holes: Vec<_> = (next..end).filter(|seq| !fresh.contains_key(seq)).collect();
    let fetched = stream::iter(holes)
        .map(|seq| async move { Ok::<_, AppendError>((seq, fetch(stream, seq).await?)) })
        .buffer_unordered(FETCHES_MAX)
        .try_collect::<Vec<_>>()
        .await?;
    fresh.extend(fetched);
    Ok(fresh.into_values().collect())
}

/// Compares redelivered messages with the leaves that the log has of them.
async fn compare_known<L: Log>(
    log: &mut L,
    base_seq: u64,
    known: BTreeMap<u64, Bytes>,
) -> Result<(), AppendError> {
    let mut bundle: (u64, Vec<Hash>) = (0, Vec::new());
    for (seq, payload) in known {
        // Before the log's first sequence: another shard has it.
        let Some(place) = seq.checked_sub(base_seq) else { continue };
        let index = place + 1;
        let first = index - index % TILE_WIDTH;
        if bundle.1.is_empty() || bundle.0 != first {
            let end = log.size().min(first + TILE_WIDTH);
            bundle = (first, log.leaves(first..end).await?);
        }
        let place = usize::try_from(index - first).ok();
        let leaf = place.and_then(|place| bundle.1.get(place));
        if leaf != Some(&leaf_hash(&payload)) {
            return Err(AppendError::Rewritten { seq });
        }
    }
    Ok(())
}

/// A message that was not delivered, or the entry that stands for one that an operator gave up.
async fn fetch<S: Source, C>(stream: &Stream<S, C>, seq: u64) -> Result<Bytes, AppendError> {
    for _ in 0..TRIES_MAX {
        if let Some(payload) = stream.source.fetch(seq).await {
            return Ok(payload);
        }
        tokio::time::sleep(TRY_PAUSE).await;
    }
    if !stream.accept_gaps.contains(&seq) {
        return Err(AppendError::Lost { seq });
    }
    tracing::error!(seq, "the stream has lost a message; a gap entry stands for it");
    let gap = OwnEntry::Gap(Gap { seq }).encode().map_err(LogError::Encode)?;
    Ok(gap.into())
}

/// Requests for missing messages at one time.
const FETCHES_MAX: usize = 64;

/// A lagging leader may not have the message at first: five times over 5 s.
const TRIES_MAX: usize = 5;
const TRY_PAUSE: Duration = Duration::from_secs(1);
