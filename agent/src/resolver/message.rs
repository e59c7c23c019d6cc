//! DNS messages: one query out, one reply taken apart.

use domain::base::iana::{Class, Rtype};
use domain::base::opt::ExtendedError;
use domain::base::wire::ParseError;
use domain::base::{Message, MessageBuilder, Name, ToName, UnknownRecordData};
use domain::rdata::{Cname, Dname, Mx, Ptr};
use mpic_common::octets::escape;

/// An owned name in wire form.
pub(super) type WireName = Name<Vec<u8>>;

/// Whether the resolver is to check signatures; it may be told not to only to name the cause of a
/// failure, never to get data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checking {
    Enabled,
    Disabled,
}

/// Who is asked, and so how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A resolver: RD=1.
    Resolver(Checking),
    /// An authoritative server: RD=0.
    Authority(Edns),
}

/// Whether the query has an OPT record, and so asks for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edns {
    With,
    /// For a server that does not know EDNS.
    Without,
}

/// A query as it is sent.
#[derive(Debug)]
pub(super) struct Query {
    octets: Vec<u8>,
    /// Where the question's name ends.
    name_end: usize,
}

/// How a message compares with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is the reply.
    Reply,
    /// It is the reply but for the case of the question, which an honest server repeats.
    OtherCase,
    /// It is something else, to be ignored.
    Foreign,
}

/// UDP payload that is asked for: no fragments.
pub(super) const UDP_OCTETS: usize = 1_232;

const HEADER_OCTETS: usize = 12;
/// Type and class behind the name of a question.
const QUESTION_TAIL_OCTETS: usize = 4;

impl Query {
    /// EDNS with DO=1 unless told otherwise, a random id and random case in the question (0x20).
    ///
    /// None if the system gives no randomness, or the message cannot be composed.
    pub(super) fn new(name: &WireName, qtype: Rtype, asking: Asking) -> Option<Self> {
        let mut random = [0; 34];
        getrandom::fill(&mut random).ok()?;
        let (id, case) = random.split_first_chunk::<2>()?;
        let mut builder = MessageBuilder::new_vec();
        let header = builder.header_mut();
        header.set_id(u16::from_be_bytes(*id));
        header.set_rd(matches!(asking, Asking::Resolver(_)));
        header.set_cd(asking == Asking::Resolver(Checking::Disabled));
        let mut builder = builder.question();
        builder.push((mix_case(name, case), qtype)).ok()?;
        let mut builder = builder.additional();
        let payload = u16::try_from(UDP_OCTETS).ok()?;
        if asking != Asking::Authority(Edns::Without) {
            let composed = builder.opt(|opt| {
                opt.set_udp_payload_size(payload);
                opt.set_dnssec_ok(true);
                Ok(())
            });
            composed.ok()?;
        }
        Some(Self { octets: builder.finish(), name_end: HEADER_OCTETS + name.len() })
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Compares id, question and QR of `message` with this query.
    pub(super) fn fit(&self, message: &[u8]) -> Fit {
        let part = |octets: &[u8], from, to| octets.get(from..to).map(<[u8]>::to_vec);
        let tail_end = self.name_end + QUESTION_TAIL_OCTETS;
        let same = |from, to| part(message, from, to) == part(&self.octets, from, to);
        let is_reply = message.get(2).is_some_and(|flags| flags & 0xF8 == 0x80);
        let one_question = message.get(4..6) == Some(&[0, 1]);
        if !(is_reply && one_question && same(0, 2) && same(self.name_end, tail_end)) {
            return Fit::Foreign;
        }
        let asked = self.octets.get(HEADER_OCTETS..self.name_end).unwrap_or_default();
        match message.get(HEADER_OCTETS..self.name_end) {
            Some(name) if name == asked => Fit::Reply,
            Some(name) if name.eq_ignore_ascii_case(asked) => Fit::OtherCase,
            _ => Fit::Foreign,
        }
    }
}

/// The name with each letter in a random case.
fn mix_case(name: &WireName, random: &[u8]) -> WireName {
    let mut octets = name.as_octets().clone();
    for (index, octet) in octets.iter_mut().enumerate() {
        let bit = random.get(index / 8).is_some_and(|octet| octet >> (index % 8) & 1 == 1);
        // A length octet is below 64 and so no letter.
        if bit && octet.is_ascii_alphabetic() {
            *octet ^= 0x20;
        }
    }
    Name::from_octets(octets).unwrap_or_else(|_| name.clone())
}

/// What a reply says.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Extended bits included.
    pub(super) rcode: u16,
    pub(super) ra: bool,
    pub(super) ad: bool,
    /// Codes with their texts, escaped.
    pub(super) ede: Vec<(u16, String)>,
    /// Records of class IN.
    pub(super) answer: Vec<Record>,
    /// The owner of the SOA in the authority section.
    pub(super) soa_owner: Option<WireName>,
}

