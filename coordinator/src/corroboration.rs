//! Asks the primary and the remotes, and waits for them as long as it matters.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::SetOnce;
use tokio::time::{Instant, timeout_at};

use mpic_common::assignment::Assignment;
use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::job::Dispatch;
use mpic_common::limits::{
    ATTEMPT_MAX, NETWORK_ALLOWANCE, RECORD_RESERVE_MAX, STRAGGLER_WAIT_MIN, reply_octets_max,
};
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::{Missing, RejectedRecord};
use mpic_common::reply::PerspectiveRole;
use mpic_common::signature::SigningKey;
use mpic_common::time::{UnixMs, millis};
use mpic_runtime::clock::Clock;

use crate::attempt::{Attempt, Plan};
use crate::perspectives::{Answered, Perspectives, Question};
use crate::rejections::Rejections;

/// Who asks, and what with.
#[derive(Debug)]
pub struct Asker<P, C> {
    /// The coordinator's code.
    pub coordinator: CoordinatorId,
    /// Signs assignments.
    pub key: SigningKey,
    /// The way to the perspectives.
    pub perspectives: P,
    /// What time it is.
    pub clock: C,
    /// The longest wait for stragglers where the job does not say.
    pub straggler_wait: Duration,
}

/// A job's octets, and until when its decision is of use.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The CA's job.
    pub job_envelope: Bytes,
    /// SHA-256 of its body.
    pub job_digest: Hash,
    /// By then the CA is to have its answer.
    pub answer_by: Instant,
}

/// What came of asking.
#[derive(Debug)]
pub struct Corroboration {
    /// All that is known.
    pub attempt: Attempt,
    /// The exact assignments that were sent.
    pub assignments: Vec<Bytes>,
    /// Replies that do not count.
    pub rejected: Vec<RejectedRecord>,
    /// The first send; the decision where there was none.
    pub started_ms: UnixMs,
    /// The decision.
    pub decided_ms: UnixMs,
    /// Questions that are still open.
    pub stragglers: Stragglers,
}

type Asks = FuturesUnordered<BoxFuture<'static, (PerspectiveId, Answered)>>;

/// Questions that were open when the decision was made. What comes of them changes nothing.
pub struct Stragglers {
    asks: Asks,
    rejections: Rejections,
}

impl std::fmt::Debug for Stragglers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stragglers({})", self.asks.len())
    }
}

impl Stragglers {
    /// Whether nobody is still out.
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// The next that answers before `deadline`.
    pub async fn next(&mut self, deadline: Instant) -> Option<(PerspectiveId, Answered)> {
        timeout_at(deadline, self.asks.next()).await.ok().flatten()
    }

    /// Replies that did not count since the decision.
    pub fn rejected(&self, now: UnixMs) -> Vec<RejectedRecord> {
        self.rejections.take(now)
    }
}

/// One job being asked.
struct Round<'a, P, C> {
    asker: &'a Asker<P, C>,
    asked: &'a Asked,
    attempt: Attempt,
    asks: Asks,
    assignments: Vec<Bytes>,
    rejections: Rejections,
    /// Tells those who are asked when to be asked once more.
    hurry: Arc<SetOnce<Instant>>,
    /// Taken from there at the end of the waiting.
    rejected: Vec<RejectedRecord>,
    started: Instant,
    started_ms: UnixMs,
    /// T: who is silent then has timed out.
    deadline: Instant,
}

/// What is kept of the attempt for the remotes while the primary is asked first.
const REMOTES_RESERVE: Duration = Duration::from_secs(8);
/// When a silent primary is asked once more.
const PRIMARY_RESEND: Duration = Duration::from_millis(500);

/// Asks the perspectives of `plan` and waits until the outcome is settled, then for stragglers as
/// long again as has passed, and never past the deadline.
pub async fn corroborate<P: Perspectives, C: Clock>(
    asker: &Asker<P, C>,
    plan: Plan,
    question: &Asked,
) -> Corroboration {
    let started = Instant::now();
    let started_ms = asker.clock.now();
    let left = question.answer_by.saturating_duration_since(started);
    let reserve = RECORD_RESERVE_MAX.min(left / 3);
    let deadline = started + ATTEMPT_MAX.min(left.saturating_sub(reserve));
    let mut round = Round {
        asker,
        asked: question,
        attempt: Attempt::new(plan),
        asks: FuturesUnordered::new(),
        assignments: Vec::new(),
        rejections: Rejections::default(),
        hurry: Arc::default(),
        rejected: Vec::new(),
        started,
        started_ms,
        deadline,
    };
    let remotes: Vec<_> = round.attempt.plan().cohort.remotes().keys().cloned().collect();
    let primary = round.attempt.plan().primary.clone();
    match (primary, round.attempt.plan().job.dispatch) {
        (Some(primary), Dispatch::Together) => round.ask(Some(&primary), &remotes, deadline),
        (Some(primary), Dispatch::PrimaryFirst) => {
            let until = round.primary_deadline();
            round.ask(Some(&primary), &[], until);
            round.hear_primary(&primary, until).await;
            if round.attempt.primary_passed() {
                round.ask(None, &remotes, deadline);
            } else {
                round.leave_out(&remotes);
            }
        }
        (None, _) => round.ask(None, &remotes, deadline),
    }
    round.hear_all().await;
    round.close()
}

