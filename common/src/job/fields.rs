//! A job's fields in wire order, nil where absent.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Caa, Dcv, Dispatch, Job, JobId, PrimaryMode};
use crate::challenge::{AccountUri, Challenge, DnsChange, DnsPrefix, WebsiteChange};
use crate::identifier::{DnsName, Identifier};
use crate::octets::Hash;
use crate::policy::CertificateType;
use crate::time::{UnixMs, millis};

#[derive(Serialize)]
pub(super) struct JobFields<'a> {
    ca: &'a str,
    job: JobId,
    ca_request: Option<&'a str>,
    certificate_type: CertificateType,
    identifier: &'a Identifier,
    dcv: Option<DcvFields<'a>>,
    caa: Option<CaaFields<'a>>,
    issuer_domains: &'a [String],
    primary: PrimaryMode,
    primary_claim: Option<&'a str>,
    dispatch: Dispatch,
    remotes: Option<usize>,
    corroborations_min: Option<usize>,
    straggler_wait_ms: Option<u64>,
    budget_ms: Option<u64>,
    deadline_ms: Option<UnixMs>,
}

#[derive(Serialize)]
struct CaaFields<'a> {
    account_uris: &'a [String],
    caa_method_label: Option<&'a str>,
}

impl<'a> From<&'a Job> for JobFields<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            ca: job.ca.as_str(),
            job: job.id,
            ca_request: job.ca_request.as_deref(),
            certificate_type: job.certificate_type,
            identifier: &job.identifier,
            dcv: job.dcv.as_ref().map(DcvFields),
            caa: job.caa.as_ref().map(CaaFields::from),
            issuer_domains: &job.issuer_domains,
            primary: job.primary,
            primary_claim: job.primary_claim.as_deref(),
            dispatch: job.dispatch,
            remotes: job.stricter.remotes,
            corroborations_min: job.stricter.corroborations_min,
            straggler_wait_ms: job.straggler_wait.map(millis),
            budget_ms: job.budget.map(millis),
            deadline_ms: job.deadline_ms,
        }
    }
}

/// A validation: its method, its ADN, and then its inputs, which differ by method.
struct DcvFields<'a>(&'a Dcv);

/// One input.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Flag(bool),
    Headers(&'a BTreeMap<String, String>),
    Octets(Hash),
    Shown(String),
    Text(Option<&'a str>),
    Texts(Vec<&'a str>),
}

impl Serialize for DcvFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inputs = inputs(&self.0.challenge);
        let mut map = serializer.serialize_map(Some(2 + inputs.len()))?;
        map.serialize_entry("method", self.0.challenge.method_id())?;
        map.serialize_entry("adn", &self.0.adn.as_ref().map(DnsName::as_str))?;
        for (name, input) in inputs {
            map.serialize_entry(name, &input)?;
        }
        map.end()
    }
}

fn text(text: &str) -> Input<'_> {
    Input::Text(Some(text))
}

fn inputs(challenge: &Challenge) -> Vec<(&'static str, Input<'_>)> {
    match challenge {
        Challenge::AcmeDns01 { digest } => vec![("digest", text(digest.as_str()))],
        Challenge::AcmeHttp01 { token, key_authorization, headers } => vec![
            ("token", text(token.as_str())),
            ("key_authorization", text(key_authorization.as_str())),
            ("headers", Input::Headers(headers.as_map())),
        ],
        Challenge::AcmeTlsAlpn01 { digest } => vec![("digest", Input::Octets(*digest))],
        Challenge::DnsAccount01 { digest, account_url } => {
            vec![("digest", text(digest.as_str())), ("account_url", text(account_url.as_str()))]
        }
        Challenge::DnsPersistent { account_uris } => {
            let uris = account_uris.iter().map(AccountUri::as_str).collect();
            vec![("account_uris", Input::Texts(uris))]
        }
        Challenge::DnsChange(change) => dns_change(change),
        Challenge::WebsiteChange(change) => website_change(change),
        Challenge::Contact { contact, .. } => vec![("contact", text(contact.as_str()))],
        Challenge::IpAddress { address } => vec![("address", Input::Shown(address.to_string()))],
        Challenge::ReverseAddressLookup { expected_fqdn }
        | Challenge::SmtpHost { expected_fqdn } => {
            vec![("expected_fqdn", text(expected_fqdn.as_str()))]
        }
    }
}

fn dns_change(change: &DnsChange) -> Vec<(&'static str, Input<'_>)> {
    vec![
        ("challenge", text(change.challenge.as_str())),
        ("record_type", text(change.record_type.as_str())),
        ("prefix", Input::Text(change.prefix.as_ref().map(DnsPrefix::as_str))),
        ("match", text(change.matching.as_str())),
        ("case_sensitive", Input::Flag(change.case_sensitive)),
    ]
}

fn website_change(change: &WebsiteChange) -> Vec<(&'static str, Input<'_>)> {
    vec![
        ("challenge", text(change.challenge.as_str())),
        ("path", text(change.path.as_str())),
        ("scheme", text(change.scheme.as_str())),
        ("headers", Input::Headers(change.headers.as_map())),
        ("match_regex", Input::Text(change.match_regex.as_deref())),
        ("case_sensitive", Input::Flag(change.case_sensitive)),
    ]
}

impl<'a> From<&'a Caa> for CaaFields<'a> {
    fn from(caa: &'a Caa) -> Self {
        Self { account_uris: &caa.account_uris, caa_method_label: caa.method_label.as_deref() }
    }
}
