//! What one attempt at a question came to, and how a question's end is recorded.

use std::net::IpAddr;
use std::time::Duration;

use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource, Transport};
use mpic_common::octets::{Hash, Octets};
use tokio::time::Instant;

use super::Question;
use super::aliases::Walk;
use super::message::{Reply, WireName};
use crate::deadline::Deadline;

/// What one attempt came to.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) outcome: DnsOutcome,
    pub(super) dnssec: Dnssec,
    pub(super) source: DnssecSource,
    rcode: Option<u16>,
    ad: Option<bool>,
    pub(super) ede: Vec<(u16, String)>,
    transport: Transport,
    pub(super) upstreams: Vec<IpAddr>,
    pub(super) walk: Option<Walk>,
}

/// Which of a question's attempts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Second,
}

/// Attempts a question, and once more after `pause` if that is worth it and the deadline leaves
/// time; gives the last attempt and how many there were.
pub(super) async fn twice<F: Future<Output = Attempt> + Send>(
    deadline: Deadline,
    pause: Duration,
    attempt: impl Fn(Turn) -> F,
) -> (Attempt, u8) {
    let first = attempt(Turn::First).await;
    if !first.is_worth_repeating() || deadline.remaining() <= pause {
        return (first, 1);
    }
    tokio::time::sleep(pause).await;
    (attempt(Turn::Second).await, 2)
}

impl Attempt {
    /// One that ends with `outcome` unless more is learned.
    pub(super) fn of(outcome: DnsOutcome, source: DnssecSource) -> Self {
        Self {
            outcome,
            dnssec: Dnssec::Unused,
            source,
            rcode: None,
            ad: None,
            ede: Vec::new(),
            transport: Transport::Udp,
            upstreams: Vec::new(),
            walk: None,
        }
    }

    /// A transient failure is asked once more; an answer, and what would only come again, is not.
    fn is_worth_repeating(&self) -> bool {
        use DnsOutcome::{Bogus, Indeterminate, Refused, ServFail, Timeout, Unreachable};
        matches!(self.outcome, Timeout | ServFail | Refused | Unreachable | Bogus | Indeterminate)
    }

    /// Keeps what the reply says about itself.
    pub(super) fn keep(&mut self, reply: &Reply, transport: Transport) {
        self.rcode = Some(reply.rcode);
        // AD is a resolver's word; an authoritative server's says nothing.
        self.ad = Some(reply.ad).filter(|_| self.source == DnssecSource::ResolverAd);
        self.ede.clone_from(&reply.ede);
        self.transport = transport;
    }

    /// The record of `question`, which was asked `attempts` times since `started`.
    pub(super) fn seen(self, question: &Question, attempts: u8, started: Instant) -> DnsSeen {
        let walk = self.walk.unwrap_or_else(|| Walk::new(&WireName::root_vec(), question.qtype));
        let has_answer = self.outcome == DnsOutcome::Answer;
        DnsSeen {
            name: question.name.clone(),
            qtype: question.qtype.to_string(),
            purpose: question.purpose,
            attempts,
            outcome: self.outcome,
            dnssec: self.dnssec.max(state_of(self.outcome)),
            dnssec_source: self.source,
            answer_owner: has_answer.then(|| walk.owner.to_string()),
            rrset_count: u32::try_from(walk.rrset.len()).unwrap_or(u32::MAX),
            rrset_digest: has_answer.then(|| rrset_digest(&walk.rrset)),
            min_ttl_s: walk.min_ttl_s.filter(|_| has_answer),
            chain: walk.chain,
            rrset: walk.rrset.into_iter().map(Octets).collect(),
            rcode: self.rcode,
            ad: self.ad,
            ede: self.ede,
            transport: self.transport,
            upstreams: self.upstreams,
            resolver: 0,
            elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

fn state_of(outcome: DnsOutcome) -> Dnssec {
    match outcome {
        DnsOutcome::Bogus => Dnssec::Bogus,
        outcome if outcome.is_settled() => Dnssec::Unused,
        _ => Dnssec::Indeterminate,
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
