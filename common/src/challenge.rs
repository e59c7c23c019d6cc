//! What the applicant must show: a validation method with its inputs.

mod contact;
mod headers;
mod text;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use contact::{Contact, ContactKind};
pub use headers::RequestHeaders;
pub use text::{
    AccountUri, DnsPrefix, FilePath, KeyAuthorization, RandomValue, Token, TxtDigest,
    is_account_uri, is_issuer_domain,
};

use crate::identifier::DnsName;
use crate::method;
use crate::octets::Hash;

/// A challenge input that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChallengeError(pub(crate) &'static str);

/// A method with its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// BR 3.2.2.4.7, RFC 8555 8.4.
    AcmeDns01 {
        /// What a TXT record must say.
        digest: TxtDigest,
    },
    /// BR 3.2.2.4.19 and 3.2.2.5.6, RFC 8555 8.3.
    AcmeHttp01 {
        /// Names the file.
        token: Token,
        /// What the file must say.
        key_authorization: KeyAuthorization,
        /// Headers to send along.
        headers: RequestHeaders,
    },
    /// BR 3.2.2.4.20 and 3.2.2.5.7, RFC 8737, RFC 8738.
    AcmeTlsAlpn01 {
        /// SHA-256 of the key authorization.
        digest: Hash,
    },
    /// BR 3.2.2.4.21.
    DnsAccount01 {
        /// What a TXT record must say.
        digest: TxtDigest,
        /// Whose label the record stands under.
        account_url: AccountUri,
    },
    /// BR 3.2.2.4.22 and 3.2.2.5.8. The issuers are those of the job.
    DnsPersistent {
        /// One of these must be in the record; at least one, at most eight.
        account_uris: Vec<AccountUri>,
    },
    /// BR 3.2.2.4.7.
    DnsChange(DnsChange),
    /// BR 3.2.2.4.18 and 3.2.2.5.1.
    WebsiteChange(WebsiteChange),
    /// BR 3.2.2.4.13, .14, .16 and .17.
    Contact {
        /// Where the contact is published.
        record: ContactRecord,
        /// The contact that the CA selected.
        contact: Contact,
    },
    /// BR 3.2.2.4.8, ended.
    IpAddress {
        /// What the name must resolve to.
        address: IpAddr,
    },
    /// BR 3.2.2.5.3.
    ReverseAddressLookup {
        /// What the address must point to.
        expected_fqdn: DnsName,
    },
    /// S/MIME BR 3.2.2.3.
    SmtpHost {
        /// The mail server that the domain must name.
        expected_fqdn: DnsName,
    },
}

/// A DNS Change (BR 3.2.2.4.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsChange {
    /// What a record must hold.
    pub challenge: RandomValue,
    /// In which type of record.
    pub record_type: ChangeRecord,
    /// Before the ADN, if at all.
    pub prefix: Option<DnsPrefix>,
    /// How it must hold it.
    pub matching: Matching,
    /// Whether case matters; for CNAME and CAA it never does.
    pub case_sensitive: bool,
}

/// An Agreed-Upon Change to a website (BR 3.2.2.4.18, 3.2.2.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsiteChange {
    /// What the file must contain.
    pub challenge: RandomValue,
    /// Where the file lies.
    pub path: FilePath,
    /// How it is first asked for.
    pub scheme: Scheme,
    /// Headers to send along.
    pub headers: RequestHeaders,
    /// What the file must match besides, in the syntax of the `regex` crate.
    pub match_regex: Option<String>,
    /// Whether case matters.
    pub case_sensitive: bool,
}

impl DnsChange {
    /// The name that is asked for a change at `adn`.
    pub fn name(&self, adn: &DnsName) -> String {
        match &self.prefix {
            Some(prefix) => format!("{}.{adn}", prefix.as_str()),
            None => adn.to_string(),
        }
    }

    /// Whether that name holds the challenge.
    pub fn is_in_its_name(&self, adn: &DnsName) -> bool {
        self.challenge.is_random_value() && self.challenge.occurs_in(&self.name(adn))
    }
}

impl WebsiteChange {
    /// Whether the first request to `host` holds the challenge.
    pub fn is_shown_to(&self, host: &str) -> bool {
        let headers = self.headers.as_map().iter().flat_map(|(name, value)| [name, value]);
        let mut sent = [host, self.path.as_str()].into_iter().chain(headers.map(String::as_str));
        self.challenge.is_random_value() && sent.any(|text| self.challenge.occurs_in(text))
    }
}

