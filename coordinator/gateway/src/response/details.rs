//! `details`: what one perspective saw, in the shape of its kind of check. Members are always
//! present; a value that was not observed is null, or as its kind says.

use data_encoding::BASE64;
use mpic_common::evaluator::caa::parse_property;
use mpic_common::evaluator::{name, txt};
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, HopSeen, Purpose};
use mpic_common::method;
use mpic_common::observation::Observation;
use mpic_common::octets::Octets;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::text::shown;
use crate::request::Check;

/// The details of a check; `seen` is nothing where no reply counts.
pub(super) fn details(check: &Check, seen: Option<&Observation>) -> Value {
    let Check::Dcv(asked) = check else { return caa(seen) };
    let mut details = match asked.method {
        method::ACME_HTTP_01 | method::WEBSITE_CHANGE => http(seen),
        method::ACME_TLS_ALPN_01 => json!({ "common_name": common_name(seen) }),
        other => dns(other, seen),
    };
    if let Value::Object(members) = &mut details {
        members.insert("validation_method".to_owned(), asked.method.into());
    }
    details
}

/// The published file has a string where the library has a list, and only null is both.
fn caa(seen: Option<&Observation>) -> Value {
    let found_at = seen.and_then(|seen| seen.caa.as_ref()?.found_at.as_deref());
    json!({
        "caa_record_present": found_at.is_some(),
        "found_at": found_at.map(without_dot),
        "records_seen": null,
    })
}

/// Octets of the final body that are shown.
const PAGE_OCTETS_MAX: usize = 100;

fn http(seen: Option<&Observation>) -> Value {
    let hops = seen.map(|seen| seen.http.as_slice()).unwrap_or_default();
    let Some((last, redirects)) = hops.split_last() else {
        return json!({
            "response_history": null,
            "response_url": null,
            "response_status_code": null,
            "response_page": null,
            "resolved_ip": null,
        });
    };
    let page = |Octets(head): &Octets| BASE64.encode(head.get(..PAGE_OCTETS_MAX).unwrap_or(head));
    json!({
        "response_history": redirects.iter().filter_map(redirect).collect::<Vec<_>>(),
        "response_url": last.url,
        "response_status_code": last.status,
        "response_page": last.body_head.as_ref().map(page),
        "resolved_ip": hops.first().and_then(|hop| hop.addr_used).map(|ip| ip.to_string()),
    })
}

fn redirect(hop: &HopSeen) -> Option<Value> {
    let (status, Octets(location)) = (hop.status?, hop.location.as_ref()?);
    Some(json!({
        "response_status_code": status,
        "response_url": hop.url,
        "status_code": status,
        "url": shown(location),
    }))
}

/// The question that the check is about is the last one that is not for an address.
fn dns(method: &str, seen: Option<&Observation>) -> Value {
    let asked = seen.and_then(|seen| {
        let mut questions = seen.dns.iter().rev();
        questions.find(|question| question.purpose != Purpose::Address || is_address(method))
    });
    let Some(asked) = asked.filter(|asked| asked.outcome.is_settled()) else {
        return json!({
            "records_seen": null,
            "response_code": null,
            "ad_flag": null,
            "found_at": null,
            "cname_chain": null,
        });
    };
    let code = asked.rcode.unwrap_or(if asked.outcome == DnsOutcome::NxDomain { 3 } else { 0 });
    let chain: Vec<_> = match asked.qtype.as_str() {
        "CNAME" => Vec::new(),
        _ => asked.chain.iter().map(|alias| format!("{}.", without_dot(&alias.target))).collect(),
    };
    json!({
        "records_seen": records(method, asked),
        "response_code": code,
        "ad_flag": asked.dnssec == Dnssec::Secure,
        "found_at": without_dot(&asked.name),
        "cname_chain": chain,
    })
}

fn is_address(asked: &str) -> bool {
    asked == method::IP_ADDRESS
}

/// The records in the form in which they are compared; of contacts in CAA, those of the kind.
fn records(method: &str, asked: &DnsSeen) -> Vec<String> {
    let tag = match method {
        "contact-email-caa" => Some("contactemail"),
        "contact-phone-caa" => Some("contactphone"),
        _ => None,
    };
    asked.rrset.iter().filter_map(|Octets(rdata)| record(&asked.qtype, rdata, tag)).collect()
}

fn record(qtype: &str, rdata: &[u8], only: Option<&str>) -> Option<String> {
    match qtype {
        "TXT" => txt::join(rdata).map(|joined| shown(&joined)),
        "CAA" => {
            let property = parse_property(rdata).ok()?;
            let fits = |tag: &str| property.tag.0.eq_ignore_ascii_case(tag.as_bytes());
            only.is_none_or(fits).then(|| shown(&property.value.0))
        }
        "CNAME" | "PTR" => name::presentation(rdata),
        "A" => <[u8; 4]>::try_from(rdata).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
        "AAAA" => <[u8; 16]>::try_from(rdata).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
        _ => None,
    }
}

/// The subject's common name of the leaf certificate; empty where there is none.
fn common_name(seen: Option<&Observation>) -> String {
    let leaf = seen.and_then(|seen| seen.tls.as_ref()?.leaf.as_ref());
    let Some(Octets(leaf)) = leaf else { return String::new() };
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return String::new() };
    let mut names = certificate.subject().iter_common_name();
    names.next().map(|name| shown(name.attr_value().data)).unwrap_or_default()
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
