//! The engine that asks a validating resolver beside the perspective, and believes its AD bit.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use domain::base::Name;
use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource, Transport};
use mpic_common::observation::ResolverIdentity;
use mpic_common::reason::Reason;
use tokio::time::Instant;

use super::aliases::{Step, Walk};
use super::attempt::{Attempt, twice};
use super::exchange::{Exchange, Spent};
use super::message::{Asking, Checking, Query, Reply, WireName};
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
    spent: Spent,
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
        ForwarderInquiry { settings: Arc::clone(&self.0), deadline, spent: Spent::new(budget) }
    }
}

impl Inquiry for ForwarderInquiry {
    async fn ask(&self, question: &Question) -> DnsSeen {
        let started = Instant::now();
        let Ok(name) = Name::vec_from_str(&question.name) else {
            let attempt = Attempt::of(DnsOutcome::NameTooLong, DnssecSource::ResolverAd);
            return attempt.seen(question, 0, started);
        };
        let (mut attempt, attempts) =
            twice(self.deadline, self.settings.pause, |_| self.attempt(&name, question.qtype))
                .await;
        if attempt.outcome == DnsOutcome::ServFail {
            attempt.outcome = self.name_the_cause(&attempt, question.qtype).await;
        }
        attempt.seen(question, attempts, started)
    }

    fn used(&self) -> (u32, u32) {
        self.spent.used()
    }
}

impl ForwarderInquiry {
    /// One walk from `name` to an end, all of it within one attempt's time.
    async fn attempt(&self, name: &WireName, qtype: Rtype) -> Attempt {
        let until = self.deadline.narrow(self.settings.attempt);
        let mut attempt = Attempt::of(DnsOutcome::Malformed, DnssecSource::ResolverAd);
        attempt.upstreams = vec![self.settings.server.ip()];
        let mut walk = Walk::new(name, qtype);
        attempt.outcome = loop {
            match self.exchange(&walk.owner, qtype, Checking::Enabled, until).await {
                Err(outcome) => break outcome,
                Ok((reply, transport)) => {
                    let state = self.settings.validation.state(&reply);
                    attempt.keep(&reply, transport);
                    attempt.dnssec = attempt.dnssec.max(state);
                    if let Step::Done(outcome) = judge(&reply, state, &mut walk) {
                        break outcome;
                    }
                }
            }
        };
        attempt.walk = Some(walk);
        attempt
    }

    async fn exchange(
        &self,
        name: &WireName,
        qtype: Rtype,
        checking: Checking,
        until: Deadline,
    ) -> Result<(Reply, Transport), DnsOutcome> {
        let query = Query::new(name, qtype, Asking::Resolver(checking));
        let query = query.ok_or(DnsOutcome::Unreachable)?;
        let exchange = Exchange { egress: &self.settings.egress, spent: &self.spent, until };
        let (octets, transport) = exchange.ask(self.settings.server, &query).await?;
        let reply = Reply::parse(&octets).map_err(|_| DnsOutcome::Malformed)?;
        Ok((reply, transport))
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
