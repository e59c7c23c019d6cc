//! The part of a reply that one verdict is about: an alias, a set of records, or a denial.
//!
//! The validator sees nothing else. Records of other owners and classes cannot make a reply bogus,
//! and cannot make it pass. A signature whose signer is not the owner or an ancestor of it counts
//! as none (RFC 4035 5.3.1), so that no insecure zone elsewhere speaks for a signed one.

use std::collections::BTreeSet;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::{PushError, RecordSectionBuilder};
use domain::base::wire::ParseError;
use domain::base::{
    Message, MessageBuilder, ParsedName, ParsedRecord, Record, ToName, Ttl, UnknownRecordData,
};
use domain::rdata::{AllRecordData, Rrsig};
use mpic_common::evidence::DnsOutcome;

use super::super::message::WireName;

/// A message with one question, only the records that bear on it, and no compression.
#[derive(Debug, Clone)]
pub(super) struct Portion {
    /// What the verdict is about.
    pub(super) subject: Subject,
    pub(super) octets: Vec<u8>,
    /// Whether a denial has an SOA record, as it should.
    pub(super) has_soa: bool,
}

/// What a reply says about the name and type that were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// Look elsewhere: a CNAME at the name, or a DNAME above it.
    Alias,
    /// Records of the type.
    Data,
    /// There are none.
    Denial,
}

/// A reply that cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Undecodable;

impl From<ParseError> for Undecodable {
    fn from(_: ParseError) -> Self {
        Self
    }
}

impl From<PushError> for Undecodable {
    fn from(_: PushError) -> Self {
        Self
    }
}

impl Portion {
    /// The part of `reply`, whose rcode is NOERROR or NXDOMAIN, that answers (`name`, `qtype`).
    pub(super) fn of(reply: &[u8], name: &WireName, qtype: Rtype) -> Result<Self, DnsOutcome> {
        let message = Message::from_octets(reply).map_err(|_| DnsOutcome::Malformed)?;
        Self::compose(&message, name, qtype).map_err(|Undecodable| DnsOutcome::Malformed)
    }

    /// A record at `name` that nobody signed: insecure exactly where the name is.
    pub(super) fn unsigned(name: &WireName) -> Result<Vec<u8>, DnsOutcome> {
        let compose = || {
            let mut builder = answering((name, Rtype::TXT), Rcode::NOERROR)?;
            let empty = UnknownRecordData::from_octets(Rtype::TXT, [0])
                .map_err(|_| PushError::LimitExceeded)?;
            builder.push(Record::new(name, Class::IN, Ttl::ZERO, empty))?;
            Ok(builder.finish())
        };
        compose().map_err(|_: PushError| DnsOutcome::Malformed)
    }

    fn compose(
        message: &Message<&[u8]>,
        name: &WireName,
        qtype: Rtype,
    ) -> Result<Self, Undecodable> {
        let answer = Answer::read(message)?;
        let (subject, owner, rtype) = answer.subject(name, qtype);
        let denied = message.header().rcode() == Rcode::NXDOMAIN;
        let rcode = match subject {
            Subject::Denial if denied => Rcode::NXDOMAIN,
            Subject::Data if denied => return Err(Undecodable),
            // The rcode of a reply with an alias is about the end of the chain.
            _ => Rcode::NOERROR,
        };
        let mut builder = answering((&owner, rtype), rcode)?;
        for record in &answer.records {
            // The CNAME that a DNAME implies is what a question for CNAME is after.
            let implied = rtype == Rtype::DNAME
                && qtype == Rtype::CNAME
                && record.rtype() == Rtype::CNAME
                && record.owner() == *name;
            let covered = covered(record)?;
            if implied || (record.owner() == owner && covered == Some(rtype)) {
                copy(record, &mut builder)?;
            }
        }
        let mut builder = builder.authority();
        let mut has_soa = false;
        for record in message.authority()? {
            let record = record?;
            // What a reply with an alias or data denies beside it, it has no proof of; only that
            // a wildcard may stand in for the name is proven there.
            let covered = covered(&record)?.filter(|rtype| match subject {
                Subject::Denial => DENYING.contains(rtype),
                Subject::Alias | Subject::Data => EXPANDING.contains(rtype),
            });
            if record.class() == Class::IN && covered.is_some() {
                has_soa |= record.rtype() == Rtype::SOA;
                copy(&record, &mut builder)?;
            }
        }
        Ok(Self { subject, octets: builder.finish(), has_soa })
    }
}

