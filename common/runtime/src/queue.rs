//! The messages of a queue group's member, and how to stop taking them without losing one.
//!
//! Unsubscribing loses queue-group messages in flight, and nobody is told. What loses nothing is to
//! let server and client count to one number; they count alike only on the connection on which the
//! subscription was made, so after a reconnect it is made anew: at once, while little is on its way
//! to the old one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::bus::{Bus, Subscription};
use crate::nats::BusError;

/// A subscription in a queue group.
#[derive(Debug)]
pub struct Queue {
    bus: Arc<dyn Bus>,
    subject: String,
    group: String,
    messages: Box<dyn Subscription>,
    /// Messages since the subscription was made.
    received: u64,
    /// How often the client had connected by then.
    connects: u64,
    rate: Rate,
    /// A subscription of an earlier connection, until it is left.
    old: Option<Box<dyn Subscription>>,
    /// Rises whenever the connection is a new one.
    epoch: Option<watch::Receiver<u64>>,
    /// What such a one still held.
    left_over: VecDeque<Message>,
    is_draining: bool,
}

/// Messages of the last full second and of the current one.
#[derive(Debug)]
struct Rate {
    since: Instant,
    current: u64,
    last: u64,
}

/// Messages that may still be on their way when the end is agreed, at least.
const HEADROOM_MIN: u64 = 64;
/// While draining, silence for this long means that no more will come.
const SILENCE: Duration = Duration::from_secs(1);

impl Queue {
    /// Subscribes to `subject` as a member of `group`.
    pub async fn subscribe(
        bus: Arc<dyn Bus>,
        subject: String,
        group: String,
    ) -> Result<Self, BusError> {
        let connects = bus.connects();
        let messages = bus.subscribe(subject.clone(), Some(group.clone())).await?;
        let rate = Rate { since: Instant::now(), current: 0, last: 0 };
        Ok(Self {
            bus,
            subject,
            group,
            messages,
            received: 0,
            connects,
            rate,
            old: None,
            epoch: None,
            left_over: VecDeque::new(),
            is_draining: false,
        })
    }

    /// The same, which learns from `epoch` that the connection is a new one: at once, and not with
    /// the next message. What comes in between would be lost.
    #[must_use]
    pub fn renewed_with(self, epoch: watch::Receiver<u64>) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    /// The next message; none once the subscription has ended. May be cancelled.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Err(error) = self.renew_after_reconnect().await {
                tracing::error!(%error, "cannot subscribe anew");
                return None;
            }
            if let Some(message) = self.left_over.pop_front() {
                return Some(message);
            }
            let message = if self.is_draining {
                timeout(SILENCE, self.messages.next()).await.ok().flatten()?
            } else {
                tokio::select! {
                    biased;
                    message = self.messages.next() => message?,
                    () = risen(self.epoch.as_mut()) => continue,
                }
            };
            self.received += 1;
            self.rate.count();
            return Some(message);
        }
    }

    /// Lets the subscription end once everything that is on its way has come. From now on `next`
    /// ends by itself.
    pub async fn drain(&mut self) -> Result<(), BusError> {
        self.renew_after_reconnect().await?;
        let end = self.received + HEADROOM_MIN.max(self.rate.headroom());
        self.is_draining = true;
        self.messages.unsubscribe_after(end).await.map_err(|_| self.closed())
    }

    /// Sees to it that the subscription was made on the present connection. May be cancelled, and
    /// goes on when it is called again.
    async fn renew_after_reconnect(&mut self) -> Result<(), BusError> {
        // While it drains, both sides count to a number that was agreed.
        if !self.is_draining && self.connects != self.bus.connects() {
            let connects = self.bus.connects();
            let group = Some(self.group.clone());
            let renewed = self.bus.subscribe(self.subject.clone(), group).await?;
            self.old = Some(std::mem::replace(&mut self.messages, renewed));
            (self.connects, self.received) = (connects, 0);
        }
        let Some(old) = &mut self.old else { return Ok(()) };
        if old.unsubscribe().await.is_err() {
            return Err(self.closed());
        }
        while let Some(Some(message)) = old.next().now_or_never() {
            self.left_over.push_back(message);
        }
        self.old = None;
        Ok(())
    }

    fn closed(&self) -> BusError {
        BusError::Lost(self.subject.clone())
    }
}

