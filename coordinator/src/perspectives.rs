//! Asks one perspective: sends the assignment, repeats it where that helps, and takes the first
//! reply that counts.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode, Subject};
use bytes::Bytes;
use tokio::sync::SetOnce;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::job::Job;
use mpic_common::limits::SENDS_MAX;
use mpic_common::octets::{Hash, attempt};
use mpic_common::record::Missing;
use mpic_common::reply::{Asked, PerspectiveRole, Rejected, Reply, ReplyOutcome};
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind};
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::Clock;
use mpic_runtime::trace;

use crate::attempt::Heard;
use crate::figures::{Exchanges, Replied};
use crate::multiplexer::{Answers, Multiplexer};
use crate::rejections::Rejections;

/// What one perspective is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who.
    pub perspective: PerspectiveId,
    /// In which role.
    pub role: PerspectiveRole,
    /// The signed assignment.
    pub assignment: Bytes,
    /// SHA-256 of its body.
    pub assignment_digest: Hash,
    /// The job in it.
    pub job: Arc<Job>,
    /// SHA-256 of the job's body.
    pub job_digest: Hash,
    /// The largest reply.
    pub reply_octets_max: usize,
    /// Whose keys count.
    pub directory: Arc<Directory>,
    /// When the job's first question was sent.
    pub asked_ms: UnixMs,
    /// When to send once more if nothing came.
    pub resend_at: Instant,
    /// The same, once the rest is settled: earlier.
    pub hurry: Arc<SetOnce<Instant>>,
    /// Where replies go that do not count.
    pub rejections: Rejections,
}

/// What came of asking one perspective.
#[derive(Debug)]
pub enum Answered {
    /// A reply that counts.
    Heard(Box<Heard>),
    /// None will come.
    Missing(Missing),
}

/// Asks perspectives. Whoever awaits decides how long; a question that nobody awaits is over.
pub trait Perspectives: Send + Sync + 'static {
    /// Asks one perspective until a reply counts or none can come.
    fn ask(&self, question: Question) -> impl Future<Output = Answered> + Send + 'static;
}

/// Perspectives over NATS.
#[derive(Debug, Clone)]
pub struct NatsPerspectives<C> {
    /// The connection.
    pub bus: Arc<dyn Bus>,
    /// Who asks.
    pub coordinator: CoordinatorId,
    /// Where replies come in.
    pub replies: Multiplexer,
    /// Counts what is sent and what comes back.
    pub exchanges: Exchanges,
    /// What time it is.
    pub clock: C,
}

/// An agent that starts within this serves the second send.
const REPEAT_AFTER_503: Duration = Duration::from_millis(50);
/// The least pause after `busy`; as much again is random.
const REPEAT_AFTER_BUSY: Duration = Duration::from_millis(50);

impl<C: Clock + Clone> Perspectives for NatsPerspectives<C> {
    fn ask(&self, question: Question) -> impl Future<Output = Answered> + Send + 'static {
        let attempt = attempt(&question.assignment_digest);
        // For traces: a span that logs have, too, costs memory as long as the question is open.
        let span =
            tracing::debug_span!("perspective", perspective = %question.perspective, attempt);
        let asking = Box::new(Asking {
            answers: self.replies.answers(),
            nats: self.clone(),
            question,
            sends: 0,
            began: Instant::now(),
            refused: BTreeSet::new(),
            is_repeated: false,
        });
        asking.run().instrument(span)
    }
}

struct Asking<C> {
    nats: NatsPerspectives<C>,
    answers: Answers,
    question: Question,
    sends: usize,
    began: Instant,
    /// The sends that nobody could serve, by the subjects of their replies.
    refused: BTreeSet<String>,
    is_repeated: bool,
}

/// What one message on the reply subject means.
enum Said {
    Heard(Box<Heard>),
    /// Nobody could serve that send.
    Refused(Missing),
    /// An agent that speaks another version, unsigned: a hint to ask another member, never a
    /// finding by itself.
    OtherVersion,
    Rejected(Rejected),
}

impl<C: Clock + Clone> Asking<C> {
    async fn run(mut self: Box<Self>) -> Answered {
        self.send().await;
        let (mut resend_at, mut repeat_at) = (Some(self.question.resend_at), None);
        let mut is_hurried = false;
        loop {
            let next = [resend_at, repeat_at].into_iter().flatten().min();
            let message = tokio::select! {
                biased;
                message = self.answers.next() => Some(message),
                earlier = self.question.hurry.wait(), if !is_hurried => {
                    is_hurried = true;
                    resend_at = resend_at.map(|at| at.min(*earlier));
                    continue;
                }
                () = until(next) => None,
            };
            let Some(message) = message else {
                // Where both are due, one send is both.
                [resend_at, repeat_at] = [resend_at, repeat_at].map(|at| at.filter(|_| at > next));
                self.send().await;
                continue;
            };
            match self.read(&message) {
                Said::Heard(heard) => return self.end(heard, &message),
                Said::Refused(why) => {
                    self.count_refused(why);
                    self.refused.insert(message.subject.to_string());
                    if self.is_refused() {
                        return Answered::Missing(why);
                    }
                    repeat_at = repeat_at.or_else(|| self.repeat_at(why));
                }
                Said::OtherVersion => {
                    repeat_at = repeat_at.or_else(|| self.repeat_at(Missing::Busy));
                }
                Said::Rejected(reason) => self.reject(&message, reason),
            }
        }
    }

