//! What is to be certified: a DNS name, an IP address, or for S/MIME a mailbox's domain.

mod reverse;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

pub use reverse::{address_of_reverse_name, reverse_name};

use crate::method;

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not in canonical form.
    #[error("{0}")]
    Syntax(&'static str),
    /// Canonical, but another text than was given.
    #[error("its canonical form is `{0}`")]
    NotCanonical(String),
}

/// A host name in lower-case A-labels, without final dot or wildcard; of at least two labels but
/// for what a wildcard stands before, which may be a whole top-level domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// Parses what people write: any case, U-labels.
    ///
    /// A dNSName has neither a final dot nor underscores (BR 7.1.2.7.12).
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = Self::below_wildcard(text)?;
        if name.labels().count() < 2 {
            return Err(IdentifierError::Syntax("a DNS name has at least two labels"));
        }
        Ok(name)
    }

    /// Parses what stands below `*.`, as `parse`. One label is a name there: a public suffix,
    /// which is to be refused as such.
    fn below_wildcard(text: &str) -> Result<Self, IdentifierError> {
        let ascii = if text.is_ascii() { text.to_ascii_lowercase() } else { to_a_labels(text)? };
        if !(1..=253).contains(&ascii.len()) {
            return Err(IdentifierError::Syntax("a DNS name has 1 to 253 octets"));
        }
        let labels: Vec<&str> = ascii.split('.').collect();
        labels.iter().try_for_each(|label| check_label(label))?;
        if labels.last().is_some_and(|label| is_number(label)) {
            return Err(IdentifierError::Syntax("the last label is a number: no IPv4 address"));
        }
        Ok(Self(ascii))
    }

    /// The name in lower-case A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, the leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether this is `other` or an ancestor of it.
    pub fn is_ancestor_or_self_of(&self, other: &Self) -> bool {
        other.0.strip_suffix(&self.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn to_a_labels(text: &str) -> Result<String, IdentifierError> {
    Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| IdentifierError::Syntax("the name has no form in A-labels (UTS 46)"))
}

fn check_label(label: &str) -> Result<(), IdentifierError> {
    let syntax = |why| Err(IdentifierError::Syntax(why));
    match label.as_bytes() {
        [] => syntax("a label is empty"),
        octets if octets.len() > 63 => syntax("a label has more than 63 octets"),
        octets if !octets.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-') => {
            syntax("a label has octets other than letters, digits and hyphens")
        }
        [b'-', ..] | [.., b'-'] => syntax("a label begins or ends with a hyphen"),
        [b'x', b'n', b'-', b'-', ..] if !is_p_label(label) => {
            syntax("a label that begins with xn-- is no Punycode")
        }
        [b'x', b'n', b'-', b'-', ..] => Ok(()),
        [_, _, b'-', b'-', ..] => syntax("a label other than xn-- has -- as characters 3 and 4"),
        _ => Ok(()),
    }
}

/// Whether `label` decodes to something beyond ASCII and encodes to itself again: a P-Label of
/// BR 1.6.1.
fn is_p_label(label: &str) -> bool {
    label.strip_prefix("xn--").is_some_and(|encoded| {
        idna::punycode::decode_to_string(encoded).is_some_and(|decoded| {
            !decoded.is_ascii()
                && idna::punycode::encode_str(&decoded).is_some_and(|again| again == encoded)
        })
    })
}

/// What URL parsers would read as part of an IPv4 address.
fn is_number(label: &str) -> bool {
    let digits = |text: &str, radix| text.chars().all(|digit| digit.is_digit(radix));
    digits(label, 10) || label.strip_prefix("0x").is_some_and(|hex| digits(hex, 16))
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        Self::parse(text)
    }
}

/// What is to be certified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "IdentifierFields", into = "IdentifierFields")]
pub enum Identifier {
    /// A DNS name; checks use `name` also where the certificate has `*.` before it.
    Dns {
        /// The FQDN, `*.` taken off.
        name: DnsName,
        /// Whether the certificate is for `*.` and the name.
        wildcard: bool,
    },
    /// An IP address.
    Ip(IpAddr),
    /// The domain of a mailbox; the local part is never sent to a perspective.
    Email {
        /// The domain part.
        domain: DnsName,
    },
}

