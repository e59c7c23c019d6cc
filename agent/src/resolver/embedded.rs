//! The engine that asks the authoritative servers itself: a recursor leads to them, a validator
//! judges what they say.
//!
//! The recursor is that of `hickory-resolver` with its own validation off, and what it thinks of
//! DNSSEC decides nothing; the validator is that of `domain`. Each attempt has a new one of both.
//! What outlives a job is what everybody asks for: where public suffixes are, and their keys.

mod infrastructure;
mod journal;
mod judge;
mod portion;
mod referral;
mod roots;
mod search;
mod suffixes;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use domain::base::Name;
use domain::base::iana::Rtype;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource};
use mpic_common::observation::ResolverIdentity;
use mpic_common::reason::Reason;
use tokio::time::{Instant, timeout_at};

use self::infrastructure::{Infrastructure, Visit};
use self::journal::{Heard, Journal};
use self::judge::{Judge, Verdict};
use self::portion::{Portion, Subject};
use self::search::Search;
use self::upstream::Upstreams;
use super::aliases::{Step, Walk};
use super::attempt::{Attempt, Turn, twice};
use super::exchange::Spent;
use super::message::{Reply, WireName};
use super::{Budget, BudgetLimits, DnsEngine, Inquiry, Question};
use crate::deadline::Deadline;
use crate::egress::{AddressPolicy, Egress};

pub use roots::{RootHints, RootsError, TrustAnchor};
pub use suffixes::Suffixes;

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// Where the search begins.
    pub root_hints: RootHints,
    /// What is trusted.
    pub trust_anchor: TrustAnchor,
    /// What a zone signed with other algorithms alone is taken for.
    pub unsupported: UnsupportedAlgorithm,
    /// Which servers may be asked.
    pub addresses: AddressPolicy,
    /// Where to ask from.
    pub egress: Egress,
    /// One attempt, keys and delegations included.
    pub attempt: Duration,
    /// Before the second attempt.
    pub pause: Duration,
    /// The names whose delegations and keys outlive a job; none for nothing at all.
    pub kept: Option<Suffixes>,
    /// How it stands in replies.
    pub identity: ResolverIdentity,
}

/// What a zone is that is signed with algorithms 14, 15 or 16 alone, which others validate and
/// this validator does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedAlgorithm {
    /// Not determined: the question fails.
    Indeterminate,
    /// Unsigned (RFC 4035 5.2).
    Insecure,
}

/// The engine.
#[derive(Debug, Clone)]
pub struct Embedded {
    settings: Arc<EmbeddedSettings>,
    infrastructure: Option<Arc<Infrastructure>>,
}

/// The questions of one check.
#[derive(Debug)]
pub struct EmbeddedInquiry {
    settings: Arc<EmbeddedSettings>,
    infrastructure: Option<Arc<Infrastructure>>,
    deadline: Deadline,
    spent: Arc<Spent>,
}

impl Embedded {
    /// An engine that has asked nothing yet.
    pub fn new(settings: EmbeddedSettings) -> Self {
        let infrastructure = settings.kept.clone().map(Infrastructure::new).map(Arc::new);
        Self { settings: Arc::new(settings), infrastructure }
    }

    /// Forgets what outlives a job.
    pub fn forget(&self) {
        if let Some(infrastructure) = &self.infrastructure {
            infrastructure.clear();
        }
    }
}

impl DnsEngine for Embedded {
    type Inquiry = EmbeddedInquiry;

    fn identity(&self) -> &ResolverIdentity {
        &self.settings.identity
    }

    /// The root's key set must validate.
    async fn self_test(&self) -> Result<(), Reason> {
        let inquiry = self.open(
            Deadline::after(self.settings.attempt * SELF_TEST_ATTEMPTS),
            Arc::new(Budget::new(SELF_TEST_BUDGET)),
        );
        match inquiry.attempt(&WireName::root_vec(), Rtype::DNSKEY, None).await {
            Attempt { outcome: DnsOutcome::Answer, dnssec: Dnssec::Secure, .. } => Ok(()),
            Attempt { outcome: DnsOutcome::Timeout, .. } => Err(Reason::DnsTimeout),
            _ => Err(Reason::EngineUnavailable),
        }
    }

    fn open(&self, deadline: Deadline, budget: Arc<Budget>) -> EmbeddedInquiry {
        let (settings, infrastructure) = (Arc::clone(&self.settings), self.infrastructure.clone());
        EmbeddedInquiry { settings, infrastructure, deadline, spent: Arc::new(Spent::new(budget)) }
    }
}

impl Inquiry for EmbeddedInquiry {
    async fn ask(&self, question: &Question) -> DnsSeen {
        let started = Instant::now();
        let Ok(name) = Name::vec_from_str(&question.name) else {
            let attempt = Attempt::of(DnsOutcome::NameTooLong, DnssecSource::Domain);
            return attempt.seen(question, 0, started);
        };
        let visit = self.infrastructure.as_ref().map(Infrastructure::visit);
        let (attempt, attempts) = twice(self.deadline, self.settings.pause, |turn| {
            let visit = visit.clone().filter(|_| turn == Turn::First);
            self.attempt(&name, question.qtype, visit)
        })
        .await;
        if let Some(visit) = visit
            && attempts == 2
            && attempt.outcome.is_settled()
        {
            // What the first attempt went by led nowhere.
            visit.drop_used();
        }
        attempt.seen(question, attempts, started)
    }

