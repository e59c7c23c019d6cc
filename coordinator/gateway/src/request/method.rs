//! The parameters of each validation method (section 5.3 of the API's description): what a client
//! must give, and the native method with its inputs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use mpic_common::challenge::{
    Challenge, ChallengeError, ChangeRecord, Contact, ContactRecord, DnsChange, Matching,
    RequestHeaders, Scheme, WebsiteChange, compile, is_account_uri,
};
use mpic_common::directory::Ca;
use mpic_common::identifier::DnsName;
use mpic_common::method;
use mpic_common::octets::Hash;
use serde_json::{Map, Value};

use super::members::Members;
use super::{Check, DcvAsked, issuer_domains};
use crate::issue::kind;

/// The methods by their names, which are the native ones.
const METHODS: [&str; 12] = [
    method::ACME_HTTP_01,
    method::WEBSITE_CHANGE,
    method::ACME_DNS_01,
    method::ACME_TLS_ALPN_01,
    method::DNS_CHANGE,
    "contact-email-txt",
    "contact-phone-txt",
    "contact-email-caa",
    "contact-phone-caa",
    method::IP_ADDRESS,
    method::REVERSE_ADDRESS_LOOKUP,
    method::DNS_PERSISTENT,
];

/// What a client is told of its method where that is none.
const TAG: &str = "validation_method";
/// The challenge of most methods.
const VALUE: &str = "challenge_value";
/// Of the ACME methods that look for a digest.
const DIGEST: &str = "key_authorization_hash";

/// Whether upper and lower case differ.
const EXACT_CASE: &str = "require_exact_case";

/// Reads `dcv_check_parameters`.
pub(super) fn dcv(members: &mut Members<'_>, ca: &Ca) -> Option<(Check, Map<String, Value>)> {
    if !members.is_object() {
        return None;
    }
    let Some(given) = members.get(TAG) else {
        members.issue(kind::UNION_TAG_NOT_FOUND, "Unable to extract the validation method", TAG);
        return None;
    };
    let Some(method) = METHODS.iter().find(|method| given.as_str() == Some(method)) else {
        let message = format!("Input should be one of {}", METHODS.join(", "));
        members.issue(kind::UNION_TAG_INVALID, message, TAG);
        return None;
    };
    let mut issuers = Vec::new();
    let challenge = match *method {
        method::ACME_HTTP_01 => http_01(members),
        method::WEBSITE_CHANGE => website_change(members),
        method::ACME_DNS_01 => dns_01(members),
        method::ACME_TLS_ALPN_01 => tls_alpn_01(members),
        method::DNS_CHANGE => dns_change(members),
        method::IP_ADDRESS => ip_address(members),
        method::REVERSE_ADDRESS_LOOKUP => reverse(members),
        method::DNS_PERSISTENT => {
            issuers = persistent_issuers(members, ca);
            persistent(members, ca)
        }
        other => contact(members, other),
    };
    let (method, issuer_domains) = (*method, issuers);
    let asked = DcvAsked { method, challenge, issuer_domains };
    Some((Check::Dcv(asked), members.echo(known(method))))
}

/// What is echoed of each method's parameters.
fn known(method: &str) -> impl Iterator<Item = &'static str> {
    let own: &[_] = match method {
        method::ACME_HTTP_01 => &["token", "key_authorization", "http_headers"],
        method::WEBSITE_CHANGE => {
            &[VALUE, "http_token_path", "match_regex", "url_scheme", "http_headers"]
        }
        method::ACME_DNS_01 => &[DIGEST, "dns_record_type"],
        method::ACME_TLS_ALPN_01 => &[DIGEST],
        method::DNS_PERSISTENT => {
            &["issuer_domain_names", "expected_account_uri", "dns_record_type"]
        }
        _ => &[VALUE, "dns_record_type", "require_exact_match"],
    };
    [TAG, "dns_name_prefix", EXACT_CASE].into_iter().chain(own.iter().copied())
}

/// Notes what the native parser says of `name`.
fn native<T>(
    members: &mut Members<'_>,
    name: &str,
    parsed: Result<T, ChallengeError>,
) -> Option<T> {
    parsed.map_err(|error| members.issue(kind::VALUE_ERROR, error, name)).ok()
}

