//! The request: what a client asks, or every issue with it. The API's JSON is read here and written
//! in `response`, and nowhere else.

mod members;
mod method;

use mpic_common::challenge::Challenge;
use mpic_common::directory::Ca;
use mpic_common::policy::CertificateType;
use serde_json::{Map, Value};

use crate::issue::{Issue, kind};
use crate::json;
use crate::orchestration::Asked;
use members::Members;

/// What a client asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is to be certified, exactly as received.
    pub target: String,
    /// The CA's own id of the certificate request.
    pub trace_identifier: Option<String>,
    /// How many perspectives, quorum and attempts.
    pub orchestration: Asked,
    /// What is to be checked.
    pub check: Check,
    /// The parameters of the check that are known, as received, less nulls.
    pub parameters: Map<String, Value>,
}

/// The check that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// Certification authority authorization.
    Caa(CaaAsked),
    /// Domain control validation.
    Dcv(DcvAsked),
}

/// What is asked of a CAA check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaaAsked {
    /// The kind of certificate.
    pub certificate_type: CertificateType,
    /// The names to look for, lower-case and the CA's own.
    pub issuer_domains: Vec<String>,
    /// Asked for, and never granted.
    pub allow_lookup_failure: bool,
}

/// What is asked of a validation.
#[derive(Debug, Clone, PartialEq)]
pub struct DcvAsked {
    /// The method's id.
    pub method: &'static str,
    /// The method with its inputs; none where the challenge's value can be no such value, so that
    /// nothing could ever show it.
    pub challenge: Option<Challenge>,
    /// The names to look for in persistent records.
    pub issuer_domains: Vec<String>,
}

impl Check {
    /// As in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Caa(_) => "caa",
            Self::Dcv(_) => "dcv",
        }
    }
}

/// Reads the body of `POST /mpic` for a CA that is registered as `ca`.
pub fn read(octets: &[u8], ca: &Ca) -> Result<Request, Vec<Issue>> {
    let members = json::parse(octets).map_err(|_| {
        let message = "Invalid JSON: one object in which each member stands once";
        vec![Issue::new(kind::JSON_INVALID, message, [] as [&str; 0])]
    })?;
    let mut issues = Vec::new();
    let request = request(&mut Members::new(&members, &mut issues), ca);
    match request {
        Some(request) if issues.is_empty() => Ok(request),
        _ => Err(issues),
    }
}

/// The two checks.
#[derive(Clone, Copy)]
enum Kind {
    Caa,
    Dcv,
}

fn request(members: &mut Members<'_>, ca: &Ca) -> Option<Request> {
    let target = members.required_text("domain_or_ip_target");
    let trace_identifier = trace_identifier(members);
    let orchestration = orchestration(&mut members.object("orchestration_parameters"));
    let kind = check_type(members)?;
    let (check, parameters) = match kind {
        Kind::Caa => caa(&mut members.object("caa_check_parameters"), ca),
        Kind::Dcv if !members.has("dcv_check_parameters") => {
            members.missing("dcv_check_parameters");
            return None;
        }
        Kind::Dcv => method::dcv(&mut members.object("dcv_check_parameters"), ca)?,
    };
    Some(Request { target: target?.to_owned(), trace_identifier, orchestration, check, parameters })
}

/// Without a type the parameters tell, unless they are those of both: a CA must not take a CAA
/// check for a validation.
fn check_type(members: &mut Members<'_>) -> Option<Kind> {
    const TYPE: &str = "check_type";
    if members.has(TYPE) {
        return members.one_of(TYPE, &[("caa", Kind::Caa), ("dcv", Kind::Dcv)]);
    }
    match (members.has("caa_check_parameters"), members.has("dcv_check_parameters")) {
        (true, true) => {
            members.missing(TYPE);
            None
        }
        (false, true) => Some(Kind::Dcv),
        (_, false) => Some(Kind::Caa),
    }
}

/// Octets of a trace identifier, which becomes part of the record.
const TRACE_OCTETS_MAX: usize = 128;

fn trace_identifier(members: &mut Members<'_>) -> Option<String> {
    const NAME: &str = "trace_identifier";
    let text = members.text(NAME)?;
    if text.len() > TRACE_OCTETS_MAX {
        let message = format!("String should have at most {TRACE_OCTETS_MAX} octets");
        members.issue(kind::STRING_TOO_LONG, message, NAME);
    } else if text.chars().any(char::is_control) {
        let message = "Input should be a valid string without control characters";
        members.issue(kind::STRING_TYPE, message, NAME);
    }
    Some(text.to_owned())
}

fn orchestration(members: &mut Members<'_>) -> Asked {
    Asked {
        perspective_count: members.integer("perspective_count"),
        quorum_count: members.integer("quorum_count"),
        max_attempts: members.integer("max_attempts"),
        cohort_for_single_attempt: members.integer("cohort_for_single_attempt"),
    }
}

const CERTIFICATES: [(&str, CertificateType); 2] =
    [("tls-server", CertificateType::TlsServer), ("s-mime", CertificateType::SMime)];

fn caa(members: &mut Members<'_>, ca: &Ca) -> (Check, Map<String, Value>) {
    let certificate_type = members.one_of("certificate_type", &CERTIFICATES);
    let asked = CaaAsked {
        certificate_type: certificate_type.unwrap_or(CertificateType::TlsServer),
        issuer_domains: issuer_domains(members, "caa_domains", kind::INVALID_CAA_DOMAIN, ca),
        allow_lookup_failure: members.boolean("allow_lookup_failure").unwrap_or(false),
    };
    let known = ["certificate_type", "caa_domains", "allow_lookup_failure"];
    (Check::Caa(asked), members.echo(known))
}

/// The names that a request gives, each in the CA's registration; that itself where it gives none.
fn issuer_domains(
    members: &mut Members<'_>,
    name: &'static str,
    issue: &'static str,
    ca: &Ca,
) -> Vec<String> {
    let given = members.texts(name).unwrap_or_default();
    if given.is_empty() {
        return ca.issuer_domains.clone();
    }
    let mut domains = Vec::new();
    for domain in given {
        let lower = domain.to_ascii_lowercase();
        if !ca.issuer_domains.contains(&lower) {
            let message = "Input should be an issuer domain of this CA's registration";
            members.issue(issue, message, name);
            break;
        }
        if !domains.contains(&lower) {
            domains.push(lower);
        }
    }
    domains
}

#[cfg(test)]
mod tests;