    /// The first reply that counts; what else comes is noticed as long as the job lasts.
    fn end(self, heard: Box<Heard>, message: &Message) -> Answered {
        let Self { nats, answers, question, began, .. } = self;
        let replied = if question.rejections.is_decided() { Replied::Late } else { Replied::First };
        nats.exchanges.heard(&question.perspective, replied, began.elapsed());
        question.rejections.watch(question.perspective, answers, message, nats.exchanges);
        Answered::Heard(heard)
    }

    fn count_refused(&self, why: Missing) {
        let perspective = &self.question.perspective;
        match why {
            Missing::NoResponders => self.nats.exchanges.unserved(perspective),
            _ => self.nats.exchanges.busy(perspective),
        }
    }

    /// Whether nobody could serve any of several sends. While an agent may be at work on one of
    /// them, what others say of a further one settles nothing.
    fn is_refused(&self) -> bool {
        self.sends > 1 && self.refused.len() >= self.sends
    }

    /// When to ask once more because of a refusal, which happens once.
    fn repeat_at(&mut self, why: Missing) -> Option<Instant> {
        let pause = if why == Missing::NoResponders { REPEAT_AFTER_503 } else { self.busy_pause() };
        let is_first = !std::mem::replace(&mut self.is_repeated, true);
        is_first.then(|| Instant::now() + pause)
    }

    /// Sends the same octets with a new token. A send that fails is one that nobody answers.
    async fn send(&mut self) {
        if self.sends >= SENDS_MAX {
            return;
        }
        self.sends += 1;
        // The library would keep it, and send it when it is connected again: agents drop it then if
        // its time is over, and if not, it has been sent once more.
        if !self.nats.bus.is_connected() {
            return;
        }
        let Ok(token) = self.nats.bus.random() else { return };
        let perspective = &self.question.perspective;
        let reply = Subject::from(subject::reply(perspective, &self.nats.coordinator, &token));
        self.answers.await_token(token, &reply);
        let sent = self.nats.bus.publish(OutboundMessage {
            subject: subject::check(perspective).into(),
            reply: Some(reply),
            payload: self.question.assignment.clone(),
            headers: trace::headers(),
        });
        if let Err(error) = sent.await {
            tracing::warn!(%perspective, %error, "cannot send the assignment");
        }
        self.nats.exchanges.sent(perspective, self.sends > 1);
    }

    fn busy_pause(&self) -> Duration {
        let extra = self.nats.bus.random().map_or(50, |[random, ..]| u64::from(random) * 100 / 255);
        REPEAT_AFTER_BUSY + Duration::from_millis(extra)
    }

    fn read(&self, message: &Message) -> Said {
        if message.status == Some(StatusCode::NO_RESPONDERS) && message.payload.is_empty() {
            return Said::Refused(Missing::NoResponders);
        }
        let question = &self.question;
        // The size first: what is too large is not even parsed.
        if message.payload.len() > question.reply_octets_max {
            return Said::Rejected(Rejected::Malformed);
        }
        if is_refusal(&message.payload) {
            return Said::OtherVersion;
        }
        let asked = Asked {
            perspective: &question.perspective,
            role: question.role,
            assignment_digest: question.assignment_digest,
            job: &question.job,
            job_digest: question.job_digest,
            octets_max: question.reply_octets_max,
        };
        let received_ms = self.nats.clock.now();
        match Reply::verify(&message.payload, &asked, &question.directory, received_ms) {
            Ok(reply) if reply.outcome == ReplyOutcome::Busy => Said::Refused(Missing::Busy),
            Ok(reply) if !reply.is_timely(question.asked_ms, received_ms) => {
                Said::Rejected(Rejected::Expired)
            }
            Ok(reply) => {
                let octets = message.payload.to_vec();
                Said::Heard(Box::new(Heard { reply, octets, received_ms }))
            }
            Err(reason) => Said::Rejected(reason),
        }
    }

    fn reject(&self, message: &Message, reason: Rejected) {
        let perspective = &self.question.perspective;
        tracing::warn!(%perspective, reason = reason.as_str(), "a reply does not count");
        self.nats.exchanges.replied(perspective, Replied::Rejected);
        self.question.rejections.push(perspective, message, self.nats.clock.now(), reason);
    }
}

/// Whether an agent says that it speaks another version.
fn is_refusal(payload: &[u8]) -> bool {
    Envelope::parse(payload, payload.len()).is_ok_and(|envelope| envelope.kind == Kind::Refusal)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
