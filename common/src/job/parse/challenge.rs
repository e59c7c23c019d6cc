//! The inputs of each method.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Fields, Value, escape, list, map, one_of, parsed, text};
use crate::challenge::{
    AccountUri, Challenge, ChangeRecord, Contact, ContactRecord, DnsChange, Matching,
    RequestHeaders, Scheme, WebsiteChange, compile, is_account_uri,
};
use crate::identifier::{DnsName, Identifier};
use crate::method::{self, Method};
use crate::octets::Hash;

impl Fields<'_, '_> {
    /// The challenge of `method`; every error in it is noted.
    pub(super) fn challenge(&mut self, method: &str) -> Option<Challenge> {
        match method {
            method::ACME_DNS_01 => {
                self.required("digest", parsed).map(|digest| Challenge::AcmeDns01 { digest })
            }
            method::ACME_HTTP_01 => self.http_01(),
            method::ACME_TLS_ALPN_01 => {
                self.required("digest", hash).map(|digest| Challenge::AcmeTlsAlpn01 { digest })
            }
            method::DNS_ACCOUNT_01 => {
                let digest = self.required("digest", parsed);
                let account_url = self.required("account_url", parsed);
                Some(Challenge::DnsAccount01 { digest: digest?, account_url: account_url? })
            }
            method::DNS_PERSISTENT => self
                .required("account_uris", account_uris)
                .map(|account_uris| Challenge::DnsPersistent { account_uris }),
            method::DNS_CHANGE => self.dns_change(),
            method::WEBSITE_CHANGE => self.website_change(),
            method::IP_ADDRESS => {
                self.required("address", ip).map(|address| Challenge::IpAddress { address })
            }
            method::REVERSE_ADDRESS_LOOKUP => self
                .required("expected_fqdn", name)
                .map(|expected_fqdn| Challenge::ReverseAddressLookup { expected_fqdn }),
            method::SMTP_HOST => self
                .required("expected_fqdn", name)
                .map(|expected_fqdn| Challenge::SmtpHost { expected_fqdn }),
            other => self.contact(other),
        }
    }

    fn http_01(&mut self) -> Option<Challenge> {
        let token = self.required("token", parsed);
        let key_authorization = self.required("key_authorization", parsed);
        let headers = self.optional("headers", headers).unwrap_or_default();
        Some(Challenge::AcmeHttp01 {
            token: token?,
            key_authorization: key_authorization?,
            headers,
        })
    }

    fn dns_change(&mut self) -> Option<Challenge> {
        let challenge = self.required("challenge", parsed);
        let record_type = self.required("record_type", one_of(ChangeRecord::NAMES));
        // An empty prefix is none.
        if self.unread.get("prefix") == Some(&Value::Str("")) {
            self.unread.remove("prefix");
        }
        let prefix = self.optional("prefix", parsed);
        let matching = self.optional("match", one_of(Matching::NAMES)).unwrap_or(Matching::Exact);
        let case_sensitive = self.optional("case_sensitive", flag).unwrap_or(true);
        let (challenge, record_type) = (challenge?, record_type?);
        Some(Challenge::DnsChange(DnsChange {
            challenge,
            record_type,
            prefix,
            matching,
            case_sensitive,
        }))
    }

    fn website_change(&mut self) -> Option<Challenge> {
        let challenge = self.required("challenge", parsed);
        let path = self.required("path", |value| {
            let text = text(value)?;
            text.strip_prefix('/')
                .unwrap_or(text)
                .to_owned()
                .try_into()
                .map_err(|error: crate::challenge::ChallengeError| error.to_string())
        });
        let scheme = self.optional("scheme", one_of(Scheme::NAMES)).unwrap_or(Scheme::Http);
        let headers = self.optional("headers", headers).unwrap_or_default();
        let match_regex = self.optional("match_regex", pattern);
        let case_sensitive = self.optional("case_sensitive", flag).unwrap_or(true);
        Some(Challenge::WebsiteChange(WebsiteChange {
            challenge: challenge?,
            path: path?,
            scheme,
            headers,
            match_regex,
            case_sensitive,
        }))
    }

    /// Nobody may be told what is to be shown (BR 3.2.2.4.18), and a name that holds the challenge
    /// would make its own records match it.
    pub(super) fn suit_request(
        &mut self,
        challenge: &Challenge,
        adn: Option<&DnsName>,
        identifier: &Identifier,
    ) {
        let shown = match (challenge, adn.or(identifier.name())) {
            (Challenge::WebsiteChange(change), _) => change.is_shown_to(&identifier.to_string()),
            (Challenge::DnsChange(change), Some(adn)) => change.is_in_its_name(adn),
            _ => false,
        };
        if shown {
            self.error("challenge", "", "the request itself would show it");
        }
    }

    /// The methods that look for a contact; any other id is none at all.
    fn contact(&mut self, method: &str) -> Option<Challenge> {
        let named = ContactRecord::NAMES.iter().find(|(name, _)| *name == method);
        let Some((_, record)) = named else {
            debug_assert!(!Method::exists(method), "{method} has no inputs");
            self.error("method", escape(method.as_bytes()), "no such method");
            return None;
        };
        let contact = self.required("contact", |value| {
            Contact::parse(record.kind(), text(value)?.as_bytes())
                .map_err(|error| error.to_string())
        });
        Some(Challenge::Contact { record: *record, contact: contact? })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as every reader of a field")]
fn flag(value: Value<'_>) -> Result<bool, &'static str> {
    match value {
        Value::Bool(flag) => Ok(flag),
        _ => Err("it is true or false"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as every reader of a field")]
fn hash(value: Value<'_>) -> Result<Hash, &'static str> {
    match value {
        Value::Bin(octets) => octets.try_into().map(Hash).map_err(|_| "it is a bin of 32 octets"),
        _ => Err("it is a bin of 32 octets"),
    }
}

/// A regular expression of linear time, compiled to at most 1 MiB.
fn pattern(value: Value<'_>) -> Result<String, String> {
    let pattern = text(value)?;
    if pattern.len() > 512 {
        return Err("it has at most 512 octets".to_owned());
    }
    compile(pattern).map(|_| pattern.to_owned()).map_err(|error| error.to_string())
}

/// An address in canonical form.
fn ip(value: Value<'_>) -> Result<IpAddr, String> {
    let text = text(value)?;
    match text.parse::<IpAddr>() {
        Ok(address) if address.to_string() == text => Ok(address),
        Ok(address) => Err(format!("its canonical form is `{address}`")),
        Err(_) => Err("it is an IP address".to_owned()),
    }
}

/// A name in canonical form.
fn name(value: Value<'_>) -> Result<DnsName, String> {
    let text = text(value)?;
    let name = DnsName::parse(text).map_err(|error| error.to_string())?;
    if name.as_str() == text { Ok(name) } else { Err(format!("its canonical form is `{name}`")) }
}

fn account_uris(value: Value<'_>) -> Result<Vec<AccountUri>, String> {
    let texts = list(8, is_account_uri, "an absolute URI")(value)?;
    if texts.is_empty() {
        return Err("it has at least one".to_owned());
    }
    texts.into_iter().map(|uri| parsed(Value::Str(&uri))).collect()
}

fn headers(value: Value<'_>) -> Result<RequestHeaders, String> {
    let fields = map(value)?;
    let header = |(name, value): (&str, Value<'_>)| Ok((name.to_owned(), text(value)?.to_owned()));
    let headers: Result<BTreeMap<_, _>, &str> = fields.into_iter().map(header).collect();
    RequestHeaders::try_from(headers?).map_err(|error| error.to_string())
}