/// The records of class IN in an answer section.
struct Answer<'a> {
    records: Vec<ParsedRecord<'a, &'a [u8]>>,
}

impl<'a> Answer<'a> {
    fn read(message: &'a Message<&'a [u8]>) -> Result<Self, Undecodable> {
        let mut records = Vec::new();
        for record in message.answer()? {
            let record = record?;
            if record.class() == Class::IN {
                records.push(record);
            }
        }
        Ok(Self { records })
    }

    /// What the records say about (`name`, `qtype`), and the set of them that says it.
    ///
    /// A DNAME above the name comes first, since it leaves nothing below its owner (RFC 6672 2.4),
    /// and a CNAME before other records.
    fn subject(&self, name: &WireName, qtype: Rtype) -> (Subject, WireName, Rtype) {
        let dnames: BTreeSet<WireName> = self
            .records
            .iter()
            .filter(|record| record.rtype() == Rtype::DNAME)
            .map(|record| record.owner().to_vec())
            .filter(|owner| name != owner && name.ends_with(owner))
            .collect();
        let has = |rtype| {
            self.records.iter().any(|record| record.rtype() == rtype && record.owner() == *name)
        };
        match dnames.into_iter().next() {
            Some(owner) => (Subject::Alias, owner, Rtype::DNAME),
            None if qtype != Rtype::CNAME && has(Rtype::CNAME) => {
                (Subject::Alias, name.clone(), Rtype::CNAME)
            }
            None if has(qtype) => (Subject::Data, name.clone(), qtype),
            None => (Subject::Denial, name.clone(), qtype),
        }
    }
}

/// The type of a record, or the type that a signature covers; none for a signature by a signer
/// that can have no say about its owner.
fn covered(record: &ParsedRecord<'_, &[u8]>) -> Result<Option<Rtype>, ParseError> {
    Ok(match record.to_record::<Rrsig<_, _>>()? {
        None => Some(record.rtype()),
        Some(signature) if record.owner().ends_with(signature.data().signer_name()) => {
            Some(signature.data().type_covered())
        }
        Some(_) => None,
    })
}

type AnswerBuilder = domain::base::message_builder::AnswerBuilder<Vec<u8>>;

fn answering(question: (&WireName, Rtype), rcode: Rcode) -> Result<AnswerBuilder, PushError> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_qr(true);
    builder.header_mut().set_rcode(rcode);
    let mut builder = builder.question();
    builder.push(question)?;
    Ok(builder.answer())
}

/// Copies a record whole, names in its RDATA written out.
fn copy(
    record: &ParsedRecord<'_, &[u8]>,
    section: &mut impl RecordSectionBuilder<Vec<u8>>,
) -> Result<(), Undecodable> {
    if HOLD_NAMES.contains(&record.rtype()) {
        section.push(record.to_any_record::<AllRecordData<_, ParsedName<_>>>()?)?;
    } else if let Some(raw) = record.to_record::<UnknownRecordData<_>>()? {
        section.push(raw)?;
    }
    Ok(())
}

/// What proves that something is not there.
const DENYING: [Rtype; 3] = [Rtype::SOA, Rtype::NSEC, Rtype::NSEC3];

/// What proves that no name is closer than a wildcard.
const EXPANDING: [Rtype; 2] = [Rtype::NSEC, Rtype::NSEC3];

/// Types whose RDATA has names that may be compressed into other parts of the message; the last
/// two should not be (RFC 4034 3.1.7, 4.1.1).
const HOLD_NAMES: [Rtype; 8] = [
    Rtype::CNAME,
    Rtype::DNAME,
    Rtype::MX,
    Rtype::NS,
    Rtype::PTR,
    Rtype::SOA,
    Rtype::NSEC,
    Rtype::RRSIG,
];