/// Waits until the epoch rises, if it ever does.
async fn risen(epoch: Option<&mut watch::Receiver<u64>>) {
    if let Some(epoch) = epoch
        && epoch.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

impl Rate {
    fn count(&mut self) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            self.last = self.current;
            self.current = 0;
            self.since = Instant::now();
        }
        self.current += 1;
    }

    /// Four round trips of up to 125 ms at the rate of the last two seconds.
    fn headroom(&self) -> u64 {
        self.last.max(self.current) / 2
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use async_nats::message::OutboundMessage;
    use futures_util::future::BoxFuture;
    use futures_util::stream::BoxStream;
    use tokio::sync::mpsc;

    use super::*;
    use crate::bus::{Closed, SendError};

    /// A bus of which only subscribing is played.
    #[derive(Debug, Default)]
    struct Played {
        connects: AtomicU64,
        /// The connection has ended for good, as subscriptions see it.
        is_closed: Arc<AtomicBool>,
        /// Subscribing again is denied.
        is_denied: AtomicBool,
        /// Where the messages of each subscription come from, the newest last.
        made: Mutex<Vec<mpsc::Sender<Message>>>,
    }

    struct Subscribed(BoxStream<'static, Message>, Arc<AtomicBool>);

    impl Subscribed {
        fn end(&self) -> BoxFuture<'_, Result<(), Closed>> {
            let is_closed = self.1.load(Ordering::Relaxed);
            Box::pin(std::future::ready(if is_closed { Err(Closed) } else { Ok(()) }))
        }
    }

    impl std::fmt::Debug for Subscribed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Subscribed")
        }
    }

    impl futures_util::Stream for Subscribed {
        type Item = Message;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Message>> {
            self.0.poll_next_unpin(context)
        }
    }

    impl Subscription for Subscribed {
        fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
            self.end()
        }

        fn unsubscribe_after(&mut self, _: u64) -> BoxFuture<'_, Result<(), Closed>> {
            self.end()
        }
    }

    impl Bus for Played {
        fn publish(&self, _: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
            Box::pin(async { Ok(()) })
        }

        fn subscribe(
            &self,
            _: String,
            _: Option<String>,
        ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
            if self.is_denied.load(Ordering::Relaxed) {
                return Box::pin(async { Err(BusError::Denied("check".to_owned())) });
            }
            let (sender, receiver) = mpsc::channel(8);
            self.made.lock().unwrap().push(sender);
            let messages = futures_util::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|message| (message, receiver))
            });
            let made = Subscribed(messages.boxed(), Arc::clone(&self.is_closed));
            Box::pin(async { Ok(Box::new(made) as Box<dyn Subscription>) })
        }

        fn is_connected(&self) -> bool {
            true
        }

        fn connects(&self) -> u64 {
            self.connects.load(Ordering::Relaxed)
        }

        fn random(&self) -> Result<[u8; 16], getrandom::Error> {
            Ok([0; 16])
        }
    }

    fn message(text: &'static str) -> Message {
        Message {
            subject: "check".into(),
            reply: None,
            payload: text.into(),
            headers: None,
            status: None,
            description: None,
            length: text.len(),
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_lost_is_no_denial_and_a_denial_is_one() {
        let bus = Arc::new(Played::default());
        let played = Arc::clone(&bus) as Arc<dyn Bus>;
        let queue = Queue::subscribe(played, "check".to_owned(), "group".to_owned());
        let mut queue = queue.await.unwrap();
        bus.is_closed.store(true, Ordering::Relaxed);
        let lost = queue.drain().await.unwrap_err();
        assert!(matches!(&lost, BusError::Lost(subject) if subject == "check"), "{lost}");
        assert!(!crate::process::is_denied(&lost));
        bus.is_denied.store(true, Ordering::Relaxed);
        let played = Arc::clone(&bus) as Arc<dyn Bus>;
        let denied = Queue::subscribe(played, "check".to_owned(), "group".to_owned()).await;
        assert!(crate::process::is_denied(&denied.unwrap_err()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_reconnect_it_is_subscribed_anew_and_what_the_old_one_held_is_kept() {
        let bus = Arc::new(Played::default());
        let (subject, group) = ("check".to_owned(), "group".to_owned());
        let played = Arc::clone(&bus) as Arc<dyn Bus>;
        let epoch = watch::Sender::new(0);
        let queue = Queue::subscribe(played, subject, group).await.unwrap();
        let mut queue = queue.renewed_with(epoch.subscribe());
        let made = |number: usize| bus.made.lock().unwrap()[number].clone();
        made(0).send(message("first")).await.unwrap();
        assert_eq!(queue.next().await.unwrap().payload, "first");
        assert_eq!(queue.received, 1);
        made(0).send(message("held")).await.unwrap();
        bus.connects.fetch_add(1, Ordering::Relaxed);
        assert_eq!(queue.next().await.unwrap().payload, "held");
        assert_eq!((bus.made.lock().unwrap().len(), queue.received), (2, 0));
        // Without any message it is seen too.
        bus.connects.fetch_add(1, Ordering::Relaxed);
        epoch.send_modify(|epoch| *epoch += 1);
        let waiting = timeout(Duration::from_secs(5), queue.next()).await;
        assert!(waiting.is_err() && bus.made.lock().unwrap().len() == 3);
        made(2).send(message("new")).await.unwrap();
        assert_eq!(queue.next().await.unwrap().payload, "new");
    }
}
