//! Where a CA listens for the answers to one question, however often it asks it.

use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use mpic_common::code::CaId;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_common::subject;
use tokio::time::{Instant, timeout_at};

use super::{SubmitError, Submitted, Unbelievable};
use crate::bus::{Bus, SendError, Subscription};
use crate::trace;

/// An inbox that nobody can foresee; it ends when dropped.
#[derive(Debug)]
pub(super) struct Inbox {
    subject: Subject,
    answers: Box<dyn Subscription>,
    /// Answers that could not be believed, and what is wrong with the last.
    unbelievable: u64,
    reason: String,
}

/// What came of listening.
pub(super) enum Heard {
    /// This was to be found out.
    Answer(Submitted),
    /// The same octets may be sent again, after so long where the answer says.
    Again(SubmitError, Option<Duration>),
    /// Nothing came in time that can be believed.
    Silence,
}

impl Inbox {
    /// A new one of `ca`.
    pub(super) async fn new(bus: &dyn Bus, ca: &CaId) -> Result<Self, String> {
        let token = bus.random().map_err(|error| error.to_string())?;
        let subject = subject::answer(ca, &token);
        let subscribed = bus.subscribe(subject.clone(), None).await;
        let answers = subscribed.map_err(|error| error.to_string())?;
        Ok(Self { subject: subject.into(), answers, unbelievable: 0, reason: String::new() })
    }

    /// Sends octets whose answer is to come here.
    pub(super) async fn send(
        &mut self,
        bus: &dyn Bus,
        to: String,
        octets: &[u8],
    ) -> Result<(), SendError> {
        bus.publish(OutboundMessage {
            subject: to.into(),
            reply: Some(self.subject.clone()),
            payload: Bytes::copy_from_slice(octets),
            headers: trace::headers(),
        })
        .await
    }

    /// Listens until something can be believed, nobody serves the question, or `until` passes.
    pub(super) async fn hear(
        &mut self,
        until: Instant,
        read: &impl Fn(&[u8]) -> Result<Submitted, Unbelievable>,
    ) -> Heard {
        while let Some(message) = self.next(until).await {
            if is_unserved(&message) {
                return Heard::Again(SubmitError::Unanswered(UNSERVED.to_owned()), None);
            }
            match read(&message.payload) {
                Ok(Submitted::Refused(refusal)) if is_worth_repeating(&refusal) => {
                    let wait = refusal.retry_after_ms.map(Duration::from_millis);
                    return Heard::Again(SubmitError::StillRefused(Box::new(refusal)), wait);
                }
                Ok(submitted) => return Heard::Answer(submitted),
                Err(Unbelievable(reason)) => {
                    self.unbelievable = self.unbelievable.saturating_add(1);
                    self.reason = reason;
                }
            }
        }
        Heard::Silence
    }

    /// Spends a pause listening for what may yet come of an earlier send.
    pub(super) async fn hear_within(
        &mut self,
        pause: Duration,
        read: &impl Fn(&[u8]) -> Result<Submitted, Unbelievable>,
    ) -> Option<Submitted> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if let Heard::Answer(submitted) = self.hear(until, read).await {
                return Some(submitted);
            }
        }
        None
    }

    /// The first that comes, whatever it is.
    pub(super) async fn first(&mut self, until: Instant) -> Result<Bytes, String> {
        match self.next(until).await {
            Some(message) if is_unserved(&message) => Err(UNSERVED.to_owned()),
            Some(message) => Ok(message.payload),
            None => Err(SILENCE.to_owned()),
        }
    }

    /// Why nothing is known of the question: `why`, unless answers came that say nothing.
    pub(super) fn unbelieved(self, why: SubmitError) -> SubmitError {
        match (self.unbelievable, why) {
            (0, why) | (_, why @ SubmitError::StillRefused(_)) => why,
            (answers, _) => SubmitError::Unbelievable { answers, reason: self.reason },
        }
    }

    /// The next that comes, whatever it is. A connection that has ended says nothing until then.
    pub(super) async fn next(&mut self, until: Instant) -> Option<Message> {
        let next = async {
            match self.answers.next().await {
                Some(message) => message,
                None => std::future::pending().await,
            }
        };
        timeout_at(until, next).await.ok()
    }
}

/// What the server says where nobody subscribes to what was asked.
pub(super) fn is_unserved(message: &Message) -> bool {
    message.status == Some(StatusCode::NO_RESPONDERS)
}

pub(super) const UNSERVED: &str = "nobody serves this CA";
pub(super) const SILENCE: &str = "no answer came in time";

fn is_worth_repeating(refusal: &RefusalRecord) -> bool {
    matches!(refusal.code, RefusalCode::Busy | RefusalCode::Unrecorded)
}
