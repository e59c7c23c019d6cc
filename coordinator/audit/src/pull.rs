//! How the stream's consumer delivers messages, and how they are acked.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::{MessagesError, MessagesErrorKind};
use async_nats::jetstream::consumer::{PullConsumer, StreamError};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use thiserror::Error;
use tokio::time::timeout;

use crate::appender::{Acknowledge, Delivered};

/// The stream's consumer: it delivers what was not acked.
pub trait Pull: Send + 'static {
    /// Acks a message and all before it.
    type Ack: Acknowledge;

    /// Begins to pull.
    fn pull(&self) -> impl Future<Output = Result<Deliveries<Self::Ack>, StreamError>> + Send;
}

/// What a pull brings.
pub type Deliveries<A> = BoxStream<'static, Result<Delivered<A>, Disturbance>>;

/// What a pull brings instead of a message.
#[derive(Debug, Error)]
pub enum Disturbance {
    /// It may pass, or the pull is to be made anew.
    #[error("the pull is disturbed: {0}")]
    Passing(String),
    /// The consumer was deleted, or refuses the pull.
    #[error("the stream's consumer is lost: {0}")]
    Lost(String),
    /// A message without the reply subject of an ack.
    #[error("a message does not say where to ack it: {0}")]
    NoAck(String),
}

impl Pull for PullConsumer {
    type Ack = jetstream::Message;

    async fn pull(&self) -> Result<Deliveries<Self::Ack>, StreamError> {
        let pull = self.stream().max_messages_per_batch(PULL_MESSAGES).heartbeat(HEARTBEAT);
        let messages = pull.messages().await?;
        Ok(messages.map(|message| delivered(message?)).boxed())
    }
}

fn delivered(message: jetstream::Message) -> Result<Delivered<jetstream::Message>, Disturbance> {
    let seq = match message.info() {
        Ok(info) => info.stream_sequence,
        Err(error) => return Err(Disturbance::NoAck(error.to_string())),
    };
    Ok(Delivered { seq, payload: message.payload.clone(), ack: message })
}

impl From<MessagesError> for Disturbance {
    fn from(error: MessagesError) -> Self {
        match error.kind() {
            MessagesErrorKind::ConsumerDeleted
            | MessagesErrorKind::PushBasedConsumer
            | MessagesErrorKind::RequestLimitExceeded => Self::Lost(error.to_string()),
            _ => Self::Passing(error.to_string()),
        }
    }
}

impl Acknowledge for jetstream::Message {
    async fn acknowledge(self) -> bool {
        let answer = timeout(ACK_WAIT, self.double_ack()).await;
        let is_acked = matches!(answer, Ok(Ok(())));
        if !is_acked {
            tracing::warn!("the stream does not answer an ack; it will deliver again");
        }
        is_acked
    }
}

/// Messages asked for at a time.
const PULL_MESSAGES: usize = 1_000;

/// The server says that it is there, also when nothing comes.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Redelivery is the retry.
const ACK_WAIT: Duration = Duration::from_secs(2);
