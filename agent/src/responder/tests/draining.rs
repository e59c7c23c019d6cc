//! What becomes of checks at work when the agent is told to stop.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use async_nats::message::OutboundMessage;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, Stream};
use mpic_runtime::bus::{Closed, SendError, Subscription};

use super::*;

/// What a bus does when it is asked to end a subscription.
#[derive(Debug, Clone, Copy)]
enum End {
    Agreed,
    Closed,
    Unheard,
}

/// A bus with one assignment.
#[derive(Debug)]
struct OneAssignment {
    message: Mutex<Option<Message>>,
    end: End,
    published: Mutex<Vec<Bytes>>,
}

#[derive(Debug)]
struct OneMessage {
    message: Option<Message>,
    end: End,
    is_ended: bool,
}

impl OneAssignment {
    fn of(assignment: &SignedAssignment, end: End) -> Self {
        let message = Message {
            subject: mpic_common::subject::check(&"r0".parse().unwrap()).into(),
            reply: Some(REPLY_TO.into()),
            payload: assignment.octets.clone().into(),
            headers: None,
            status: None,
            description: None,
            length: assignment.octets.len(),
        };
        Self { message: Mutex::new(Some(message)), end, published: Mutex::default() }
    }
}

impl Bus for OneAssignment {
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
        self.published.lock().unwrap().push(message.payload);
        ready(Ok(())).boxed()
    }

    fn subscribe(
        &self,
        _: String,
        _: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
        let message = self.message.lock().unwrap().take();
        let subscription = OneMessage { message, end: self.end, is_ended: false };
        ready(Ok(Box::new(subscription) as Box<dyn Subscription>)).boxed()
    }

    fn is_connected(&self) -> bool {
        true
    }

    fn connects(&self) -> u64 {
        1
    }

    fn random(&self) -> Result<[u8; 16], getrandom::Error> {
        Ok([0; 16])
    }
}

impl Stream for OneMessage {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Message>> {
        match self.message.take() {
            Some(message) => Poll::Ready(Some(message)),
            None if self.is_ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Subscription for OneMessage {
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
        ready(Ok(())).boxed()
    }

    fn unsubscribe_after(&mut self, _: u64) -> BoxFuture<'_, Result<(), Closed>> {
        match self.end {
            End::Agreed => {
                self.is_ended = true;
                ready(Ok(())).boxed()
            }
            End::Closed => ready(Err(Closed)).boxed(),
            End::Unheard => std::future::pending().boxed(),
        }
    }
}

#[tokio::test]
async fn what_is_at_work_is_answered_however_the_subscription_ends() {
    for (end, is_fault) in [(End::Agreed, false), (End::Closed, true), (End::Unheard, false)] {
        let world =
            World::with(|asked| if asked.nth == 0 { Say::silence() } else { good(asked) }, 4);
        let world = world.await;
        let (job, assignment) = plain("example.com");
        let bus = Arc::new(OneAssignment::of(&assignment, end));
        let stop = CancellationToken::new();
        let queue =
            Queue::subscribe(Arc::clone(&bus) as Arc<dyn Bus>, String::new(), String::new());
        let queue = queue.await.unwrap();
        let World { dns, responder, fleet, dir } = world;
        let responder = Arc::new(responder);
        let running =
            Arc::clone(&responder).run(Arc::clone(&bus) as Arc<dyn Bus>, queue, stop.clone());
        let stopping = async {
            while dns.asked().is_empty() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(running, stopping);
        assert_eq!(ran.is_err(), is_fault, "{end:?}");
        let reply = bus.published.lock().unwrap().pop().unwrap();
        let reply = verify(&fleet, &reply, &assignment, &job);
        assert_eq!(reply.observations[&CheckKind::Dcv].verdict, Verdict::Pass, "{end:?}");
        drop(dir);
    }
}
