//! The engine that asks a validating resolver beside the perspective, and believes its AD bit.

mod transport;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::base::Name;
use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource, Transport};
use mpic_common::observation::ResolverIdentity;
use mpic_common::octets::{Hash, Octets};
use mpic_common::reason::Reason;
use tokio::time::Instant;

use super::aliases::{Step, Walk};
use super::message::{Checking, Reply, WireName};
use super::{Budget, BudgetLimits, DnsEngine, Inquiry, Question};
use crate::deadline::Deadline;
use crate::egress::Egress;

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct ForwarderSettings {
    /// The resolver.
    pub server: SocketAddr,
    /// Where to ask from.
    pub egress: Egress,
    /// One attempt, aliases that must be asked for included.
    pub attempt: Duration,
    /// Before the second attempt.
    pub pause: Duration,
    /// What AD=0 means.
    pub validation: Validation,
    /// How it stands in replies.
    pub identity: ResolverIdentity,
}

/// Whether the resolver is relied on to validate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// AD=0 is proven insecurity.
    Required,
    /// AD=0 says nothing. The BR allows this to a remote, never to the primary (BR 3.2.2.4).
    NotRequired,
}

/// The engine.
#[derive(Debug, Clone)]
pub struct Forwarder(Arc<ForwarderSettings>);

/// The questions of one check.
#[derive(Debug)]
pub struct ForwarderInquiry {
    settings: Arc<ForwarderSettings>,
    deadline: Deadline,
    budget: Arc<Budget>,
    packets: AtomicU32,
    octets: AtomicU32,
}

impl Forwarder {
    /// An engine that has asked nothing yet.
    pub fn new(settings: ForwarderSettings) -> Self {
        Self(Arc::new(settings))
    }
}

impl DnsEngine for Forwarder {
    type Inquiry = ForwarderInquiry;

    fn identity(&self) -> &ResolverIdentity {
        &self.0.identity
    }

    /// (., SOA) must be answered with AD=1; without validation there is nothing to test.
    async fn self_test(&self) -> Result<(), Reason> {
        if self.0.validation == Validation::NotRequired {
            return Ok(());
        }
        let inquiry = self.open(
            Deadline::after(self.0.attempt * SELF_TEST_ATTEMPTS),
            Arc::new(Budget::new(SELF_TEST_BUDGET)),
        );
        match inquiry.attempt(&WireName::root_vec(), Rtype::SOA).await {
            Attempt { outcome: DnsOutcome::Answer, dnssec: Dnssec::Secure, .. } => Ok(()),
            Attempt { outcome: DnsOutcome::Timeout, .. } => Err(Reason::DnsTimeout),
            _ => Err(Reason::EngineUnavailable),
        }
    }

    fn open(&self, deadline: Deadline, budget: Arc<Budget>) -> ForwarderInquiry {
        ForwarderInquiry {
            settings: Arc::clone(&self.0),
            deadline,
            budget,
            packets: AtomicU32::new(0),
            octets: AtomicU32::new(0),
        }
    }
}

impl Inquiry for ForwarderInquiry {
    async fn ask(&self, question: &Question) -> DnsSeen {
        let started = Instant::now();
        let Ok(name) = Name::vec_from_str(&question.name) else {
            return seen(question, 0, Attempt::of(DnsOutcome::NameTooLong), None, started);
        };
        let mut attempt = self.attempt(&name, question.qtype).await;
        let mut attempts = 1;
        if attempt.is_worth_repeating() && self.deadline.remaining() > self.settings.pause {
            tokio::time::sleep(self.settings.pause).await;
            attempt = self.attempt(&name, question.qtype).await;
            attempts = 2;
        }
        if attempt.outcome == DnsOutcome::ServFail {
            attempt.outcome = self.name_the_cause(&attempt, question.qtype).await;
        }
        seen(question, attempts, attempt, Some(self.settings.server), started)
    }

    fn used(&self) -> (u32, u32) {
        (self.packets.load(Ordering::Relaxed), self.octets.load(Ordering::Relaxed))
    }
}

impl ForwarderInquiry {
    /// One walk from `name` to an end, all of it within one attempt's time.
    async fn attempt(&self, name: &WireName, qtype: Rtype) -> Attempt {
        let until = self.deadline.narrow(self.settings.attempt);
        let mut attempt = Attempt::of(DnsOutcome::Malformed);
        let mut walk = Walk::new(name, qtype);
        attempt.outcome = loop {
            match self.exchange(&walk.owner, qtype, Checking::Enabled, until).await {
                Err(outcome) => break outcome,
                Ok((reply, transport)) => {
                    let state = self.settings.validation.state(&reply);
                    attempt.take(&reply, state, transport);
                    if let Step::Done(outcome) = judge(&reply, state, &mut walk) {
                        break outcome;
                    }
                }
            }
        };
        attempt.dnssec = attempt.dnssec.max(state_of(attempt.outcome));
        attempt.walk = Some(walk);
        attempt
    }

    /// Asks once with CD=1, whose data are never used: a name that can be resolved without
    /// checking is bogus with it.
    async fn name_the_cause(&self, attempt: &Attempt, qtype: Rtype) -> DnsOutcome {
        let Some(walk) = &attempt.walk else { return attempt.outcome };
        let until = self.deadline.narrow(self.settings.attempt);
        match self.exchange(&walk.owner, qtype, Checking::Disabled, until).await {
            Ok((Reply { rcode: NOERROR | NXDOMAIN, .. }, _)) => DnsOutcome::Bogus,
            _ => attempt.outcome,
        }
    }
}

