//! One `POST /mpic`: from its body to its answer, by way of one job or a few one after another.

use std::sync::Arc;
use std::time::Duration;

use mpic_common::code::CaId;
use mpic_common::directory::Directory;
use mpic_common::job::JobId;
use mpic_common::limits::{BUDGET_MIN, JOB_OCTETS_MAX};
use mpic_common::octets::Hash;
use mpic_common::policy::{CertificateType, Outcome};
use mpic_common::signature::SigningKey;
use mpic_common::time::UnixMs;
use mpic_runtime::ca_client::{CaClient, Recorded, Submission, SubmitError, Submitted};
use mpic_runtime::clock::Clock;
use mpic_runtime::nats::BusHealth;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Limits;
use crate::directory::registration;
use crate::evidence;
use crate::headers::{self, Header};
use crate::issue::{self, Issue};
use crate::orchestration::{Plan, Rules};
use crate::refusal::{Meaning, meaning};
use crate::request::{self, Request};
use crate::response::{self, Attempt, Used, check_kind};
use crate::translate::{Question, Terms, certificate_type};

/// A CA as the gateway speaks for it.
#[derive(Debug)]
pub struct CaSide {
    /// Its code.
    pub code: CaId,
    /// The kind of certificate that its validations are for.
    pub certificate_type: CertificateType,
    /// What signs its jobs.
    pub key: Option<SigningKey>,
    /// Its connection.
    pub client: CaClient,
    /// What befell that.
    pub bus: Arc<BusHealth>,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// Beside `Content-Type` and the like.
    pub headers: Vec<Header>,
    /// The check that was asked for, where that could be read.
    pub check: &'static str,
}

impl Answer {
    /// An error that is told by its name.
    pub fn error(status: u16, error: &str) -> Self {
        let body = serde_json::json!({ "error": error });
        Self { status, body, headers: Vec::new(), check: "" }
    }

    /// Come again in so many seconds.
    pub fn later(status: u16, error: &str, seconds: u64) -> Self {
        Self::error(status, error).with([("retry-after", seconds.to_string())])
    }

    /// The bus is away, or nobody serves there.
    pub fn unavailable() -> Self {
        Self::later(503, "unavailable", 5)
    }

    /// Our fault.
    pub fn internal() -> Self {
        Self::error(500, "internal error")
    }

    fn issues(issues: &[Issue]) -> Self {
        for issue in issues.iter().take(issue::ISSUES_MAX) {
            tracing::info!(issue = issue.for_log(), "a request is not in order");
        }
        Self { body: issue::body(issues), ..Self::error(400, "") }
    }

    fn with(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// What every POST of the process is answered under.
#[derive(Debug)]
pub struct Handler<'a, C> {
    /// The CA of the credential.
    pub ca: &'a CaSide,
    /// What the gateway takes.
    pub limits: &'a Limits,
    /// The document in force.
    pub directory: &'a Directory,
    /// The time of day.
    pub clock: &'a C,
    /// When the POST came.
    pub arrived: Instant,
}

/// How one job ended.
enum Ended {
    Decided(Box<Recorded>, Box<Attempt>),
    Otherwise(Answer),
}

/// A request that is in order, and what follows from it.
struct Prepared<'r> {
    request: &'r Request,
    question: Question,
    rules: Rules,
    plan: Plan,
}