/// One record of the answer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) owner: WireName,
    pub(super) rtype: Rtype,
    pub(super) ttl_s: u32,
    pub(super) data: RecordData,
}

/// RDATA, taken apart where it leads elsewhere.
#[derive(Debug)]
pub(super) enum RecordData {
    Cname(WireName),
    Dname(WireName),
    Other(Vec<u8>),
}

/// Whether TC is set: the rest must be fetched over TCP.
pub(super) fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

impl Reply {
    /// Takes a message apart; the whole of it must decode.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        let message = Message::from_octets(octets).map_err(|_| ParseError::ShortInput)?;
        let answer = message.answer()?;
        let mut records = Vec::new();
        for record in answer {
            let record = record?;
            if record.class() == Class::IN {
                records.push(Record {
                    owner: record.owner().to_vec(),
                    rtype: record.rtype(),
                    ttl_s: record.ttl().as_secs(),
                    data: record_data(&record)?,
                });
            }
        }
        Ok(Self {
            rcode: message.opt_rcode().to_int(),
            ra: message.header().ra(),
            ad: message.header().ad(),
            ede: extended_errors(&message),
            answer: records,
            soa_owner: soa_owner(&message)?,
        })
    }
}

/// Names in lower case, as RFC 4034 6.2 has them: where a server compresses them, they have the
/// random case of the question.
fn record_data(record: &domain::base::ParsedRecord<'_, &[u8]>) -> Result<RecordData, ParseError> {
    if let Some(record) = record.to_record::<Cname<_>>()? {
        return Ok(RecordData::Cname(record.data().cname().to_canonical_name()));
    }
    if let Some(record) = record.to_record::<Dname<_>>()? {
        return Ok(RecordData::Dname(record.data().dname().to_canonical_name()));
    }
    // These two may point into the message for their names.
    if let Some(record) = record.to_record::<Ptr<_>>()? {
        let name: WireName = record.data().ptrdname().to_canonical_name();
        return Ok(RecordData::Other(name.into_octets()));
    }
    if let Some(record) = record.to_record::<Mx<_>>()? {
        let preference = record.data().preference().to_be_bytes();
        let host: WireName = record.data().exchange().to_canonical_name();
        return Ok(RecordData::Other([&preference[..], host.as_octets()].concat()));
    }
    let unknown = record.to_record::<UnknownRecordData<_>>()?;
    Ok(RecordData::Other(unknown.map(|record| record.data().data().to_vec()).unwrap_or_default()))
}

fn soa_owner(message: &Message<&[u8]>) -> Result<Option<WireName>, ParseError> {
    for record in message.authority()? {
        let record = record?;
        if record.rtype() == Rtype::SOA && record.class() == Class::IN {
            return Ok(Some(record.owner().to_vec()));
        }
    }
    Ok(None)
}

