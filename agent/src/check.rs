//! Performs what a job asks: from a job to an observation a check.

mod begun;
mod caa;
mod climb;
mod contact;
mod dcv;
mod dns_01;
mod dns_change;
mod dns_persistent;
mod evidence;
mod host;
mod http_01;
mod ip_address;
mod records;
mod refusal;
mod reverse_lookup;
mod smtp_host;
mod tls_alpn_01;
mod website_change;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use mpic_common::evaluator::caa::CaaRules;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::octets::{Hash, escape};
use mpic_common::reason::Reason;
use mpic_common::time::UnixMs;
use mpic_runtime::clock::Clock;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use begun::Begun;
pub(crate) use evidence::Evidence;
pub(crate) use host::{CANDIDATES_MAX, candidates};

use crate::deadline::Deadline;
use crate::egress::AddressPolicy;
use crate::http::HttpClient;
use crate::names::NamePolicy;
use crate::resolver::{Budget, BudgetLimits, DnsEngine, Inquiry};
use crate::tls_alpn::TlsAlpnClient;

/// What every check goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Names that are never checked.
    pub names: NamePolicy,
    /// Addresses that are never connected to.
    pub addresses: AddressPolicy,
    /// Makes the HTTP requests.
    pub http: HttpClient,
    /// Makes the handshakes of `acme-tls-alpn-01`.
    pub tls_alpn: TlsAlpnClient,
    /// The CA's choices about CAA.
    pub caa: CaaRules,
    /// Names with more labels are not climbed.
    pub caa_labels_max: usize,
    /// What one job may spend on DNS.
    pub dns_budget: BudgetLimits,
    /// The operator's choices about methods.
    pub methods: MethodRules,
    /// Octets of one encoded observation; evidence beyond them is cut.
    pub observation_octets_max: usize,
}

/// Choices about methods. All but the defaults are relaxations.
#[derive(Debug, Clone, Copy, Default)]
pub struct MethodRules {
    /// Whether `ip-address` is performed though the Baseline Requirements ended it.
    pub ip_address: EndedMethod,
    /// Whether a persistent record must say that it reaches below its own name.
    pub wildcard_policy: WildcardPolicy,
    /// Octets that the challenge of a DNS change or a website change has at least.
    pub challenge_octets_min: usize,
}

/// What becomes of a method that the Baseline Requirements ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EndedMethod {
    /// It is refused.
    #[default]
    Refused,
    /// It is performed, for use outside the Baseline Requirements.
    Performed,
}

/// Whether a persistent record for a wildcard or for names below it needs `policy=wildcard`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WildcardPolicy {
    /// It does (draft-ietf-acme-dns-persist).
    #[default]
    Required,
    /// It does not (BR 3.2.2.4.22 alone).
    NotRequired,
}

/// Performs checks with one DNS engine, by one clock.
#[derive(Debug)]
pub struct Checker<E, C> {
    engine: E,
    clock: C,
    rules: Rules,
    cancelled: CancellationToken,
}

/// What a method works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench<'a, I> {
    pub(crate) rules: &'a Rules,
    pub(crate) inquiry: &'a I,
    pub(crate) deadline: Deadline,
    /// When the check began.
    pub(crate) now: UnixMs,
}

/// What a check that passed has found; nothing for CAA.
#[derive(Debug, Default)]
struct Passed {
    matched: Option<String>,
    observed: Option<Hash>,
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
        Self { engine, clock, rules, cancelled: CancellationToken::new() }
    }

    /// Ends every check at work, and every later one as it begins; each says so in its observation.
    pub fn cancel(&self) {
        self.cancelled.cancel();
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
        let bench =
            Bench { rules: &self.rules, inquiry: &inquiry, deadline, now: begun.started_ms };
        let verdict = match refusal::of(check, job, &self.rules, begun.started_ms) {
            Ok(()) => {
                // Boxed, so that what wraps it does not hold it once more each.
                let check = Box::pin(self::check(check, job, &bench, &mut evidence));
                let check = in_time(check, deadline);
                let cancelled = || Failure::new(Reason::Cancelled, "the agent is ending");
                let ended = self.cancelled.run_until_cancelled(check).await;
                ended.unwrap_or_else(|| Err(cancelled()))
            }
            Err(refused) => Err(refused),
        };
        begun.end(verdict, evidence, inquiry.used(), &self.clock)
    }

    fn begin<'a>(&self, check: CheckKind, job: &'a Job) -> Begun<'a> {
        let octets_max = self.rules.observation_octets_max;
        Begun { check, job, started_ms: self.clock.now(), started: Instant::now(), octets_max }
    }
}

/// A panic is a fault of ours and ends this check alone. What the check leaves behind then is
/// evidence, looked at and not used again.
async fn in_time(
    check: impl Future<Output = Result<Passed, Failure>>,
    deadline: Deadline,
) -> Result<Passed, Failure> {
    match timeout_at(deadline.instant(), AssertUnwindSafe(check).catch_unwind()).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Err(Failure::new(Reason::Internal, "the check panicked")),
        Err(_) => Err(Failure::new(Reason::DeadlineExceeded, "")),
    }
}

async fn check<I: Inquiry>(
    check: CheckKind,
    job: &Job,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<Passed, Failure> {
    match (check, &job.dcv) {
        (CheckKind::Caa, _) => caa::perform(job, bench, evidence).await.map(|()| Passed::default()),
        (CheckKind::Dcv, Some(dcv)) => dcv::perform(job, dcv, bench, evidence).await,
        (CheckKind::Dcv, None) => Err(Failure::new(Reason::Internal, "")),
    }
}

/// Whole microseconds since `started`.
pub(crate) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

const DETAIL_OCTETS_MAX: usize = 512;
const QUOTED_OCTETS_MAX: usize = 100;

#[cfg(test)]
mod tests;
