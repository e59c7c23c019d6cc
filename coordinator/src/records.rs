//! Reads what the stream of records holds.

use std::fmt;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// The stream of records.
pub trait Records: fmt::Debug + Send + Sync + 'static {
    /// The record at this sequence.
    fn get(&self, seq: u64) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// The last record on `subject` and its sequence, if there is one.
    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Last, ReadError>>;
}

/// The last record on a subject and its sequence, if there is one.
pub type Last = Option<(u64, Bytes)>;

/// The stream does not say what it holds.
#[derive(Debug, thiserror::Error)]
#[error("the stream cannot be read: {0}")]
pub struct ReadError(pub String);

impl Records for Stream<()> {
    fn get(&self, seq: u64) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let stored = self.get_raw_message(seq).await;
            stored.map(|message| message.payload).map_err(|error| ReadError(error.to_string()))
        })
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Last, ReadError>> {
        Box::pin(async move {
            match self.get_last_raw_message_by_subject(subject).await {
                Ok(message) => Ok(Some((message.sequence, message.payload))),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(ReadError(error.to_string())),
            }
        })
    }
}