/// What one attempt came to.
#[derive(Debug)]
struct Attempt {
    outcome: DnsOutcome,
    dnssec: Dnssec,
    rcode: Option<u16>,
    ad: Option<bool>,
    ede: Vec<(u16, String)>,
    transport: Transport,
    walk: Option<Walk>,
}

impl Attempt {
    fn of(outcome: DnsOutcome) -> Self {
        Self {
            outcome,
            dnssec: Dnssec::Unused,
            rcode: None,
            ad: None,
            ede: Vec::new(),
            transport: Transport::Udp,
            walk: None,
        }
    }

    /// A transient failure is asked once more; an answer, and what would only come again, is not.
    fn is_worth_repeating(&self) -> bool {
        use DnsOutcome::{Bogus, Indeterminate, Refused, ServFail, Timeout, Unreachable};
        matches!(self.outcome, Timeout | ServFail | Refused | Unreachable | Bogus | Indeterminate)
    }

    /// Keeps what the reply says about itself.
    fn take(&mut self, reply: &Reply, state: Dnssec, transport: Transport) {
        self.rcode = Some(reply.rcode);
        self.ad = Some(reply.ad);
        self.ede.clone_from(&reply.ede);
        self.transport = transport;
        self.dnssec = self.dnssec.max(state);
    }
}

impl Validation {
    /// The state of everything in the reply, aliases and end alike.
    fn state(self, reply: &Reply) -> Dnssec {
        match (self, reply.ad) {
            _ if !matches!(reply.rcode, NOERROR | NXDOMAIN) => Dnssec::Unused,
            (_, true) => Dnssec::Secure,
            (Self::Required, false) => Dnssec::Insecure,
            (Self::NotRequired, false) => Dnssec::Indeterminate,
        }
    }
}

/// The rcode first; data and denials go to the walk.
fn judge(reply: &Reply, state: Dnssec, walk: &mut Walk) -> Step {
    let has_ede =
        |codes: RangeInclusive<u16>| reply.ede.iter().any(|(code, _)| codes.contains(code));
    Step::Done(match reply.rcode {
        NOERROR | NXDOMAIN if reply.ra => return walk.take(reply, state),
        SERVFAIL if has_ede(EDE_BOGUS) => DnsOutcome::Bogus,
        SERVFAIL if has_ede(EDE_INDETERMINATE) => DnsOutcome::Indeterminate,
        SERVFAIL => DnsOutcome::ServFail,
        REFUSED => DnsOutcome::Refused,
        YXDOMAIN => DnsOutcome::NameTooLong,
        _ => DnsOutcome::Malformed,
    })
}

fn state_of(outcome: DnsOutcome) -> Dnssec {
    match outcome {
        DnsOutcome::Bogus => Dnssec::Bogus,
        outcome if outcome.is_settled() => Dnssec::Unused,
        _ => Dnssec::Indeterminate,
    }
}

fn seen(
    question: &Question,
    attempts: u8,
    attempt: Attempt,
    server: Option<SocketAddr>,
    started: Instant,
) -> DnsSeen {
    let walk = attempt.walk.unwrap_or_else(|| Walk::new(&WireName::root_vec(), question.qtype));
    let has_answer = attempt.outcome == DnsOutcome::Answer;
    DnsSeen {
        name: question.name.clone(),
        qtype: question.qtype.to_string(),
        purpose: question.purpose,
        attempts,
        outcome: attempt.outcome,
        dnssec: attempt.dnssec.max(state_of(attempt.outcome)),
        dnssec_source: DnssecSource::ResolverAd,
        answer_owner: has_answer.then(|| walk.owner.to_string()),
        rrset_count: u32::try_from(walk.rrset.len()).unwrap_or(u32::MAX),
        rrset_digest: has_answer.then(|| rrset_digest(&walk.rrset)),
        min_ttl_s: walk.min_ttl_s.filter(|_| has_answer),
        chain: walk.chain,
        rrset: walk.rrset.into_iter().map(Octets).collect(),
        rcode: attempt.rcode,
        ad: attempt.ad,
        ede: attempt.ede,
        transport: attempt.transport,
        upstreams: server.map(|server| server.ip()).into_iter().collect(),
        resolver: 0,
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

/// SHA-256 over all RDATA sorted, each preceded by its u16 length.
fn rrset_digest(rrset: &[Vec<u8>]) -> Hash {
    let mut sorted: Vec<_> = rrset.iter().collect();
    sorted.sort();
    let mut octets = Vec::new();
    for rdata in sorted {
        octets.extend(u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
        octets.extend(rdata);
    }
    Hash::of(&octets)
}

/// The self-test may take this many attempts' time, so that one attempt is not cut short.
const SELF_TEST_ATTEMPTS: u32 = 2;
const SELF_TEST_BUDGET: BudgetLimits = BudgetLimits { packets: 4, octets: 128 * 1_024 };

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;
/// A DNAME makes the name too long (RFC 6672 2.2).
const YXDOMAIN: u16 = 6;
/// RFC 8914: from "DNSSEC Bogus" to "NSEC Missing".
const EDE_BOGUS: RangeInclusive<u16> = 6..=12;
/// RFC 8914: "DNSSEC Indeterminate".
const EDE_INDETERMINATE: RangeInclusive<u16> = 5..=5;

#[cfg(test)]
mod tests;
