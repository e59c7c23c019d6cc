//! A process's connection to the played bus, as the process has it.

use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::Message;
use async_nats::message::OutboundMessage;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use mpic_runtime::bus::{Bus, Closed, SendError, Subscription};
use mpic_runtime::nats::BusError;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::bus::{Event, Network, Routed, Weather, hashed};
use crate::op::{Process, mix};

/// Messages that wait for one reader; the newest is dropped.
const WAITING_MAX: usize = 512;

/// What became of a question to the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It never came there.
    Lost,
    /// It was carried out, and the answer was lost.
    Unanswered,
    Answered,
}

/// A process's connection.
#[derive(Debug, Clone)]
pub(crate) struct Link(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    network: Arc<Network>,
    id: u64,
    process: Process,
    connects: Arc<AtomicU64>,
    random: AtomicU64,
}

impl Link {
    pub(crate) fn new(
        network: Arc<Network>,
        id: u64,
        process: Process,
        connects: Arc<AtomicU64>,
        random: AtomicU64,
    ) -> Self {
        Self(Arc::new(Wire { network, id, process, connects, random }))
    }

    pub(crate) fn network(&self) -> &Arc<Network> {
        &self.0.network
    }

    /// Whether the connection is cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.network.lock().cut.contains(&self.0.process)
    }

    /// Asks the server itself, such as for a stored message; takes as long as it takes.
    pub(crate) async fn ask(&self, what: impl Hash) -> (Asked, Duration) {
        let (there, back, delay_ms) = {
            let mut server = self.0.network.lock();
            let drawn = server.draw(hashed((4, self.0.process, what)));
            let Weather { lost, delay_ms, .. } = server.weather;
            let is_lost = |drawn: u64| mix(drawn) % 1_000 < lost;
            (is_lost(drawn), is_lost(drawn ^ 1), 1 + mix(drawn ^ 2) % (2 * delay_ms))
        };
        let delay = Duration::from_millis(delay_ms);
        sleep(delay).await;
        let asked = match (there || self.is_cut(), back) {
            (true, _) => Asked::Lost,
            (false, true) => Asked::Unanswered,
            (false, false) => Asked::Answered,
        };
        (asked, delay)
    }
}

impl Bus for Link {
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
        let mut server = self.0.network.lock();
        server.witness_published(self.0.process, &message);
        let (from, thing) = (self.0.id, server.digest(&message, self.0.process));
        server.send(thing, || Event::Arrives { from, message: message.clone() });
        drop(server);
        self.0.network.changed.notify_one();
        Box::pin(async { Ok(()) })
    }

    fn subscribe(
        &self,
        subject: String,
        group: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mut server = self.0.network.lock();
        server.next += 1;
        let id = server.next;
        let connection = self.0.id;
        if server.connections.contains_key(&connection) {
            let routed =
                Routed { connection, pattern: subject, group, sender, sent: 0, until: None };
            server.subscriptions.insert(id, routed);
        }
        drop(server);
        let network = Arc::clone(&self.0.network);
        let subscription = PlayedSubscription { network, id, receiver, received: 0, until: None };
        Box::pin(async { Ok(Box::new(subscription) as Box<dyn Subscription>) })
    }

    fn is_connected(&self) -> bool {
        !self.is_cut()
    }

    fn connects(&self) -> u64 {
        self.0.connects.load(Ordering::Relaxed)
    }

    /// What is random about a pause is the first octet, and depends on the time alone: tasks that
    /// run in one millisecond may draw in either order.
    fn random(&self) -> Result<[u8; 16], getrandom::Error> {
        let now_ms = self.0.network.lock().now_ms();
        let drawn = self.0.random.fetch_add(1, Ordering::Relaxed);
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&mix(drawn).to_be_bytes());
        octets[8..].copy_from_slice(&mix(!drawn).to_be_bytes());
        octets[0] = mix(now_ms ^ self.0.id).to_be_bytes()[0];
        Ok(octets)
    }
}

#[derive(Debug)]
struct PlayedSubscription {
    network: Arc<Network>,
    id: u64,
    receiver: mpsc::Receiver<Message>,
    received: u64,
    until: Option<u64>,
}

impl Stream for PlayedSubscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.until.is_some_and(|until| self.received >= until) {
            return Poll::Ready(None);
        }
        let polled = self.receiver.poll_recv(context);
        self.received += u64::from(matches!(polled, Poll::Ready(Some(_))));
        polled
    }
}

impl Subscription for PlayedSubscription {
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
        self.network.lock().subscriptions.remove(&self.id);
        Box::pin(async { Ok(()) })
    }

    fn unsubscribe_after(&mut self, messages: u64) -> BoxFuture<'_, Result<(), Closed>> {
        self.until = Some(messages);
        if let Some(routed) = self.network.lock().subscriptions.get_mut(&self.id) {
            routed.until = Some(messages);
            if routed.sent >= messages {
                routed.pattern.clear();
            }
        }
        Box::pin(async { Ok(()) })
    }
}

impl Drop for PlayedSubscription {
    fn drop(&mut self) {
        self.network.lock().subscriptions.remove(&self.id);
    }
}
