//! Performs what a job asks: from a job to an observation a check.

mod caa;
mod climb;
mod dns_01;
mod evidence;
mod http_01;
mod refusal;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mpic_common::evaluator::caa::CaaRules;
use mpic_common::evidence::{CaaDecision, CaaSeen, Used};
use mpic_common::challenge::Challenge;
use mpic_common::job::{Dcv, Job};
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::octets::escape;
use mpic_common::policy::CertificateType;
use mpic_common::reason::{Reason, Verdict};
use mpic_common::time::UnixMs;
use mpic_runtime::clock::Clock;
use tokio::time::{Instant, timeout_at};

pub(crate) use evidence::Evidence;

use crate::deadline::Deadline;
use crate::egress::AddressPolicy;
use crate::evidence_cut::cut_rrsets;
use crate::http::HttpClient;
use crate::names::NamePolicy;
use crate::resolver::{Budget, BudgetLimits, DnsEngine, Inquiry};

/// What every check goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Names that are never checked.
    pub names: NamePolicy,
    /// Addresses that are never connected to.
    pub addresses: AddressPolicy,
    /// Makes the HTTP requests.
    pub http: HttpClient,
    /// The CA's choices about CAA.
    pub caa: CaaRules,
    /// Names with more labels are not climbed.
    pub caa_labels_max: usize,
    /// What one job may spend on DNS.
    pub dns_budget: BudgetLimits,
}

/// Performs checks with one DNS engine, by one clock.
#[derive(Debug)]
pub struct Checker<E, C> {
    engine: E,
    clock: C,
    rules: Rules,
}

/// What a method works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench<'a, I> {
    pub(crate) rules: &'a Rules,
    pub(crate) inquiry: &'a I,
    pub(crate) deadline: Deadline,
}

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The first rule that failed.
    pub reason: Reason,
    /// For people; site octets in it are escaped.
    pub detail: String,
}

impl Failure {
    /// A failure with a detail of at most 512 octets; the rest is dropped.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        while detail.len() > DETAIL_OCTETS_MAX {
            detail.pop();
        }
        Self { reason, detail }
    }

    /// Site octets for a detail: escaped, at most 100 of them.
    pub fn quote(octets: impl AsRef<[u8]>) -> String {
        let octets = octets.as_ref();
        escape(octets.get(..QUOTED_OCTETS_MAX).unwrap_or(octets))
    }
}

impl<E: DnsEngine, C: Clock> Checker<E, C> {
    /// A checker; it keeps nothing between jobs.
    pub fn new(engine: E, clock: C, rules: Rules) -> Self {
        Self { engine, clock, rules }
    }

    /// The DNS engine.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Performs the job's checks at once, each to its own observation, and ends by `deadline`.
    pub async fn perform(&self, job: &Job, deadline: Deadline) -> BTreeMap<CheckKind, Observation> {
        let budget = Arc::new(Budget::new(self.rules.dns_budget));
        let checks = job.checks().map(|check| self.observe(check, job, deadline, &budget));
        let observations = futures_util::future::join_all(checks).await;
        observations.into_iter().map(|observation| (observation.check, observation)).collect()
    }

    /// An observation a check that says that nothing was sent, and why.
    pub fn refuse(&self, job: &Job, reason: Reason) -> BTreeMap<CheckKind, Observation> {
        let refused = |check| {
            let ended = self.begin(check, job).end(
                Err(Failure::new(reason, "")),
                Evidence::default(),
                (0, 0),
                &self.clock,
            );
            (check, ended)
        };
        job.checks().map(refused).collect()
    }

    async fn observe(
        &self,
        check: CheckKind,
        job: &Job,
        deadline: Deadline,
        budget: &Arc<Budget>,
    ) -> Observation {
        let begun = self.begin(check, job);
        let mut evidence = Evidence::default();
        let inquiry = self.engine.open(deadline, Arc::clone(budget));
        let bench = Bench { rules: &self.rules, inquiry: &inquiry, deadline };
        let refused = refusal::of(check, job, &self.rules, self.clock.now());
        let verdict = match refused {
            Ok(()) => in_time(method(check, job, &bench, &mut evidence), deadline).await,
            refused => refused,
        };
        begun.end(verdict, evidence, inquiry.used(), &self.clock)
    }

    fn begin<'a>(&self, check: CheckKind, job: &'a Job) -> Begun<'a> {
        Begun { check, job, started_ms: self.clock.now(), started: Instant::now() }
    }
}

/// A panic is a fault of ours and ends this check alone. What the method leaves behind then is
/// evidence, looked at and not used again.
async fn in_time(
    method: impl Future<Output = Result<(), Failure>>,
    deadline: Deadline,
) -> Result<(), Failure> {
    match timeout_at(deadline.instant(), AssertUnwindSafe(method).catch_unwind()).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Err(Failure::new(Reason::Internal, "the check panicked")),
        Err(_) => Err(Failure::new(Reason::DeadlineExceeded, "")),
    }
}