fn http_01(members: &mut Members<'_>) -> Option<Challenge> {
    no_prefix(members);
    members.fixed_boolean(EXACT_CASE, true);
    let token = members.challenge_text("token");
    let token = token.and_then(|text| native(members, "token", text.to_owned().try_into()));
    let key = members.challenge_text("key_authorization");
    let key = key.and_then(|text| native(members, "key_authorization", text.to_owned().try_into()));
    let headers = headers(members);
    Some(Challenge::AcmeHttp01 { token: token?, key_authorization: key?, headers: headers? })
}

fn website_change(members: &mut Members<'_>) -> Option<Challenge> {
    no_prefix(members);
    let challenge = members.challenge_text(VALUE);
    let path = members.required_text("http_token_path");
    let path = path.map(|text| text.strip_prefix('/').unwrap_or(text).to_owned());
    let path = path.and_then(|path| native(members, "http_token_path", path.try_into()));
    let case_sensitive = members.boolean(EXACT_CASE).unwrap_or(true);
    let scheme = members.one_of("url_scheme", Scheme::NAMES).unwrap_or(Scheme::Http);
    let headers = headers(members);
    let match_regex = match members.text("match_regex").map(pattern) {
        Some(Err(why)) => {
            members.issue(kind::VALUE_ERROR, why, "match_regex");
            return None;
        }
        Some(Ok(pattern)) => Some(pattern),
        None => None,
    };
    Some(Challenge::WebsiteChange(WebsiteChange {
        challenge: challenge?.to_owned().try_into().ok()?,
        path: path?,
        scheme,
        headers: headers?,
        match_regex,
        case_sensitive,
    }))
}

/// What a pattern may be: it is compiled here, as the native parser does.
fn pattern(pattern: &str) -> Result<String, &'static str> {
    if pattern.len() > 512 {
        return Err("a pattern has at most 512 octets");
    }
    compile(pattern)
        .map(|_| pattern.to_owned())
        .map_err(|_| "not a regular expression of linear time, at most 1 MiB compiled")
}

fn headers(members: &mut Members<'_>) -> Option<RequestHeaders> {
    const NAME: &str = "http_headers";
    let given = match members.get(NAME) {
        None => return Some(RequestHeaders::default()),
        Some(Value::Object(given)) => given,
        Some(_) => {
            members.issue(kind::DICT_TYPE, "Input should be a valid dictionary", NAME);
            return None;
        }
    };
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                members.issue(kind::STRING_TYPE, "Each header should be a valid string", NAME);
                return None;
            }
        };
        headers.insert(name.clone(), text);
    }
    native(members, NAME, headers.try_into())
}

fn dns_01(members: &mut Members<'_>) -> Option<Challenge> {
    members.fixed("dns_record_type", "TXT");
    members.fixed_prefix("_acme-challenge");
    members.fixed_boolean(EXACT_CASE, true);
    let digest = members.required_text(DIGEST)?;
    let digest = digest.to_owned().try_into();
    let wrong = |error: ChallengeError| {
        members.issue(kind::INVALID_KEY_AUTHORIZATION_HASH, error, DIGEST);
    };
    digest.map_err(wrong).ok().map(|digest| Challenge::AcmeDns01 { digest })
}

fn tls_alpn_01(members: &mut Members<'_>) -> Option<Challenge> {
    no_prefix(members);
    members.fixed_boolean(EXACT_CASE, false);
    let digest = digest(members.required_text(DIGEST)?);
    if digest.is_none() {
        let message = "a SHA-256 digest is 64 hex digits, or 43 characters of base64url";
        members.issue(kind::INVALID_KEY_AUTHORIZATION_HASH, message, DIGEST);
    }
    digest.map(|digest| Challenge::AcmeTlsAlpn01 { digest })
}

/// The lengths of the two forms differ, so there is no doubt which one it is.
fn digest(text: &str) -> Option<Hash> {
    let octets = if text.len() == 64 {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?
    } else {
        let unpadded = text.strip_suffix('=').filter(|rest| rest.len() == 43).unwrap_or(text);
        BASE64URL_NOPAD.decode(unpadded.as_bytes()).ok()?
    };
    octets.try_into().ok().map(Hash)
}

