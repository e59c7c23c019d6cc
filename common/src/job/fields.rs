//! A job's fields in wire order, nil where absent.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Caa, Challenge, Dcv, Dispatch, Job, JobId, PrimaryMode};
use crate::identifier::{DnsName, Identifier};
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

/// The inputs differ by method.
#[derive(Serialize)]
#[serde(untagged)]
enum DcvFields<'a> {
    AcmeDns01 {
        method: &'static str,
        adn: Option<&'a str>,
        digest: &'a str,
    },
    AcmeHttp01 {
        method: &'static str,
        adn: Option<&'a str>,
        token: &'a str,
        key_authorization: &'a str,
        headers: &'a BTreeMap<String, String>,
    },
}

impl<'a> From<&'a Job> for JobFields<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            ca: job.ca.as_str(),
            job: job.id,
            ca_request: job.ca_request.as_deref(),
            certificate_type: job.certificate_type,
            identifier: &job.identifier,
            dcv: job.dcv.as_ref().map(DcvFields::from),
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

impl<'a> From<&'a Dcv> for DcvFields<'a> {
    fn from(dcv: &'a Dcv) -> Self {
        let (method, adn) = (dcv.challenge.method_id(), dcv.adn.as_ref().map(DnsName::as_str));
        match &dcv.challenge {
            Challenge::AcmeDns01 { digest } => {
                Self::AcmeDns01 { method, adn, digest: digest.as_str() }
            }
            Challenge::AcmeHttp01 { token, key_authorization, headers } => Self::AcmeHttp01 {
                method,
                adn,
                token: token.as_str(),
                key_authorization: key_authorization.as_str(),
                headers: headers.as_map(),
            },
        }
    }
}

impl<'a> From<&'a Caa> for CaaFields<'a> {
    fn from(caa: &'a Caa) -> Self {
        Self { account_uris: &caa.account_uris, caa_method_label: caa.method_label.as_deref() }
    }
}
