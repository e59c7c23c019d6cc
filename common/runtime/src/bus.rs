//! The bus as jobs and checks use it, in few enough words that a test can play it.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::message::OutboundMessage;
use async_nats::{Client, Message, PublishError, Subject, Subscriber};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::nats::BusError;
use crate::trace;

/// A connection to the bus.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Sends a message; `Ok` means that it is on its way, not that anybody has it.
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>>;

    /// Subscribes, as a member of a queue group where one is named.
    fn subscribe(
        &self,
        subject: String,
        group: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>>;

    /// Whether it is connected now. What is published while it is not may be sent when it is again.
    fn is_connected(&self) -> bool;

    /// How often it has connected: server and client count a subscription's messages alike only on
    /// the connection on which it was made.
    fn connects(&self) -> u64;

    /// Octets that nobody can foresee, such as the token of a question.
    fn random(&self) -> Result<[u8; 16], getrandom::Error>;
}

/// The messages of one subscription, in the order in which they came.
pub trait Subscription: Stream<Item = Message> + fmt::Debug + Send + Unpin {
    /// Ends it now; what has come can still be read.
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>>;

    /// Ends it after this many messages, counted from its beginning.
    fn unsubscribe_after(&mut self, messages: u64) -> BoxFuture<'_, Result<(), Closed>>;
}

/// A message is not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection took it to be bad, or has ended.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// So many messages wait for the socket that this one found no place.
    #[error("no place within {SEND_WAIT:?} among the messages that wait for the socket")]
    Full,
}

/// The connection has ended for good.
#[derive(Debug, thiserror::Error)]
#[error("the connection has ended")]
pub struct Closed;

/// The library's publish waits for ever on a full channel; ours does not.
const SEND_WAIT: Duration = Duration::from_millis(250);

/// A message without headers and reply subject.
pub fn message(subject: impl Into<Subject>, payload: Bytes) -> OutboundMessage {
    OutboundMessage { subject: subject.into(), reply: None, payload, headers: None }
}

/// The same, with the trace of the current span.
pub fn traced(subject: impl Into<Subject>, payload: Bytes) -> OutboundMessage {
    OutboundMessage { headers: trace::headers(), ..message(subject, payload) }
}

impl Bus for Client {
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
        let OutboundMessage { subject, reply, payload, headers } = message;
        Box::pin(async move {
            let sending = async {
                match (reply, headers) {
                    (None, None) => self.publish(subject, payload).await,
                    (Some(reply), None) => self.publish_with_reply(subject, reply, payload).await,
                    (None, Some(headers)) => {
                        self.publish_with_headers(subject, headers, payload).await
                    }
                    (Some(reply), Some(headers)) => {
                        self.publish_with_reply_and_headers(subject, reply, headers, payload).await
                    }
                }
            };
            Ok(timeout(SEND_WAIT, sending).await.map_err(|_| SendError::Full)??)
        })
    }

    fn subscribe(
        &self,
        subject: String,
        group: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
        Box::pin(async move {
            let made = match group {
                Some(group) => self.queue_subscribe(subject.clone(), group).await,
                None => self.subscribe(subject.clone()).await,
            };
            match made {
                Ok(subscriber) => Ok(Box::new(subscriber) as Box<dyn Subscription>),
                Err(source) => Err(BusError::Subscribe { subject, source }),
            }
        })
    }

    fn is_connected(&self) -> bool {
        self.connection_state() == State::Connected
    }

    fn connects(&self) -> u64 {
        self.statistics().connects.load(Ordering::Relaxed)
    }

    fn random(&self) -> Result<[u8; 16], getrandom::Error> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets)?;
        Ok(octets)
    }
}

impl Subscription for Subscriber {
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async { self.unsubscribe().await.map_err(|_| Closed) })
    }

    fn unsubscribe_after(&mut self, messages: u64) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async move { self.unsubscribe_after(messages).await.map_err(|_| Closed) })
    }
}
