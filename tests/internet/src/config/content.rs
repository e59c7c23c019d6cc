//! The parts of the configuration that a running process reads again on SIGHUP.

use std::{collections::BTreeMap, net::IpAddr};

use domain::base::{Rtype, iana::Rcode};
use serde::{Deserialize, Serialize};

/// A zone: where its names end in one SOA, and whether a validating resolver calls them secure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The apex, such as `example.test`.
    pub name: String,
    /// Whether resolvers set AD=1 for its answers. Default: false.
    #[serde(default)]
    pub signed: bool,
}

/// One resource record.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The owner, absolute with or without a final dot; `*.x` answers for what is missing below
    /// x.
    pub name: String,
    /// A mnemonic such as `"TXT"`, or a number.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// In presentation form. For TXT: the character-strings as they are, without escapes.
    /// For A, AAAA, CAA, CNAME, MX, NS and PTR: one string.
    pub data: Option<Data>,
    /// The data as octets in hexadecimal, for any type, instead of `data`.
    pub rdata_hex: Option<String>,
    /// In seconds. Default: 60.
    #[serde(default = "ttl")]
    pub ttl: u32,
    /// The views that see it. Default: all, and whoever is in none.
    pub views: Option<Vec<String>>,
}

fn ttl() -> u32 {
    60
}

impl Record {
    /// A record of a type whose data is one string in presentation form.
    pub fn new(name: &str, rtype: Rtype, data: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            rtype: RecordType(rtype),
            data: Some(Data::One(data.into())),
            ttl: ttl(),
            ..Self::default()
        }
    }

    /// An A or AAAA record.
    pub fn address(name: &str, address: IpAddr) -> Self {
        let rtype = if address.is_ipv4() { Rtype::A } else { Rtype::AAAA };
        Self::new(name, rtype, address.to_string())
    }

    /// A TXT record of one character-string.
    pub fn txt(name: &str, text: &str) -> Self {
        Self::new(name, Rtype::TXT, text)
    }

    /// A CAA record, such as `0 issue "ca.test"`.
    pub fn caa(name: &str, property: &str) -> Self {
        Self::new(name, Rtype::CAA, property)
    }

    /// The same record, seen by these views only.
    #[must_use]
    pub fn seen_by<S: ToString>(self, views: impl IntoIterator<Item = S>) -> Self {
        Self { views: Some(views.into_iter().map(|view| view.to_string()).collect()), ..self }
    }
}

/// Record data: one string, or for TXT several.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged, expecting = "data is a string or a list of strings")]
pub enum Data {
    One(String),
    Several(Vec<String>),
}

/// A record type, written as its mnemonic or its number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "RecordTypeText", into = "RecordTypeText")]
pub struct RecordType(pub Rtype);

impl Default for RecordType {
    fn default() -> Self {
        Self(Rtype::TXT)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "a record type is a mnemonic or a number up to 65535")]
enum RecordTypeText {
    Number(u16),
    Mnemonic(String),
}

impl TryFrom<RecordTypeText> for RecordType {
    type Error = String;

    fn try_from(text: RecordTypeText) -> Result<Self, String> {
        match text {
            RecordTypeText::Number(number) => Ok(Self(Rtype::from_int(number))),
            RecordTypeText::Mnemonic(mnemonic) => mnemonic
                .parse()
                .map(Self)
                .map_err(|_| format!("\"{mnemonic}\" is not a record type")),
        }
    }
}

impl From<RecordType> for RecordTypeText {
    fn from(RecordType(rtype): RecordType) -> Self {
        Self::Mnemonic(rtype.to_string())
    }
}

/// What goes wrong when a name is asked for, or met on the way along aliases.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The name asked for; `*.x` means every name below x, `*` every name.
    pub name: String,
    /// The type asked for. Default: any.
    #[serde(rename = "type")]
    pub rtype: Option<RecordType>,
    /// The views that suffer it. Default: all, and whoever is in none.
    pub views: Option<Vec<String>>,
    /// Answer with this code and no records.
    pub rcode: Option<FaultRcode>,
    /// Info code of an extended DNS error (RFC 8914) to put into the answer.
    pub ede: Option<u16>,
    /// No answer at all.
    pub drop: bool,
    /// The answer comes so much later, in milliseconds.
    pub delay_ms: u64,
    /// The AD bit of a resolver's answer, whatever the zones say.
    pub ad: Option<bool>,
    /// Over UDP, no records and TC=1; over TCP the whole answer.
    pub truncate: bool,
    /// The RA bit of a resolver's answer. Default: true.
    pub ra: Option<bool>,
    /// A question with CD=1 is spared, as it is when data exist but do not validate.
    pub unless_cd: bool,
}

/// A response code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultRcode {
    NoError,
    FormErr,
    ServFail,
    NxDomain,
    NotImp,
    Refused,
}

impl From<FaultRcode> for Rcode {
    fn from(code: FaultRcode) -> Self {
        match code {
            FaultRcode::NoError => Self::NOERROR,
            FaultRcode::FormErr => Self::FORMERR,
            FaultRcode::ServFail => Self::SERVFAIL,
            FaultRcode::NxDomain => Self::NXDOMAIN,
            FaultRcode::NotImp => Self::NOTIMP,
            FaultRcode::Refused => Self::REFUSED,
        }
    }
}

/// Who answers `acme-tls/1` for a name (RFC 8737), and with which digest. For anyone else the
/// handshake fails.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsAlpn {
    /// A name, or an IPv4 address (RFC 8738).
    pub name: String,
    /// SHA-256 of the key authorization, in hexadecimal.
    pub digest: String,
    /// The views that see it. Default: all, and whoever is in none.
    pub views: Option<Vec<String>>,
}

/// What a web server answers at one host and path. Anything else is 404.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// Name or address literal as in the Host header, lower case, without port.
    pub host: String,
    /// Such as `/.well-known/acme-challenge/token`; a query string is not compared.
    pub path: String,
    /// The views that see it. Default: all, and whoever is in none.
    pub views: Option<Vec<String>>,
    /// Default: 200, with `location` 302.
    pub status: Option<u16>,
    /// A Location header.
    pub location: Option<String>,
    /// The body. Default: empty.
    pub body: String,
    /// The answer comes so much later, in milliseconds.
    pub delay_ms: u64,
    /// What goes wrong. Default: nothing.
    pub fault: Option<PageFault>,
    /// More headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Page {
    /// A page with status 200 that everyone sees.
    pub fn new(host: &str, path: &str, body: &str) -> Self {
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            ..Self::default()
        }
    }

    /// The same page, seen by these views only.
    #[must_use]
    pub fn seen_by<S: ToString>(self, views: impl IntoIterator<Item = S>) -> Self {
        Self { views: Some(views.into_iter().map(|view| view.to_string()).collect()), ..self }
    }
}

/// How a web server misbehaves after it has read a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageFault {
    /// Closes the connection without an answer.
    Close,
    /// Sends the head at once, and the body one octet a second.
    Drip,
    /// Sends the body again and again, without a Content-Length, until the client hangs up.
    Endless,
    /// Never answers.
    Hang,
    /// Announces one octet more than it sends.
    Short,
}