    fn used(&self) -> (u32, u32) {
        self.spent.used()
    }
}

impl EmbeddedInquiry {
    /// One walk from `name` to an end, all of it within one attempt's time and with nothing that
    /// another attempt has learned but what `visit` gives.
    async fn attempt(&self, name: &WireName, qtype: Rtype, visit: Option<Arc<Visit>>) -> Attempt {
        let until = self.deadline.narrow(self.settings.attempt);
        let journal = Arc::new(Journal::default());
        let upstreams = Upstreams {
            settings: Arc::clone(&self.settings),
            spent: Arc::clone(&self.spent),
            journal: Arc::clone(&journal),
            visit: visit.clone(),
            until,
            runtime: TokioRuntimeProvider::default(),
        };
        let mut attempt = Attempt::of(DnsOutcome::Timeout, DnssecSource::Domain);
        let mut walk = Walk::new(name, qtype);
        if let Ok(search) = Search::new(upstreams) {
            let mut bench = Bench::new(&self.settings, Arc::new(search), visit.clone());
            let walked = bench.walk(&mut walk, qtype, &mut attempt);
            let walked = timeout_at(until.instant(), walked).await;
            attempt.outcome = walked.unwrap_or_else(|_| bench.outcome_of_silence());
            if let Some(visit) = visit {
                // All that this needs has been fetched already.
                let _ = timeout_at(until.instant(), bench.judge.keep(&visit)).await;
            }
        }
        attempt.upstreams = journal.upstreams();
        attempt.walk = Some(walk);
        attempt
    }
}

/// The recursor and the judge of one attempt at work.
struct Bench {
    search: Arc<Search>,
    judge: Judge,
    is_judging: bool,
}

impl Bench {
    fn new(settings: &EmbeddedSettings, search: Arc<Search>, visit: Option<Arc<Visit>>) -> Self {
        let anchors = settings.trust_anchor.anchors();
        let judge = Judge::new(anchors, settings.unsupported, Arc::clone(&search), visit);
        Self { search, judge, is_judging: false }
    }

    /// Walks to an end; what is learned on the way stays in `walk` and `attempt` if time is up.
    async fn walk(&mut self, walk: &mut Walk, qtype: Rtype, attempt: &mut Attempt) -> DnsOutcome {
        loop {
            match self.step(walk, qtype, attempt).await {
                Ok(Step::AskOn) => {}
                Ok(Step::Done(outcome)) | Err(outcome) => return outcome,
            }
        }
    }

    async fn step(
        &mut self,
        walk: &mut Walk,
        qtype: Rtype,
        attempt: &mut Attempt,
    ) -> Result<Step, DnsOutcome> {
        let name = walk.owner.clone();
        self.is_judging = false;
        let heard = self.search.ask(&name, qtype).await?;
        let reply = reply(&heard)?;
        attempt.keep(&reply, heard.transport);
        if reply.rcode == YXDOMAIN {
            return Err(DnsOutcome::NameTooLong);
        }
        let mut portion = Portion::of(&heard.octets, &name, qtype)?;
        self.is_judging = true;
        let Verdict { state, reason } = self.judge(&mut portion, &name).await;
        attempt.ede.extend(reason);
        let state = state?;
        attempt.dnssec = attempt.dnssec.max(state);
        let judged = Reply::parse(&portion.octets).map_err(|_| DnsOutcome::Malformed)?;
        Ok(walk.take(&judged, state))
    }

    /// A denial without SOA proves nothing by itself: it is used where its name is proven insecure.
    async fn judge(&self, portion: &mut Portion, name: &WireName) -> Verdict {
        if portion.subject != Subject::Denial || portion.has_soa {
            return self.judge.judge(&mut portion.octets, name).await;
        }
        match Portion::unsigned(name) {
            Ok(mut unsigned) => self.judge.judge(&mut unsigned, name).await,
            Err(outcome) => Verdict { state: Err(outcome), reason: None },
        }
    }

    /// Time is up: there is data that could not be judged, or none at all.
    fn outcome_of_silence(&self) -> DnsOutcome {
        if self.is_judging { DnsOutcome::Indeterminate } else { DnsOutcome::Timeout }
    }
}

fn reply(heard: &Heard) -> Result<Reply, DnsOutcome> {
    Reply::parse(&heard.octets).map_err(|_| DnsOutcome::Malformed)
}

/// The self-test may take this many attempts' time, so that one attempt is not cut short.
const SELF_TEST_ATTEMPTS: u32 = 2;
const SELF_TEST_BUDGET: BudgetLimits = BudgetLimits { packets: 64, octets: 1_024 * 1_024 };

/// A DNAME makes the name too long (RFC 6672 2.2).
const YXDOMAIN: u16 = 6;
