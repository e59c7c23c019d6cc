//! What tests of several modules play: a clock that stands still, and a bus whose other side is
//! the test.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_nats::message::OutboundMessage;
use async_nats::{HeaderMap, Message, StatusCode, Subject};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use mpic_common::time::UnixMs;
use mpic_runtime::bus::{Bus, Closed, SendError, Subscription};
use mpic_runtime::clock::Clock;
use mpic_runtime::nats::BusError;
use tokio::sync::mpsc;

/// A day in January 2027.
pub(crate) const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// It is always `NOW`.
#[derive(Debug, Clone)]
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixMs {
        NOW
    }
}

/// A bus that hands what is published to the test.
#[derive(Debug)]
pub(crate) struct Played {
    sent: mpsc::Sender<OutboundMessage>,
    tokens: Mutex<u8>,
    is_connected: AtomicBool,
    /// How many more subscriptions fail.
    failing: Mutex<usize>,
}

impl Played {
    /// The bus, and what is published on it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<OutboundMessage>) {
        let (sent, published) = mpsc::channel(8);
        let (tokens, failing) = (Mutex::new(0), Mutex::new(0));
        (Self { sent, tokens, is_connected: AtomicBool::new(true), failing }, published)
    }

    pub(crate) fn set_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
    }

    /// The next so many subscriptions fail.
    pub(crate) fn fail_subscriptions(&self, count: usize) {
        *self.failing.lock().unwrap() = count;
    }
}

impl Bus for Played {
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
        Box::pin(async move { self.sent.send(message).await.map_err(|_| SendError::Full) })
    }

    fn subscribe(
        &self,
        subject: String,
        _: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
        let mut failing = self.failing.lock().unwrap();
        let subscribed = match failing.checked_sub(1) {
            Some(left) => {
                *failing = left;
                Err(BusError::Echo(subject))
            }
            None => Ok(Box::new(Said::nothing()) as Box<dyn Subscription>),
        };
        Box::pin(async { subscribed })
    }

    fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    fn connects(&self) -> u64 {
        1
    }

    fn random(&self) -> Result<[u8; 16], getrandom::Error> {
        let mut last = self.tokens.lock().unwrap();
        *last += 1;
        Ok([*last; 16])
    }
}

/// What the test says to a subscription.
#[derive(Debug)]
pub(crate) struct Said(mpsc::Receiver<Message>);

impl Said {
    /// A subscription, and the way to say something to it.
    pub(crate) fn new() -> (Self, mpsc::Sender<Message>) {
        let (say, said) = mpsc::channel(8);
        (Self(said), say)
    }

    fn nothing() -> Self {
        Self::new().0
    }
}

impl Stream for Said {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_recv(cx)
    }
}

impl Subscription for Said {
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async { Ok(()) })
    }

    fn unsubscribe_after(&mut self, _: u64) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async { Ok(()) })
    }
}

/// A message as a subscription has it.
pub(crate) fn message(subject: &Subject, payload: &[u8], status: Option<StatusCode>) -> Message {
    Message {
        subject: subject.clone(),
        reply: None,
        payload: Bytes::copy_from_slice(payload),
        headers: None::<HeaderMap>,
        status,
        description: None,
        length: payload.len(),
    }
}
