//! DNS messages: from the octets of a query to what is asked, from an answer to octets.

use bytes::Bytes;
use domain::base::{
    Message, MessageBuilder, StaticCompressor, ToName, Ttl,
    header::Header,
    iana::{Class, Opcode, Rcode},
    message_builder::PushError,
    opt::ExtendedError,
    rdata::UnknownRecordData,
};

use crate::zones::{Answer, Question, Record};

/// The UDP payload that every reply with EDNS announces, in octets.
const PAYLOAD: u16 = 1232;

/// The UDP payload that any client takes, in octets (RFC 1035, 4.2.1; RFC 6891, 6.2.3).
const PAYLOAD_MIN: u16 = 512;

/// In what way a name server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Resolver,
    Authoritative,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What arrived.
pub(crate) enum Received {
    Query(Query),
    /// Not a query that has an answer; this is the reply.
    Unanswerable(Vec<u8>),
    /// Not a query at all.
    Noise,
}

/// What of a query shapes the reply.
pub(crate) struct Query {
    pub(crate) question: Question,
    header: Header,
    class: Class,
    edns: Option<Edns>,
}

/// What the client's OPT record says.
struct Edns {
    payload: u16,
    dnssec_ok: bool,
}

impl From<&[u8]> for Received {
    fn from(octets: &[u8]) -> Self {
        let Ok(message) = Message::from_octets(octets) else { return Self::Noise };
        let header = message.header();
        if header.qr() {
            return Self::Noise;
        }
        if header.opcode() != Opcode::QUERY {
            return Self::Unanswerable(bare_reply(header, Rcode::NOTIMP));
        }
        let Ok(question) = message.sole_question() else {
            return Self::Unanswerable(bare_reply(header, Rcode::FORMERR));
        };
        let edns = message
            .opt()
            .map(|opt| Edns { payload: opt.udp_payload_size(), dnssec_ok: opt.dnssec_ok() });
        Self::Query(Query {
            question: Question {
                name: question.qname().to_bytes(),
                rtype: question.qtype(),
                checking_disabled: header.cd(),
            },
            header,
            class: question.qclass(),
            edns,
        })
    }
}

/// A reply that is a header only.
fn bare_reply(query: Header, rcode: Rcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(query.id());
    header.set_opcode(query.opcode());
    header.set_rd(query.rd());
    header.set_qr(true);
    header.set_rcode(rcode);
    builder.finish()
}

impl Query {
    /// Whether the question is in class IN, the only one there is here.
    pub(crate) fn is_internet(&self) -> bool {
        self.class == Class::IN
    }

    /// The octets of the reply; without records and with TC=1 where they do not fit. Nothing only
    /// if not even the question fits.
    pub(crate) fn reply(
        &self,
        answer: &Answer,
        role: Role,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let header = self.reply_header(answer, role);
        let room = match transport {
            Transport::Udp if answer.effect.truncate => 0,
            Transport::Udp => self.edns.as_ref().map_or(0, |edns| edns.payload).max(PAYLOAD_MIN),
            Transport::Tcp => u16::MAX,
        };
        let whole = self.compose(header, answer, room);
        whole.or_else(|_| self.truncated(header, answer)).ok()
    }

    fn reply_header(&self, answer: &Answer, role: Role) -> Header {
        let mut header = Header::new();
        header.set_id(self.header.id());
        header.set_qr(true);
        header.set_rd(self.header.rd());
        header.set_cd(self.header.cd());
        header.set_rcode(answer.rcode);
        match role {
            Role::Resolver => {
                header.set_ra(answer.effect.ra.unwrap_or(true));
                header.set_ad(answer.effect.ad.unwrap_or(answer.secure && self.wants_ad()));
            }
            Role::Authoritative => header.set_aa(true),
        }
        header
    }

    /// RFC 6840, 5.7: the client asked for the AD bit by setting it, or DO; and with CD=1 nothing
    /// is checked.
    fn wants_ad(&self) -> bool {
        let dnssec_ok = self.edns.as_ref().is_some_and(|edns| edns.dnssec_ok);
        (self.header.ad() || dnssec_ok) && !self.header.cd()
    }

    fn truncated(&self, mut header: Header, answer: &Answer) -> Result<Vec<u8>, PushError> {
        header.set_tc(true);
        self.compose(header, &Answer::only(answer.rcode, answer.effect), PAYLOAD_MIN)
    }

    /// Errs if the message needs more than `room` octets.
    fn compose(&self, header: Header, answer: &Answer, room: u16) -> Result<Vec<u8>, PushError> {
        let target = StaticCompressor::new(Vec::with_capacity(usize::from(PAYLOAD)));
        let mut builder = MessageBuilder::from_target(target)?;
        builder.set_push_limit(usize::from(room) + 1);
        *builder.header_mut() = header;
        let mut question = builder.question();
        question.push((&self.question.name, self.question.rtype, self.class))?;
        let mut section = question.answer();
        for (owner, record) in &answer.records {
            section.push((owner, Class::IN, Ttl::from_secs(record.ttl), data(record)?))?;
        }
        let mut section = section.authority();
        if let Some((apex, soa)) = &answer.soa {
            section.push((apex, Class::IN, Ttl::from_secs(soa.ttl), data(soa)?))?;
        }
        let mut section = section.additional();
        if let Some(edns) = &self.edns {
            section.opt(|opt| {
                opt.set_udp_payload_size(PAYLOAD);
                opt.set_dnssec_ok(edns.dnssec_ok);
                answer
                    .effect
                    .ede
                    .map_or(Ok(()), |code| opt.push(&ExtendedError::<&[u8]>::from(code)))
            })?;
        }
        Ok(section.finish().into_target())
    }
}

fn data(record: &Record) -> Result<UnknownRecordData<&Bytes>, PushError> {
    UnknownRecordData::from_octets(record.rtype, &record.rdata).map_err(|_| PushError::ShortBuf)
}