fn dns_change(members: &mut Members<'_>) -> Option<Challenge> {
    const PREFIX: &str = "dns_name_prefix";
    let challenge = members.challenge_text(VALUE);
    if !members.has("dns_record_type") {
        members.missing("dns_record_type");
    }
    let record_type = members.one_of("dns_record_type", ChangeRecord::NAMES);
    let is_exact = members.boolean("require_exact_match").unwrap_or(false);
    let case_sensitive = members.boolean(EXACT_CASE).unwrap_or(true);
    let prefix = match members.text(PREFIX).filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => Some(native(members, PREFIX, prefix.to_owned().try_into())?),
        None => None,
    };
    Some(Challenge::DnsChange(DnsChange {
        challenge: challenge?.to_owned().try_into().ok()?,
        record_type: record_type?,
        prefix,
        matching: if is_exact { Matching::Exact } else { Matching::Contains },
        case_sensitive,
    }))
}

fn contact(members: &mut Members<'_>, method: &str) -> Option<Challenge> {
    let (_, record) = ContactRecord::NAMES.iter().find(|(name, _)| *name == method)?;
    members.fixed_boolean(EXACT_CASE, false);
    match record {
        ContactRecord::EmailTxt => text_contact(members, "_validation-contactemail"),
        ContactRecord::PhoneTxt => text_contact(members, "_validation-contactphone"),
        ContactRecord::EmailCaa | ContactRecord::PhoneCaa => {
            members.fixed("dns_record_type", "CAA");
            no_prefix(members);
        }
    }
    let contact = members.challenge_text(VALUE)?;
    let contact = Contact::parse(record.kind(), contact.as_bytes()).ok()?;
    Some(Challenge::Contact { record: *record, contact })
}

fn text_contact(members: &mut Members<'_>, prefix: &str) {
    members.fixed("dns_record_type", "TXT");
    members.fixed_prefix(prefix);
}

fn ip_address(members: &mut Members<'_>) -> Option<Challenge> {
    no_prefix(members);
    members.fixed_boolean(EXACT_CASE, false);
    if !members.has("dns_record_type") {
        members.missing("dns_record_type");
    }
    let is_v4 = members.one_of("dns_record_type", &[("A", true), ("AAAA", false)]);
    let address: IpAddr = members.challenge_text(VALUE)?.parse().ok()?;
    (Some(address.is_ipv4()) == is_v4).then_some(Challenge::IpAddress { address })
}

fn reverse(members: &mut Members<'_>) -> Option<Challenge> {
    members.fixed("dns_record_type", "PTR");
    no_prefix(members);
    members.fixed_boolean(EXACT_CASE, false);
    let name = members.challenge_text(VALUE)?;
    let name = DnsName::parse(name.strip_suffix('.').unwrap_or(name)).ok()?;
    Some(Challenge::ReverseAddressLookup { expected_fqdn: name })
}

fn persistent_issuers(members: &mut Members<'_>, ca: &Ca) -> Vec<String> {
    const NAME: &str = "issuer_domain_names";
    if !members.has(NAME) {
        members.missing(NAME);
    } else if members.get(NAME).and_then(Value::as_array).is_some_and(Vec::is_empty) {
        members.issue(kind::VALUE_ERROR, "List should have at least 1 item", NAME);
    }
    issuer_domains(members, NAME, kind::VALUE_ERROR, ca)
}

fn persistent(members: &mut Members<'_>, ca: &Ca) -> Option<Challenge> {
    const NAME: &str = "expected_account_uri";
    members.fixed("dns_record_type", "TXT");
    members.fixed_prefix("_validation-persist");
    members.fixed_boolean(EXACT_CASE, false);
    let uri = members.required_text(NAME)?;
    let is_own = is_account_uri(uri) && ca.account_uris.iter().any(|own| uri.starts_with(own));
    if !is_own {
        let message = "Input should be an absolute account URI of this CA's registration";
        members.issue(kind::VALUE_ERROR, message, NAME);
        return None;
    }
    let uri = native(members, NAME, uri.to_owned().try_into())?;
    Some(Challenge::DnsPersistent { account_uris: vec![uri] })
}

/// A method that looks nowhere but at the name itself.
fn no_prefix(members: &mut Members<'_>) {
    members.fixed("dns_name_prefix", "");
}
