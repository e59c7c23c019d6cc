//! The head of the log in a key-value bucket: of two live writers the second stops there.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Store, UpdateErrorKind};
use bytes::Bytes;
use thiserror::Error;

use crate::log::{Fence, FenceError};

/// Holds heads, and moves one only from the revision that is named.
pub trait Bucket: fmt::Debug + Send + Sync + 'static {
    /// The head under `key`, if there ever was one.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<SharedHead>, NoAnswer>> + Send;

    /// Puts a head under `key` in the place of the one at `revision`, or of none.
    fn put(
        &self,
        key: &str,
        note: Bytes,
        revision: Option<u64>,
    ) -> impl Future<Output = Result<Moved, NoAnswer>> + Send;
}

/// A checkpoint in the bucket.
#[derive(Clone, Debug)]
pub struct SharedHead {
    /// Which of all that the bucket ever held.
    pub revision: u64,
    /// The signed checkpoint.
    pub note: Bytes,
}

/// What became of one try to move the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is at this revision.
    To(u64),
    /// It was not where it was thought to be.
    OtherRevision,
}

/// The bucket does not answer.
#[derive(Debug, Error)]
#[error("the bucket does not answer: {0}")]
pub struct NoAnswer(pub String);

/// The shared head, at the revision that this writer knows.
#[derive(Clone, Debug)]
pub struct BucketFence<B> {
    bucket: B,
    key: String,
    head: Option<SharedHead>,
}

impl Bucket for Store {
    async fn head(&self, key: &str) -> Result<Option<SharedHead>, NoAnswer> {
        let entry = self.entry(key).await.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(entry.map(|entry| SharedHead { revision: entry.revision, note: entry.value }))
    }

    async fn put(&self, key: &str, note: Bytes, revision: Option<u64>) -> Result<Moved, NoAnswer> {
        let Some(revision) = revision else {
            return match self.create(key, note).await {
                Ok(revision) => Ok(Moved::To(revision)),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                    Ok(Moved::OtherRevision)
                }
                Err(error) => Err(NoAnswer(error.to_string())),
            };
        };
        match self.update(key, note, revision).await {
            Ok(revision) => Ok(Moved::To(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Ok(Moved::OtherRevision)
            }
            Err(error) => Err(NoAnswer(error.to_string())),
        }
    }
}

impl<B: Bucket> BucketFence<B> {
    /// Reads the head under the origin's key; waits for as long as nobody answers.
    pub async fn read(bucket: B, origin: &str) -> Self {
        let mut fence = Self { bucket, key: origin.to_owned(), head: None };
        fence.head = fence.read_head().await;
        fence
    }

    /// The checkpoint that was read; `None` if there never was one.
    pub fn note(&self) -> Option<&[u8]> {
        self.head.as_ref().map(|head| head.note.as_ref())
    }

    async fn read_head(&self) -> Option<SharedHead> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.bucket.head(&self.key).await {
                Ok(head) => return head,
                Err(error) => tracing::warn!(%error, "cannot read the head, trying again"),
            }
            wait(&mut pause).await;
        }
    }
}

impl<B: Bucket> Fence for BucketFence<B> {
    async fn advance(&mut self, checkpoint: &[u8]) -> Result<(), FenceError> {
        if self.note() == Some(checkpoint) {
            return Ok(());
        }
        let note = Bytes::copy_from_slice(checkpoint);
        let mut pause = PAUSE_MIN;
        loop {
            let revision = self.head.as_ref().map(|head| head.revision);
            match self.bucket.put(&self.key, note.clone(), revision).await {
                Ok(Moved::To(revision)) => {
                    self.head = Some(SharedHead { revision, note });
                    return Ok(());
                }
                Ok(Moved::OtherRevision) => {
                    let known = revision.unwrap_or(0);
                    match self.read_head().await {
                        // The answer to our own update was lost.
                        Some(head) if head.note == note => {
                            self.head = Some(head);
                            return Ok(());
                        }
                        Some(head) if head.revision > known => {
                            let note = String::from_utf8_lossy(&head.note).into_owned();
                            return Err(FenceError(note.replace('\n', " ")));
                        }
                        // A replica that lags behind has answered.
                        _ => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot move the head, trying again");
                }
            }
            wait(&mut pause).await;
        }
    }
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = PAUSE_MAX.min(*pause * 2);
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