impl<P: Perspectives, C: Clock> Round<'_, P, C> {
    /// Signs one assignment for all of them and sends it; they have until `until`.
    fn ask(&mut self, primary: Option<&PerspectiveId>, remotes: &[PerspectiveId], until: Instant) {
        let now = Instant::now();
        let plan = self.attempt.plan();
        let budget = until.saturating_duration_since(now).saturating_sub(NETWORK_ALLOWANCE);
        let asked_in_all = plan.cohort.remotes().len() + usize::from(plan.primary.is_some());
        let reply_octets_max = reply_octets_max(asked_in_all, self.asked.job_envelope.len());
        let assignment = Assignment {
            coordinator: self.asker.coordinator.clone(),
            job: plan.job.id,
            perspectives: primary.into_iter().chain(remotes).cloned().collect(),
            job_envelope: Octets(self.asked.job_envelope.to_vec()),
            job_digest: self.asked.job_digest,
            budget_ms: millis(budget),
            deadline_ms: self.asker.clock.now().plus(budget),
            reply_octets_max,
        }
        .sign(&self.asker.key);
        let octets = Bytes::from(assignment.octets.into_boxed_slice());
        self.assignments.push(octets.clone());
        let remote_resend = now + until.saturating_duration_since(now).mul_f64(0.4);
        let primaries =
            primary.into_iter().map(|code| (code, PerspectiveRole::Primary, now + PRIMARY_RESEND));
        let others = remotes.iter().map(|code| (code, PerspectiveRole::Remote, remote_resend));
        for (perspective, role, resend_at) in primaries.chain(others) {
            let asking = self.asker.perspectives.ask(Question {
                perspective: perspective.clone(),
                role,
                assignment: octets.clone(),
                assignment_digest: assignment.digest,
                job: Arc::clone(&plan.job),
                job_digest: self.asked.job_digest,
                reply_octets_max,
                directory: Arc::clone(&plan.directory),
                asked_ms: self.started_ms,
                resend_at,
                hurry: Arc::clone(&self.hurry),
                rejections: self.rejections.clone(),
            });
            let perspective = perspective.clone();
            self.asks.push(asking.map(|answered| (perspective, answered)).boxed());
        }
    }

    /// The primary has all but what the remotes need.
    fn primary_deadline(&self) -> Instant {
        let span = self.deadline.saturating_duration_since(self.started);
        self.deadline - REMOTES_RESERVE.min(span / 2)
    }

    async fn hear_primary(&mut self, primary: &PerspectiveId, until: Instant) {
        match timeout_at(until, self.asks.next()).await {
            Ok(Some((code, answered))) => self.hear(code, answered),
            _ => self.give_up_on(primary.clone(), Missing::Timeout),
        }
    }

    fn leave_out(&mut self, remotes: &[PerspectiveId]) {
        for remote in remotes {
            self.attempt.on_missing(remote.clone(), Missing::NotAsked);
        }
    }

    async fn hear_all(&mut self) {
        let mut until = self.deadline;
        let mut settled = false;
        while !self.attempt.silent().is_empty() {
            if !settled && self.attempt.is_settled() {
                settled = true;
                until = self.wait_for_stragglers();
            }
            match timeout_at(until, self.asks.next()).await {
                Ok(Some((code, answered))) => self.hear(code, answered),
                _ => break,
            }
        }
        let reason = if settled { Missing::Pending } else { Missing::Timeout };
        for silent in self.attempt.silent() {
            self.give_up_on(silent, reason);
        }
        self.rejected = self.rejections.take(self.asker.clock.now());
    }

    /// Nothing came of a perspective that counts: for this reason, unless it said something.
    fn give_up_on(&mut self, silent: PerspectiveId, reason: Missing) {
        let reason = if self.rejections.holds_of(&silent) { Missing::Rejected } else { reason };
        self.attempt.on_missing(silent, reason);
    }

    /// Until when; halfway they are asked once more, since the message may be what was lost.
    fn wait_for_stragglers(&self) -> Instant {
        let (now, wait) = (Instant::now(), self.straggler_wait());
        // It is set once, since a job settles once.
        let _ = self.hurry.set(now + wait / 2);
        self.deadline.min(now + wait)
    }

    /// As long again as has passed, within its bounds.
    fn straggler_wait(&self) -> Duration {
        let longest = self.attempt.plan().job.straggler_wait.unwrap_or(self.asker.straggler_wait);
        self.started.elapsed().clamp(STRAGGLER_WAIT_MIN, longest.max(STRAGGLER_WAIT_MIN))
    }

    fn hear(&mut self, perspective: PerspectiveId, answered: Answered) {
        match answered {
            Answered::Heard(heard) => self.attempt.on_reply(perspective, *heard),
            Answered::Missing(reason) => self.attempt.on_missing(perspective, reason),
        }
    }

    fn close(self) -> Corroboration {
        // A clock that steps back must not make it seem that a reply came after the decision.
        let received = self.attempt.replies().values().map(|heard| heard.received_ms);
        let latest = received.chain([self.started_ms]).max();
        let now = self.asker.clock.now();
        Corroboration {
            attempt: self.attempt,
            assignments: self.assignments,
            rejected: self.rejected,
            started_ms: self.started_ms,
            decided_ms: latest.map_or(now, |latest| latest.max(now)),
            stragglers: Stragglers { asks: self.asks, rejections: self.rejections },
        }
    }
}

#[cfg(test)]
mod tests;
