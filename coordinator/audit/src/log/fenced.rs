//! The log as the appender uses it: commit on the disk, then the fence, then publish.

use std::fmt;
use std::mem;
use std::ops::Range;

use bytes::Bytes;
use mpic_common::octets::Hash;
use thiserror::Error;

use super::{Log, LogError, Shard, Step, Storage};

/// Keeps a second live writer from publishing.
pub trait Fence: Send + 'static {
    /// Moves the head that all writers share to this checkpoint, which is durable.
    ///
    /// It waits for as long as nobody answers, and errs only where another writer is ahead.
    fn advance(&mut self, checkpoint: &[u8])
    -> impl Future<Output = Result<(), FenceError>> + Send;
}

/// Another writer has moved the shared head.
#[derive(Debug, Error)]
#[error("another writer has moved the head of the log: {0}")]
pub struct FenceError(pub String);

/// A shard behind a fence.
#[derive(Debug)]
pub struct FencedLog<S: Storage, F> {
    shard: Option<Shard<S>>,
    fence: F,
}

impl<S: Storage, F: Fence> FencedLog<S, F> {
    /// A shard that is open and behind no other writer.
    pub fn new(shard: Shard<S>, fence: F) -> Self {
        Self { shard: Some(shard), fence }
    }

    /// The shard between two appends; `None` after an error.
    pub fn shard(&self) -> Option<&Shard<S>> {
        self.shard.as_ref()
    }

    /// Brings fence and `checkpoint` up to the head, as after a kill between commit and publish.
    pub async fn catch_up(&mut self) -> Result<(), LogError> {
        let shard = self.take()?;
        let shard = if shard.is_published() {
            shard
        } else {
            blocking(move || shard.sync_checkpoints()).await?
        };
        self.publish(shard).await
    }

    async fn publish(&mut self, shard: Shard<S>) -> Result<(), LogError> {
        if let Some(head) = shard.head() {
            self.fence.advance(head).await?;
            shard.files.reached(Step::Fenced)?;
        }
        let shard =
            if shard.is_published() { shard } else { blocking(move || shard.publish()).await? };
        self.shard = Some(shard);
        Ok(())
    }

    fn take(&mut self) -> Result<Shard<S>, LogError> {
        mem::take(&mut self.shard).ok_or(LogError::Ended)
    }
}

impl<S: Storage, F: Fence> Log for FencedLog<S, F> {
    fn size(&self) -> u64 {
        self.shard.as_ref().map_or(0, Shard::size)
    }

    async fn leaves(&mut self, indices: Range<u64>) -> Result<Vec<Hash>, LogError> {
        let shard = self.take()?;
        let (shard, leaves) = blocking(move || {
            let leaves = shard.leaves(indices)?;
            Ok((shard, leaves))
        })
        .await?;
        self.shard = Some(shard);
        Ok(leaves)
    }

    async fn tidy(&mut self) -> Result<(), LogError> {
        let shard = self.take()?;
        self.shard = Some(blocking(move || shard.tidy()).await?);
        Ok(())
    }

    async fn append(&mut self, entries: Vec<Bytes>) -> Result<u64, LogError> {
        let shard = self.take()?;
        let first = shard.size();
        if entries.is_empty() {
            self.shard = Some(shard);
            return Ok(first);
        }
        let shard = blocking(move || shard.commit(&entries)).await?;
        self.publish(shard).await?;
        Ok(first)
    }
}

async fn blocking<T: fmt::Debug + Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LogError::Ended)?
}
