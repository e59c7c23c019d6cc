//! Takes assignments and answers each with signed observations, or with `busy`: silence means
//! that the agent is dead.

mod admission;
mod drops;
mod kept;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use mpic_common::code::PerspectiveId;
use mpic_common::limits::CLOCK_SKEW;
use mpic_common::observation::ResolverIdentity;
use mpic_common::octets::{Hash, attempt};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::reason::Reason;
use mpic_common::reply::{PerspectiveRole, Reply, ReplyOutcome};
use mpic_common::signature::SigningKey;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Kind, encode_body, envelope};
use mpic_runtime::bus::{self, Bus};
use mpic_runtime::clock::Clock;
use mpic_runtime::nats::BusError;
use mpic_runtime::queue::Queue;
use mpic_runtime::trace;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::{Empty, display};

use crate::check::Checker;
use crate::deadline::Deadline;
use crate::directory::Directories;
use crate::evidence_cut;
use crate::health::EngineHealth;
use crate::resolver::DnsEngine;
use admission::{Admission, Admitted};
pub use drops::{Dropped, Drops};
use kept::{Joined, Kept, Promise};

/// What every reply of this agent says of itself.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its perspective.
    pub perspective: PerspectiveId,
    /// In which role.
    pub role: PerspectiveRole,
    /// The service region of the perspective.
    pub registry: RegionalInternetRegistry,
    /// The process, informational.
    pub agent: String,
    /// Name and version.
    pub software: String,
    /// Of the effective configuration.
    pub config_digest: Hash,
    /// The DNS engine.
    pub resolvers: Vec<ResolverIdentity>,
    /// Settings that weaken a rule.
    pub relaxations: Vec<String>,
}

/// What a responder is made of.
#[derive(Debug)]
pub struct Parts<E, C> {
    /// Performs the checks.
    pub checker: Checker<E, C>,
    /// Whether the DNS engine can be relied on.
    pub health: Arc<EngineHealth>,
    /// What replies say of the agent.
    pub identity: Identity,
    /// Signs them.
    pub key: SigningKey,
    /// Whose assignments count.
    pub directories: Arc<Directories>,
    /// One a job at work.
    pub permits: Arc<Semaphore>,
    /// The longest that a job may take.
    pub job_max: Duration,
    /// How far a deadline may lie beyond its budget.
    pub clock_skew_max: Duration,
    /// What was dropped without an answer.
    pub drops: Arc<Drops>,
}

/// Answers assignments.
#[derive(Debug)]
pub struct Responder<E, C> {
    parts: Parts<E, C>,
    kept: Kept,
    /// Whether only short jobs are taken any more.
    is_draining: AtomicBool,
    answered: AtomicU64,
}

/// A reply leaves at the latest 100 ms before the end of its budget; signing takes a little.
const REPLY_RESERVE: Duration = Duration::from_millis(150);
/// While the agent drains, a job must fit into this; the service manager waits 25 s.
const DRAIN_JOB_MAX: Duration = Duration::from_secs(20);
/// From the beginning of the drain, when an older job that is at work still is cancelled, in time
/// for its reply to leave before the process ends.
const CANCEL_AFTER: Duration = Duration::from_secs(22);
/// While the agent drains, how long the end of its subscription may take to agree.
const AGREE_WITHIN: Duration = Duration::from_secs(2);
/// Messages that are looked at or at work at a time; only a flood of repeats can exceed it.
const TASKS_MAX: usize = 4_096;

impl<E: DnsEngine, C: Clock> Responder<E, C> {
    /// A responder that has answered nothing yet.
    pub fn new(parts: Parts<E, C>) -> Self {
        Self {
            parts,
            kept: Kept::default(),
            is_draining: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        }
    }

    /// How many replies it has made.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether it is ending.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Answers assignments until `stop`, then drains: what is on its way is answered, and what is
    /// at work ends. What takes longer than the process waits is cancelled, and its reply says so.
    pub async fn run(
        self: Arc<Self>,
        bus: Arc<dyn Bus>,
        mut assignments: Queue,
        stop: CancellationToken,
    ) -> Result<(), BusError> {
        let mut tasks = JoinSet::new();
        let mut drained = Ok(());
        let mut cancel_at = None;
        while drained.is_ok() {
            let next = tokio::select! {
                biased;
                () = stop.cancelled(), if !self.is_draining() => None,
                Some(ended) = tasks.join_next() => {
                    log_panic(ended);
                    continue;
                }
                message = assignments.next() => Some(message),
            };
            match next {
                Some(Some(message)) if tasks.len() < TASKS_MAX => {
                    tasks.spawn(Arc::clone(&self).respond(message, Arc::clone(&bus)));
                }
                Some(Some(_)) => self.parts.drops.count(Dropped::Overload, self.now()),
                Some(None) => break,
                None => {
                    self.is_draining.store(true, Ordering::Relaxed);
                    cancel_at = Some(Instant::now() + CANCEL_AFTER);
                    let Ok(agreed) = timeout(AGREE_WITHIN, assignments.drain()).await else {
                        tracing::warn!("no end of the subscription is agreed in time");
                        break;
                    };
                    drained = agreed;
                }
            }
        }
        // Even where no end of the subscription could be agreed, what is at work is answered.
        let cancel_at = cancel_at.unwrap_or_else(|| Instant::now() + CANCEL_AFTER);
        if timeout_at(cancel_at, finish(&mut tasks)).await.is_err() {
            self.parts.checker.cancel();
            finish(&mut tasks).await;
        }
        drained
    }