/// The three members of an identifier on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdentifierFields {
    /// `dns`, `ip` or `email`.
    pub kind: IdentifierKind,
    /// The canonical text, `*.` taken off; of a mailbox the domain.
    pub value: String,
    /// Whether `*.` was taken off.
    pub wildcard: bool,
}

/// What sort of identifier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierKind {
    /// A DNS name.
    Dns,
    /// An IP address.
    Ip,
    /// A mailbox.
    Email,
}

impl Identifier {
    /// Parses what people write: a name, `*.` and a name, an IP address, or a mailbox.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if let Some((_, domain)) = text.rsplit_once('@') {
            return DnsName::parse(domain).map(|domain| Self::Email { domain });
        }
        if let Some(name) = text.strip_prefix("*.") {
            return DnsName::below_wildcard(name).map(|name| Self::Dns { name, wildcard: true });
        }
        if let Some(address) = parse_ip(text) {
            return Ok(Self::Ip(address));
        }
        DnsName::parse(text).map(|name| Self::Dns { name, wildcard: false })
    }

    /// Parses what people write as the target of `method`, by its id: as `parse`, but the target
    /// of a reverse look-up may be the name that is looked up, which is itself never certified.
    pub fn parse_for(method: &str, text: &str) -> Result<Self, IdentifierError> {
        let address = address_of_reverse_name(text);
        match address.filter(|_| method == method::REVERSE_ADDRESS_LOOKUP) {
            Some(address) => Ok(Self::Ip(address)),
            None => Self::parse(text),
        }
    }

    /// What sort it is.
    pub fn kind(&self) -> IdentifierKind {
        match self {
            Self::Dns { .. } => IdentifierKind::Dns,
            Self::Ip(_) => IdentifierKind::Ip,
            Self::Email { .. } => IdentifierKind::Email,
        }
    }

    /// The name that is checked; none for an IP address.
    pub fn name(&self) -> Option<&DnsName> {
        match self {
            Self::Dns { name, .. } | Self::Email { domain: name } => Some(name),
            Self::Ip(_) => None,
        }
    }

    /// Whether the certificate is for a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns { wildcard: true, .. })
    }
}

/// RFC 4291 text with or without brackets, or four decimal octets; no zone.
fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => Ipv6Addr::from_str(inner).ok().map(IpAddr::V6),
        None => IpAddr::from_str(text).ok(),
    }
}

impl TryFrom<IdentifierFields> for Identifier {
    type Error = IdentifierError;

    /// Takes the canonical form and nothing else.
    fn try_from(fields: IdentifierFields) -> Result<Self, IdentifierError> {
        let identifier = match fields.kind {
            IdentifierKind::Ip => {
                Self::Ip(parse_ip(&fields.value).ok_or(IdentifierError::Syntax("no IP address"))?)
            }
            IdentifierKind::Dns if fields.wildcard => {
                Self::Dns { name: DnsName::below_wildcard(&fields.value)?, wildcard: true }
            }
            IdentifierKind::Dns => {
                Self::Dns { name: DnsName::parse(&fields.value)?, wildcard: false }
            }
            IdentifierKind::Email => Self::Email { domain: DnsName::parse(&fields.value)? },
        };
        if fields.wildcard && !identifier.is_wildcard() {
            return Err(IdentifierError::Syntax("only a DNS name can be a wildcard"));
        }
        let canonical = IdentifierFields::from(identifier.clone()).value;
        if canonical == fields.value {
            Ok(identifier)
        } else {
            Err(IdentifierError::NotCanonical(canonical))
        }
    }
}