/// Compiles a pattern of an Agreed-Upon Change; at most 1 MiB, without look-around, so that
/// matching takes linear time.
pub fn compile(pattern: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

impl RandomValue {
    /// Whether it is long enough to be a Random Value: no shorter text holds 112 bits.
    pub fn is_random_value(&self) -> bool {
        self.as_str().len() >= 18
    }

    /// Whether `text` holds it, as it stands or percent-decoded, whatever the case.
    pub fn occurs_in(&self, text: &str) -> bool {
        let secret = self.as_str().to_ascii_lowercase();
        let lower = text.to_ascii_lowercase();
        let decoded = percent_decoded(&lower);
        lower.contains(&secret)
            || decoded.windows(secret.len()).any(|window| window == secret.as_bytes())
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let octet = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet {
            Some(octet) => {
                decoded.push(octet.to_ascii_lowercase());
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Each by its name on the wire.
            pub const NAMES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),*];

            /// As on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named! {
    /// The record types of a DNS Change.
    ChangeRecord {
        /// TXT.
        Txt "TXT",
        /// CNAME.
        Cname "CNAME",
        /// CAA.
        Caa "CAA",
    }
}

named! {
    /// How a record holds a challenge.
    Matching {
        /// It is the whole value.
        Exact "exact",
        /// It is somewhere in the value.
        Contains "contains",
    }
}

named! {
    /// The schemes of a first request.
    Scheme {
        /// http.
        Http "http",
        /// https.
        Https "https",
    }
}

named! {
    /// The records in which a domain publishes contacts; the names are those of the methods.
    ContactRecord {
        /// BR 3.2.2.4.13.
        EmailCaa "contact-email-caa",
        /// BR 3.2.2.4.14.
        EmailTxt "contact-email-txt",
        /// BR 3.2.2.4.16.
        PhoneTxt "contact-phone-txt",
        /// BR 3.2.2.4.17.
        PhoneCaa "contact-phone-caa",
    }
}

impl ContactRecord {
    /// What sort of contact it holds.
    pub fn kind(self) -> ContactKind {
        match self {
            Self::EmailCaa | Self::EmailTxt => ContactKind::Email,
            Self::PhoneTxt | Self::PhoneCaa => ContactKind::Phone,
        }
    }
}

impl Challenge {
    /// The id of its method.
    pub fn method_id(&self) -> &'static str {
        match self {
            Self::AcmeDns01 { .. } => method::ACME_DNS_01,
            Self::AcmeHttp01 { .. } => method::ACME_HTTP_01,
            Self::AcmeTlsAlpn01 { .. } => method::ACME_TLS_ALPN_01,
            Self::DnsAccount01 { .. } => method::DNS_ACCOUNT_01,
            Self::DnsPersistent { .. } => method::DNS_PERSISTENT,
            Self::DnsChange(_) => method::DNS_CHANGE,
            Self::WebsiteChange(_) => method::WEBSITE_CHANGE,
            Self::Contact { record, .. } => record.as_str(),
            Self::IpAddress { .. } => method::IP_ADDRESS,
            Self::ReverseAddressLookup { .. } => method::REVERSE_ADDRESS_LOOKUP,
            Self::SmtpHost { .. } => method::SMTP_HOST,
        }
    }

    /// The accounts that it names.
    pub fn accounts(&self) -> &[AccountUri] {
        match self {
            Self::DnsAccount01 { account_url, .. } => std::slice::from_ref(account_url),
            Self::DnsPersistent { account_uris } => account_uris,
            _ => &[],
        }
    }

    /// The value that every perspective must have seen, as it is hashed into `observed`; none
    /// where several would do.
    pub fn expected(&self) -> Option<Hash> {
        let of = |text: &str| Some(Hash::of(text.as_bytes()));
        match self {
            Self::AcmeDns01 { digest } | Self::DnsAccount01 { digest, .. } => of(digest.as_str()),
            Self::AcmeHttp01 { key_authorization, .. } => of(key_authorization.as_str()),
            Self::AcmeTlsAlpn01 { digest } => Some(Hash::of(&digest.0)),
            Self::DnsPersistent { account_uris } => match account_uris.as_slice() {
                [account] => of(account.as_str()),
                _ => None,
            },
            Self::DnsChange(change) => of(change.challenge.as_str()),
            Self::WebsiteChange(change) => of(change.challenge.as_str()),
            Self::Contact { contact, .. } => of(contact.as_str()),
            Self::IpAddress { address } => of(&address.to_string()),
            Self::ReverseAddressLookup { expected_fqdn } | Self::SmtpHost { expected_fqdn } => {
                of(expected_fqdn.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_value_is_found_however_it_is_written() {
        let value = RandomValue::try_from("AbCdEfGhIjKlMnOpQr".to_owned()).unwrap();
        assert!(value.is_random_value());
        assert!(value.occurs_in("x/abcdefghijklmnopqr"));
        assert!(value.occurs_in("x=%41bcdefghijklmnopq%72;"));
        assert!(!value.occurs_in("abcdefghijklmnopq%7"));
        assert!(!RandomValue::try_from("short".to_owned()).unwrap().is_random_value());
    }

    #[test]
    fn a_pattern_has_no_look_around() {
        assert!(compile("^a+$").is_ok());
        assert!(compile("(?<=a)b").is_err());
        assert!(compile("(a{1000}){1000}").is_err());
    }
}