/// One file a method: a new one is a new arm.
async fn method<I: Inquiry>(
    check: CheckKind,
    job: &Job,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    match (check, &job.dcv) {
        (CheckKind::Caa, _) => caa::perform(job, bench, evidence).await,
        (CheckKind::Dcv, Some(dcv)) => match &dcv.challenge {
            Challenge::AcmeDns01 { digest } => {
                let name = adn(job, dcv).ok_or_else(no_name)?;
                dns_01::perform(&name, digest, bench, evidence).await
            }
            Challenge::AcmeHttp01 { token, key_authorization, headers } => {
                let inputs = http_01::Inputs { token, key_authorization, headers };
                http_01::perform(&job.identifier, &inputs, bench, evidence).await
            }
            _ => Err(Failure::new(Reason::MethodUnknown, "this version does not perform it")),
        },
        (CheckKind::Dcv, None) => Err(Failure::new(Reason::Internal, "")),
    }
}

fn no_name() -> Failure {
    Failure::new(Reason::MethodUnsuitable, "the identifier has no name")
}

/// The Authorization Domain Name; none for an IP address.
fn adn(job: &Job, dcv: &Dcv) -> Option<String> {
    dcv.adn.as_ref().or(job.identifier.name()).map(ToString::to_string)
}

/// A check that has begun.
struct Begun<'a> {
    check: CheckKind,
    job: &'a Job,
    started_ms: UnixMs,
    started: Instant,
}

impl Begun<'_> {
    fn end(
        self,
        verdict: Result<(), Failure>,
        evidence: Evidence,
        (dns_packets, dns_octets): (u32, u32),
        clock: &impl Clock,
    ) -> Observation {
        let dcv = self.job.dcv.as_ref().filter(|_| self.check == CheckKind::Dcv);
        let row = self.job.method().filter(|_| dcv.is_some());
        let name = dcv.and_then(|dcv| adn(self.job, dcv));
        let passed = verdict.is_ok();
        let (reason, detail) = verdict
            .err()
            .map_or((None, String::new()), |failure| (Some(failure.reason), failure.detail));
        let (clause, br_version) = rule(self.check, self.job);
        let ended_ms = self.started_ms.max(clock.now());
        let mut observation = Observation {
            check: self.check,
            method: dcv.map(|dcv| dcv.challenge.method_id().to_owned()),
            clause: row.map_or(clause, |row| row.clause).to_owned(),
            br_version: br_version.to_owned(),
            discouraged: row.is_some_and(|row| row.is_discouraged(self.started_ms.date())),
            matched: dcv
                .filter(|_| passed)
                .map(|_| name.clone().unwrap_or_else(|| self.job.identifier.to_string())),
            adn: name,
            started_ms: self.started_ms,
            ended_ms,
            elapsed_us: micros(self.started),
            verdict: reason.map_or(Verdict::Pass, Reason::verdict),
            reason,
            detail,
            observed: dcv.filter(|_| passed).and_then(|dcv| dcv.challenge.expected()),
            dnssec: evidence.dnssec,
            dns: evidence.dns,
            used: Used {
                dns_packets,
                dns_octets,
                http_octets: evidence.http.iter().map(|hop| hop.body_octets).sum(),
                connects: evidence.connects,
            },
            http: evidence.http,
            tls: None,
            caa: evidence.caa.map(|caa| with_issue_by(caa, ended_ms)),
            truncated: false,
        };
        cut_rrsets(&mut observation);
        observation
    }
}

/// Issuance rests on a permission for the TTL of its records, at least 8 hours (BR 3.2.2.8).
fn with_issue_by(mut caa: CaaSeen, ended: UnixMs) -> CaaSeen {
    let ttl = Duration::from_secs(caa.min_ttl_s.unwrap_or_default().into());
    let permits = caa.decision == CaaDecision::Permit;
    caa.issue_by = permits.then(|| ended.plus(ttl.max(ISSUE_BY_MIN)).0);
    caa
}

/// The clause and the document that a check follows where its method does not say.
fn rule(check: CheckKind, job: &Job) -> (&'static str, &'static str) {
    match (check, job.certificate_type) {
        (CheckKind::Caa, CertificateType::SMime) => ("4.2.2.1", SMIME_BR),
        (CheckKind::Caa, CertificateType::TlsServer) => ("3.2.2.8", TLS_BR),
        (CheckKind::Dcv, _) => ("3.2.2.4", TLS_BR),
    }
}

/// Whole microseconds since `started`.
pub(crate) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

const ISSUE_BY_MIN: Duration = Duration::from_secs(8 * 60 * 60);
const TLS_BR: &str = "TLS-BR 2.2.6";
const SMIME_BR: &str = "SMIME-BR 1.0.10";
const DETAIL_OCTETS_MAX: usize = 512;
const QUOTED_OCTETS_MAX: usize = 100;

#[cfg(test)]
mod tests;
