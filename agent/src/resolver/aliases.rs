//! The walk along CNAME and DNAME records, the same whatever engine delivers them.

use std::collections::BTreeSet;

use domain::base::ToName;
use domain::base::iana::Rtype;
use mpic_common::evidence::{AliasKind, AliasSeen, DnsOutcome, Dnssec};

use super::message::{Record, RecordData, Reply, WireName};

/// A walk in progress, from the name asked to the owner of the answer.
#[derive(Debug)]
pub(super) struct Walk {
    qtype: Rtype,
    /// Where the walk stands.
    pub(super) owner: WireName,
    visited: BTreeSet<Vec<u8>>,
    pub(super) chain: Vec<AliasSeen>,
    /// The records found at the end.
    pub(super) rrset: Vec<Vec<u8>>,
    /// The least of the records and the aliases, seconds.
    pub(super) min_ttl_s: Option<u32>,
}

/// What a reply means for the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It ends.
    Done(DnsOutcome),
    /// The reply leads to `owner` and says nothing about it: ask there.
    AskOn,
}

/// How many aliases are followed, as common resolvers do.
const ALIASES_MAX: usize = 11;

/// Rcode of a name that does not exist.
const NXDOMAIN: u16 = 3;

impl Walk {
    pub(super) fn new(name: &WireName, qtype: Rtype) -> Self {
        Self {
            qtype,
            owner: name.clone(),
            visited: BTreeSet::from([key(name)]),
            chain: Vec::new(),
            rrset: Vec::new(),
            min_ttl_s: None,
        }
    }

    /// Goes on with a reply of NOERROR or NXDOMAIN to a question for `owner`, whose records have
    /// the state `dnssec`.
    pub(super) fn take(&mut self, reply: &Reply, dnssec: Dnssec) -> Step {
        let before = self.owner.clone();
        if let Err(outcome) = self.follow(&reply.answer, dnssec) {
            return Step::Done(outcome);
        }
        let records = reply
            .answer
            .iter()
            .filter(|record| record.rtype == self.qtype && record.owner == self.owner);
        for record in records {
            self.rrset.push(raw(&record.data));
            self.min_ttl_s = Some(self.min_ttl_s.unwrap_or(u32::MAX).min(record.ttl_s));
        }
        if !self.rrset.is_empty() {
            return Step::Done(DnsOutcome::Answer);
        }
        match &reply.soa_owner {
            Some(soa) if !self.owner.ends_with(soa) => Step::Done(DnsOutcome::Malformed),
            None if reply.rcode != NXDOMAIN && self.owner != before => Step::AskOn,
            None if dnssec == Dnssec::Secure => Step::Done(DnsOutcome::Bogus),
            _ if reply.rcode == NXDOMAIN => Step::Done(DnsOutcome::NxDomain),
            _ => Step::Done(DnsOutcome::NoData),
        }
    }

    /// Goes as far as `answer` leads. Where the alias itself was asked for the walk stands still,
    /// and only a DNAME that implies it is taken down.
    fn follow(&mut self, answer: &[Record], dnssec: Dnssec) -> Result<(), DnsOutcome> {
        while let Some((kind, target, ttl_s)) = self.alias(answer)? {
            if self.qtype == Rtype::CNAME && kind == AliasKind::Cname {
                break;
            }
            self.chain.push(AliasSeen {
                owner: self.owner.to_string(),
                kind,
                target: target.to_string(),
                ttl_s,
                dnssec,
            });
            self.min_ttl_s = Some(self.min_ttl_s.unwrap_or(u32::MAX).min(ttl_s));
            if self.qtype == Rtype::CNAME {
                break;
            }
            if self.chain.len() > ALIASES_MAX || !self.visited.insert(key(&target)) {
                return Err(DnsOutcome::AliasLimit);
            }
            self.owner = target;
        }
        Ok(())
    }

    /// The alias at `owner`: a CNAME there, or a DNAME at a proper ancestor.
    ///
    /// A CNAME that a DNAME implies was made from it, and is recorded as that DNAME.
    fn alias(&self, answer: &[Record]) -> Result<Option<(AliasKind, WireName, u32)>, DnsOutcome> {
        let dname = answer.iter().find_map(|record| match &record.data {
            RecordData::Dname(target) => {
                substitute(&self.owner, &record.owner, target).map(|name| (name, record.ttl_s))
            }
            _ => None,
        });
        let mut cnames = answer.iter().filter_map(|record| match &record.data {
            RecordData::Cname(target) if record.owner == self.owner => Some((target, record.ttl_s)),
            _ => None,
        });
        match (cnames.next(), cnames.next(), dname) {
            (Some(_), Some(_), _) => Err(DnsOutcome::Malformed),
            (Some((cname, ttl_s)), None, Some((Ok(target), _))) if *cname == target => {
                Ok(Some((AliasKind::Dname, target, ttl_s)))
            }
            (Some((cname, ttl_s)), None, _) => Ok(Some((AliasKind::Cname, cname.clone(), ttl_s))),
            (None, _, Some((target, ttl_s))) => {
                target.map(|target| Some((AliasKind::Dname, target, ttl_s)))
            }
            (None, _, None) => Ok(None),
        }
    }
}

/// `name` with `owner` at its end replaced by `target` (RFC 6672 2.2); none if `owner` is no
/// proper ancestor of it.
fn substitute(
    name: &WireName,
    owner: &WireName,
    target: &WireName,
) -> Option<Result<WireName, DnsOutcome>> {
    if name == owner {
        return None;
    }
    let prefix = name.clone().strip_suffix(owner).ok()?;
    let substituted = prefix.chain(target.for_ref()).map(|chain| chain.to_vec());
    Some(substituted.map_err(|_| DnsOutcome::NameTooLong))
}

/// The same for names that differ only in case.
fn key(name: &WireName) -> Vec<u8> {
    name.as_octets().to_ascii_lowercase()
}

fn raw(data: &RecordData) -> Vec<u8> {
    match data {
        RecordData::Cname(target) | RecordData::Dname(target) => target.as_octets().clone(),
        RecordData::Other(octets) => octets.clone(),
    }
}