impl<C: Clock> Handler<'_, C> {
    /// Answers a POST with this body.
    pub async fn answer(&self, body: &[u8]) -> Answer {
        let Ok((registered, primary)) = registration(self.directory, &self.ca.code) else {
            return Answer::internal();
        };
        let request = match request::read(body, registered) {
            Ok(request) => request,
            Err(issues) => return Answer::issues(&issues),
        };
        let certificates = certificate_type(&request, self.ca.certificate_type);
        let now = self.clock.now();
        let rules = Rules::of(self.directory, primary, certificates, now);
        let plan = match rules.plan(&request.orchestration, self.limits.max_attempts_cap) {
            Ok(plan) => plan,
            Err(issues) => {
                return Answer { check: request.check.as_str(), ..Answer::issues(&issues) };
            }
        };
        let answer = match Question::new(&request, &self.ca.code, registered, certificates) {
            Ok(question) => {
                let request = &request;
                self.attempt(&Prepared { request, question, rules, plan }).await
            }
            Err(reason) => {
                // No job can carry it, so no log but this one tells of it.
                let (ca, reason_text) = (&self.ca.code, reason.as_str());
                tracing::info!(%ca, reason = reason_text, "a request is for nothing that could be");
                self.refused(&request, &rules, &plan, &[reason], &[])
            }
        };
        Answer { check: request.check.as_str(), ..answer }
    }

    /// Job after job until one corroborates, or there are no more.
    async fn attempt(&self, prepared: &Prepared<'_>) -> Answer {
        let mut jobs = Vec::new();
        let mut earlier: Vec<(Box<Recorded>, Attempt)> = Vec::new();
        loop {
            let is_last = earlier.len() + 1 >= prepared.plan.attempts;
            let (recorded, attempt) = match self.ask(prepared, &mut jobs).await {
                Ended::Decided(recorded, attempt) => (recorded, *attempt),
                Ended::Otherwise(answer) => {
                    // What was decided before stands as the last decision.
                    return match earlier.pop() {
                        Some((recorded, last)) => {
                            self.decided(prepared, &jobs, earlier, &recorded, &last)
                        }
                        None => answer.with(headers::jobs(&jobs)),
                    };
                }
            };
            let asked_somebody = !attempt.decision.assignments.is_empty();
            let is_refused = attempt.decision.outcome == Outcome::Refuse;
            if is_last || !is_refused || !asked_somebody || self.budget_left() < BUDGET_MIN {
                return self.decided(prepared, &jobs, earlier, &recorded, &attempt);
            }
            earlier.push((recorded, attempt));
        }
    }

    fn budget_left(&self) -> Duration {
        self.limits.budget().saturating_sub(self.arrived.elapsed())
    }

    /// One job of its own.
    async fn ask(&self, prepared: &Prepared<'_>, jobs: &mut Vec<JobId>) -> Ended {
        if !self.ca.client.is_connected() {
            return Ended::Otherwise(Answer::unavailable());
        }
        let now = self.clock.now();
        let mut random = [0; 10];
        if getrandom::fill(&mut random).is_err() {
            return Ended::Otherwise(Answer::internal());
        }
        let budget = self.budget_left().max(BUDGET_MIN);
        let terms = Terms {
            id: JobId::new(now, &random),
            stricter: prepared.plan.stricter,
            straggler_wait: Duration::from_millis(self.limits.straggler_wait_ms),
            budget,
            deadline: now.plus(budget),
        };
        let job = prepared.question.job(&terms);
        let submission = Submission::new(job.id, &job.to_body(), budget, self.ca.key.as_ref());
        if submission.octets.len() > JOB_OCTETS_MAX {
            return Ended::Otherwise(Answer::error(413, "body-too-large"));
        }
        jobs.push(job.id);
        let until = self.arrived + self.limits.request();
        let (client, directory) = (&self.ca.client, self.directory);
        match client.submit_until(&submission, directory, self.clock, until).await {
            Ok(Submitted::Decided(recorded)) => self.opened(prepared, recorded),
            Ok(Submitted::Refused(refusal)) => {
                let meaning = meaning(&refusal, &job, prepared.plan.remotes, now);
                Ended::Otherwise(self.means(prepared, meaning, refusal.code.as_str()))
            }
            Err(SubmitError::StillRefused(refusal)) => {
                let meaning = meaning(&refusal, &job, prepared.plan.remotes, now);
                Ended::Otherwise(self.means(prepared, meaning, refusal.code.as_str()))
            }
            Err(SubmitError::Unanswered(_)) => Ended::Otherwise(Answer::unavailable()),
            Err(SubmitError::Late) => Ended::Otherwise(Answer::error(504, "deadline exceeded")),
            Err(error @ SubmitError::Unbelievable { .. }) => {
                tracing::error!(job = %job.id, %error, "an answer is not believed");
                Ended::Otherwise(Answer::internal())
            }
        }
    }

    /// The signed replies of a decision.
    fn opened(&self, prepared: &Prepared<'_>, recorded: Box<Recorded>) -> Ended {
        let check = check_kind(prepared.request);
        match evidence::remotes(&recorded.decision, check, self.directory) {
            Ok(remotes) => {
                let decision = recorded.decision.clone();
                Ended::Decided(recorded, Box::new(Attempt { decision, remotes }))
            }
            Err(error) => {
                let job = recorded.decision.job;
                tracing::error!(%job, %error, "a decision cannot be shown");
                Ended::Otherwise(Answer::internal())
            }
        }
    }

    fn means(&self, prepared: &Prepared<'_>, meaning: Meaning, code: &str) -> Answer {
        match meaning {
            Meaning::Subject { reasons, cohort } => {
                let Prepared { request, rules, plan, .. } = prepared;
                self.refused(request, rules, plan, &reasons, &cohort)
            }
            Meaning::Issues(issues) => Answer::issues(&issues),
            Meaning::Later { error, retry_after_s } => Answer::later(503, &error, retry_after_s),
            Meaning::Ours => {
                tracing::error!(code, "a job of ours was refused");
                Answer::internal()
            }
        }
    }

    fn refused(
        &self,
        request: &Request,
        rules: &Rules,
        plan: &Plan,
        reasons: &[mpic_common::reason::Reason],
        cohort: &[mpic_common::code::PerspectiveId],
    ) -> Answer {
        let now = self.clock.now();
        let used = Used::of(rules, plan.stricter, plan.remotes);
        let body = response::refused(request, rules, plan, reasons, cohort, now);
        Answer { status: 200, body, headers: Vec::new(), check: "" }
            .with([headers::policy(rules, self.directory.policy(), now)])
            .with(headers::adjusted(request, used, self.limits.max_attempts_cap))
            .with(headers::refused(reasons))
    }

    fn decided(
        &self,
        prepared: &Prepared<'_>,
        jobs: &[JobId],
        earlier: Vec<(Box<Recorded>, Attempt)>,
        recorded: &Recorded,
        last: &Attempt,
    ) -> Answer {
        let Prepared { request, rules, plan, .. } = prepared;
        let decision = &last.decision;
        let used = Used::of(rules, plan.stricter, decision.cohort.len());
        let earlier: Vec<_> = earlier.into_iter().map(|(_, attempt)| attempt).collect();
        let body = response::decided(request, used, &earlier, last);
        let quorum = decision.checks.get(&check_kind(request)).map(|check| check.quorum.as_str());
        let at: UnixMs = decision.requested_ms;
        Answer { status: 200, body, headers: Vec::new(), check: "" }
            .with(headers::jobs(jobs))
            .with(quorum.map(headers::quorum))
            .with([headers::policy(rules, self.directory.policy(), at)])
            .with([headers::receipt(&recorded.stream, recorded.seq, &Hash(recorded.leaf.0))])
            .with(headers::adjusted(request, used, self.limits.max_attempts_cap))
            .with(headers::shortfall(&self.shortfalls(prepared, last)))
    }

    /// What a refusing decision falls short of.
    fn shortfalls(&self, prepared: &Prepared<'_>, last: &Attempt) -> Vec<&'static str> {
        use mpic_common::observation::Finding;
        let decision = &last.decision;
        let check = decision.checks.get(&check_kind(prepared.request));
        let Some(check) = check.filter(|check| check.outcome == Outcome::Refuse) else {
            return Vec::new();
        };
        let findings = check.findings.iter();
        let corroborating: Vec<_> = findings
            .filter(|(_, finding)| **finding == Finding::Corroborate)
            .map(|(code, _)| code)
            .collect();
        let listed = |code: &&_| {
            Some(self.directory.perspective(code, decision.started_ms)?.egress.registry)
        };
        let registries: std::collections::BTreeSet<_> =
            corroborating.iter().filter_map(listed).collect();
        let rules = &prepared.rules;
        let needed = rules.quorum(decision.cohort.len(), prepared.plan.stricter);
        [
            ("remotes", decision.cohort.len() < rules.remotes_min),
            ("quorum", corroborating.len() < needed),
            ("registries", registries.len() < rules.registries_min),
        ]
        .into_iter()
        .filter_map(|(name, is_short)| is_short.then_some(name))
        .collect()
    }
}