    async fn respond(self: Arc<Self>, message: Message, bus: Arc<dyn Bus>) {
        let Some(to) = message.reply.clone() else {
            self.parts.drops.count(Dropped::ReplySubject, self.now());
            return;
        };
        let span = tracing::info_span!("assignment", job = Empty, attempt = Empty);
        trace::follow(&span, message.headers.as_ref());
        let answering = async {
            let Some(reply) = self.answer(&message.payload, to.as_str()).await else { return };
            if let Err(error) = bus.publish(bus::traced(to, reply)).await {
                tracing::warn!(%error, "cannot publish a reply");
            }
        };
        answering.instrument(span).await;
    }

    /// The signed reply to the assignment in `payload`, for whoever listens on `reply_to`; none
    /// where it is dropped, which is counted.
    pub async fn answer(&self, payload: &[u8], reply_to: &str) -> Option<Bytes> {
        let directory = self.parts.directories.current();
        let own = &self.parts.identity.perspective;
        match admission::admit(payload, reply_to, own, &directory, self.now()) {
            Admission::Admitted(admitted) => {
                let span = tracing::Span::current();
                span.record("job", display(admitted.job.id));
                span.record("attempt", attempt(&admitted.digest));
                self.answered.fetch_add(1, Ordering::Relaxed);
                let reply = self.reply(&admitted).await;
                tracing::debug!(octets = reply.len(), "answered");
                Some(reply)
            }
            Admission::OtherVersion => Some(other_version()),
            Admission::Dropped(dropped) => {
                tracing::warn!(reason = dropped.as_str(), "an assignment is dropped");
                self.parts.drops.count(dropped, self.now());
                None
            }
        }
    }

    /// A repeat gets what the first gets, to the octet; without a permit it is `busy`, which is
    /// not kept.
    async fn reply(&self, admitted: &Admitted) -> Bytes {
        let joined = self.kept.join(admitted.digest, self.now());
        let first = match joined {
            Joined::Again(repeat) => match repeat.reply().await {
                Some(reply) => return reply,
                None => return self.busy(admitted),
            },
            Joined::First(first) => first,
        };
        let fits = !self.is_draining() || admitted.budget <= DRAIN_JOB_MAX;
        match Arc::clone(&self.parts.permits).try_acquire_owned() {
            Ok(_permit) if fits => self.observe(admitted, first).await,
            _ => self.busy(admitted),
        }
    }

    /// Performs the checks and keeps the reply.
    async fn observe(&self, admitted: &Admitted, promise: Promise<'_>) -> Bytes {
        let started_ms = self.now();
        let span = admitted.budget.min(self.parts.job_max).saturating_sub(REPLY_RESERVE);
        let observations = if let Some(reason) = self.refusal(admitted) {
            self.parts.checker.refuse(&admitted.job, reason)
        } else {
            self.parts.checker.perform(&admitted.job, Deadline::after(span)).await
        };
        let outcome = ReplyOutcome::Observed;
        let reply = Reply { observations, ..self.blank(admitted, outcome, started_ms) };
        let reply = self.sign(reply, admitted);
        promise.keep(reply.clone(), admitted.deadline_ms.plus(CLOCK_SKEW));
        reply
    }

    /// What refuses every job, whatever it asks.
    fn refusal(&self, admitted: &Admitted) -> Option<Reason> {
        if admitted.skew > self.parts.clock_skew_max {
            return Some(Reason::ClockSkew);
        }
        (!self.parts.health.is_available()).then_some(Reason::EngineUnavailable)
    }

    fn busy(&self, admitted: &Admitted) -> Bytes {
        self.sign(self.blank(admitted, ReplyOutcome::Busy, self.now()), admitted)
    }

    fn blank(&self, admitted: &Admitted, outcome: ReplyOutcome, started_ms: UnixMs) -> Reply {
        let identity = self.parts.identity.clone();
        Reply {
            perspective: identity.perspective,
            role: identity.role,
            registry: identity.registry,
            agent: identity.agent,
            software: identity.software,
            config_digest: identity.config_digest,
            resolvers: identity.resolvers,
            relaxations: identity.relaxations,
            identifier: admitted.job.identifier.clone(),
            job: admitted.job.id,
            job_digest: admitted.job_digest,
            outcome,
            observations: BTreeMap::new(),
            started_ms,
            ended_ms: started_ms.max(self.now()),
        }
    }

    /// Signs the reply, its evidence cut until it fits.
    fn sign(&self, mut reply: Reply, admitted: &Admitted) -> Bytes {
        let whole = reply.sign(&self.parts.key, admitted.digest);
        if whole.len() <= admitted.reply_octets_max {
            return whole.into();
        }
        let frame = Reply { observations: BTreeMap::new(), ..reply.clone() };
        let frame_octets = frame.sign(&self.parts.key, admitted.digest).len();
        let octets_max = admitted.reply_octets_max.saturating_sub(frame_octets + SLACK_OCTETS);
        evidence_cut::fit(reply.observations.values_mut(), octets_max, evidence_cut::encoded);
        // It may be kept for some time, so without room to grow.
        reply.sign(&self.parts.key, admitted.digest).into_boxed_slice().into()
    }

    fn now(&self) -> UnixMs {
        self.parts.checker.clock().now()
    }
}

/// A reply in another version could not be read by whoever sent this; the refusal is a hint.
fn other_version() -> Bytes {
    let refusal = admission::Refusal::other_version();
    envelope::unsigned(Kind::Refusal, &encode_body(Kind::Refusal, &refusal)).into()
}

/// Waits for every task.
async fn finish(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "answering an assignment failed");
    }
}

/// Map keys and lengths around the observations.
const SLACK_OCTETS: usize = 32;

#[cfg(test)]
mod tests;
