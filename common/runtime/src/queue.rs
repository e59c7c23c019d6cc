//! The messages of a queue group's member, and how to stop taking them without losing one.
//!
//! Unsubscribing loses queue-group messages in flight, and nobody is told. What loses nothing is to
//! let server and client count to one number; they count alike only on the connection on which the
//! subscription was made, so after a reconnect it is made anew first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use futures_util::{FutureExt, StreamExt};
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
    /// What an abandoned subscription still held.
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
            left_over: VecDeque::new(),
            is_draining: false,
        })
    }

    /// The next message; none once the subscription has ended. May be cancelled.
    pub async fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.left_over.pop_front() {
            return Some(message);
        }
        let message = if self.is_draining {
            timeout(SILENCE, self.messages.next()).await.ok().flatten()?
        } else {
            self.messages.next().await?
        };
        self.received += 1;
        self.rate.count();
        Some(message)
    }

    /// Lets the subscription end once everything that is on its way has come. From now on `next`
    /// ends by itself.
    pub async fn drain(&mut self) -> Result<(), BusError> {
        if self.connects != self.bus.connects() {
            self.renew().await?;
        }
        let end = self.received + HEADROOM_MIN.max(self.rate.headroom());
        self.is_draining = true;
        self.messages.unsubscribe_after(end).await.map_err(|_| self.closed())
    }

    /// A subscription on the present connection; what the old one holds is kept.
    async fn renew(&mut self) -> Result<(), BusError> {
        self.connects = self.bus.connects();
        let renewed = self.bus.subscribe(self.subject.clone(), Some(self.group.clone())).await?;
        let mut old = std::mem::replace(&mut self.messages, renewed);
        self.received = 0;
        old.unsubscribe().await.map_err(|_| self.closed())?;
        while let Some(Some(message)) = old.next().now_or_never() {
            self.left_over.push_back(message);
        }
        Ok(())
    }

    fn closed(&self) -> BusError {
        BusError::Denied(format!("the end of {}", self.subject))
    }
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