/// Every RFC 8914 option, its text cut to 64 octets.
fn extended_errors(message: &Message<&[u8]>) -> Vec<(u16, String)> {
    let Some(opt) = message.opt() else { return Vec::new() };
    let options = opt.opt().iter::<ExtendedError<_>>();
    let seen = |error: ExtendedError<&[u8]>| {
        let text = error.text_slice().unwrap_or_default();
        (error.code().to_int(), escape(text.get(..EDE_OCTETS_MAX).unwrap_or(text)))
    };
    options.flatten().take(EDE_MAX).map(seen).collect()
}

/// Octets of one extended error's text that are kept.
const EDE_OCTETS_MAX: usize = 64;
/// Extended errors of one reply that are kept; no resolver gives more than a few.
const EDE_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> WireName {
        Name::vec_from_str(text).unwrap()
    }

    fn query(text: &str) -> Option<Query> {
        Query::new(&name(text), Rtype::TXT, Asking::Resolver(Checking::Enabled))
    }

    fn reply_to(query: &Query) -> Vec<u8> {
        let mut reply = query.octets().to_vec();
        reply[2] |= 0x80;
        reply
    }

    #[test]
    fn only_the_same_id_and_question_make_a_reply() {
        let query = query("www.example.com").unwrap();
        let reply = reply_to(&query);
        assert_eq!(query.fit(&reply), Fit::Reply);
        assert_eq!(query.fit(query.octets()), Fit::Foreign, "a query");
        for position in [0, 1, 5, 13, query.name_end, query.name_end + 1] {
            let mut foreign = reply.clone();
            foreign[position] ^= 0x01;
            assert_eq!(query.fit(&foreign), Fit::Foreign, "octet {position}");
        }
        assert_eq!(query.fit(&reply[..20]), Fit::Foreign);
    }

    #[test]
    fn another_case_in_the_question_is_told_apart() {
        let query = query("www.example.com").unwrap();
        let mut reply = reply_to(&query);
        reply[13] ^= 0x20;
        assert_eq!(query.fit(&reply), Fit::OtherCase);
    }

    #[test]
    fn ids_and_cases_differ_between_queries() {
        let long = name("a-name-with-many-letters.in-several-labels.example.com");
        let query = || query(&long.to_string()).unwrap();
        assert_ne!(query().octets(), query().octets());
        let lower = Name::from_octets(query().octets()[12..query().name_end].to_vec()).unwrap();
        assert_eq!(lower, long, "the name is the same but for case");
    }

    #[test]
    fn names_in_the_data_of_ptr_and_mx_are_written_out() {
        let query =
            Query::new(&name("example.com"), Rtype::MX, Asking::Resolver(Checking::Enabled))
                .unwrap();
        let mut reply = reply_to(&query);
        reply.truncate(query.name_end + QUESTION_TAIL_OCTETS);
        reply[7] = 2;
        reply[11] = 0;
        // `mx` before a pointer to the question's name, which is the owner too.
        let mx = [0, 10, 2, b'm', b'x', 0xC0, 12];
        reply.extend([&[0xC0, 12, 0, 15, 0, 1, 0, 0, 0, 9, 0, 7][..], &mx].concat());
        reply.extend([&[0xC0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2][..], &[0xC0, 12]].concat());
        let reply = Reply::parse(&reply).unwrap();
        let data: Vec<_> = reply
            .answer
            .iter()
            .map(|record| match &record.data {
                RecordData::Other(octets) => octets.clone(),
                data => panic!("{data:?}"),
            })
            .collect();
        let example = b"\x07example\x03com\x00";
        assert_eq!(data, [[&b"\0\x0A\x02mx"[..], example].concat(), example.to_vec()]);
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(octets: Vec<u8>) {
            let _ = Reply::parse(&octets);
            let query = query("example.com").unwrap();
            let _ = query.fit(&octets);
            let mut reply = reply_to(&query);
            reply.extend(&octets);
            reply[7] = 3;
            let _ = Reply::parse(&reply);
        }
    }
}
