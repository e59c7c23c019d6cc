//! The head of the log in a key-value bucket: of two live writers the second stops there.

use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Store, UpdateErrorKind};
use bytes::Bytes;

use crate::log::{Fence, FenceError};

/// The shared head, at the revision that this writer knows.
#[derive(Clone, Debug)]
pub struct BucketFence {
    bucket: Store,
    key: String,
    head: Option<SharedHead>,
}

/// The checkpoint in the bucket.
#[derive(Clone, Debug)]
struct SharedHead {
    revision: u64,
    note: Bytes,
}

/// What became of one try.
enum Moved {
    To(u64),
    OtherRevision,
    NoAnswer(String),
}

impl BucketFence {
    /// Reads the head under the origin's key; waits for as long as nobody answers.
    pub async fn read(bucket: Store, origin: &str) -> Self {
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
            match self.bucket.entry(self.key.as_str()).await {
                Ok(entry) => {
                    return entry
                        .map(|entry| SharedHead { revision: entry.revision, note: entry.value });
                }
                Err(error) => tracing::warn!(%error, "cannot read the head, trying again"),
            }
            wait(&mut pause).await;
        }
    }

    async fn try_move(&self, note: &Bytes) -> Moved {
        match &self.head {
            None => match self.bucket.create(&self.key, note.clone()).await {
                Ok(revision) => Moved::To(revision),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                    Moved::OtherRevision
                }
                Err(error) => Moved::NoAnswer(error.to_string()),
            },
            Some(head) => match self.bucket.update(&self.key, note.clone(), head.revision).await {
                Ok(revision) => Moved::To(revision),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    Moved::OtherRevision
                }
                Err(error) => Moved::NoAnswer(error.to_string()),
            },
        }
    }
}

impl Fence for BucketFence {
    async fn advance(&mut self, checkpoint: &[u8]) -> Result<(), FenceError> {
        if self.note() == Some(checkpoint) {
            return Ok(());
        }
        let note = Bytes::copy_from_slice(checkpoint);
        let mut pause = PAUSE_MIN;
        loop {
            match self.try_move(&note).await {
                Moved::To(revision) => {
                    self.head = Some(SharedHead { revision, note });
                    return Ok(());
                }
                Moved::OtherRevision => {
                    let known = self.head.as_ref().map_or(0, |head| head.revision);
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
                Moved::NoAnswer(error) => {
                    tracing::warn!(error, "cannot move the head, trying again");
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