impl From<Identifier> for IdentifierFields {
    fn from(identifier: Identifier) -> Self {
        let (kind, wildcard) = (identifier.kind(), identifier.is_wildcard());
        let value = match identifier {
            Identifier::Dns { name: DnsName(value), .. }
            | Identifier::Email { domain: DnsName(value) } => value,
            // std prints IPv6 as RFC 5952 wants it.
            Identifier::Ip(address) => address.to_string(),
        };
        Self { kind, value, wildcard }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { name, wildcard: true } => write!(f, "*.{name}"),
            Self::Dns { name, .. } => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
            Self::Email { domain } => write!(f, "@{domain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_write_any_case_and_u_labels() {
        for (text, canonical) in [
            ("EXAMPLE.com", "example.com"),
            ("bücher.example.com", "xn--bcher-kva.example.com"),
            ("*.Example.com", "*.example.com"),
            ("*.COM", "*.com"),
            ("[2600:0:0:0:0:0:0:1]", "2600::1"),
            ("8.8.8.8", "8.8.8.8"),
            ("\"a@b\"@example.com", "@example.com"),
        ] {
            assert_eq!(Identifier::parse(text).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        let label = "a".repeat(64);
        let long = format!("{}.com", vec!["a".repeat(49); 5].join("."));
        assert_eq!(long.len(), 253);
        assert!(Identifier::parse(&long).is_ok());
        for bad in [
            "",
            "com",
            "example.com.",
            "ab--cd.example.com",
            "_x.example.com",
            "-a.example.com",
            "a-.example.com",
            "a..example.com",
            ".example.com",
            "*.*.example.com",
            "w*.example.com",
            "a.*.example.com",
            "*",
            "*.",
            "010.8.8.8",
            "8.8.8",
            "0x8.8.8.8",
            "134744072",
            "fe80::1%eth0",
            "u@[8.8.8.8]",
            "u@*.example.com",
            "xn--0.example.com",
            "xn--abc-.example.com",
            "a b.example.com",
            "a\0.example.com",
            &format!("{label}.com"),
            &format!("a{long}"),
        ] {
            assert!(Identifier::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_wire_takes_the_canonical_form_alone() {
        let fields = |kind, value: &str, wildcard| IdentifierFields {
            kind,
            value: value.to_owned(),
            wildcard,
        };
        let parse = |fields| Identifier::try_from(fields);
        assert!(parse(fields(IdentifierKind::Dns, "example.com", true)).is_ok());
        assert!(parse(fields(IdentifierKind::Dns, "com", true)).is_ok());
        assert!(parse(fields(IdentifierKind::Dns, "com", false)).is_err());
        assert_eq!(
            parse(fields(IdentifierKind::Dns, "EXAMPLE.com", false)),
            Err(IdentifierError::NotCanonical("example.com".to_owned()))
        );
        assert!(parse(fields(IdentifierKind::Dns, "bücher.example.com", false)).is_err());
        assert!(parse(fields(IdentifierKind::Ip, "[2600::1]", false)).is_err());
        assert!(parse(fields(IdentifierKind::Ip, "2600::1", true)).is_err());
        assert!(parse(fields(IdentifierKind::Email, "u@example.com", false)).is_err());
    }

    #[test]
    fn the_target_of_a_reverse_look_up_may_be_its_name() {
        let parse = |method, text| Identifier::parse_for(method, text).unwrap().to_string();
        let name = "8.8.4.4.in-addr.arpa";
        assert_eq!(parse(method::REVERSE_ADDRESS_LOOKUP, name), "4.4.8.8");
        assert_eq!(parse(method::REVERSE_ADDRESS_LOOKUP, "4.4.8.8"), "4.4.8.8");
        assert_eq!(parse(method::ACME_DNS_01, name), name);
    }

    #[test]
    fn ancestors_end_at_a_label() {
        let name = |text| DnsName::parse(text).unwrap();
        assert!(name("example.com").is_ancestor_or_self_of(&name("a.example.com")));
        assert!(name("example.com").is_ancestor_or_self_of(&name("example.com")));
        assert!(!name("example.com").is_ancestor_or_self_of(&name("badexample.com")));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,80}") {
            if let Ok(identifier) = Identifier::parse(&text) {
                let fields = IdentifierFields::from(identifier.clone());
                proptest::prop_assert_eq!(Identifier::try_from(fields), Ok(identifier));
            }
        }
    }
}
