//! From a request to the native job that it becomes, or to why nobody can be asked.

use std::time::Duration;

use mpic_common::code::CaId;
use mpic_common::directory::Ca;
use mpic_common::identifier::{DnsName, Identifier};
use mpic_common::job::{Caa, Dcv, Dispatch, Job, JobId, PrimaryMode};
use mpic_common::policy::{CertificateType, Stricter};
use mpic_common::reason::Reason;
use mpic_common::time::UnixMs;

use crate::request::{Check, Request};

/// What every attempt of a request has alike.
#[derive(Debug, Clone)]
pub struct Question {
    /// The CA of the credential.
    pub ca: CaId,
    identifier: Identifier,
    certificate_type: CertificateType,
    ca_request: Option<String>,
    dcv: Option<Dcv>,
    caa: Option<Caa>,
    issuer_domains: Vec<String>,
}

/// What one attempt has of its own.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Its id.
    pub id: JobId,
    /// Beyond the policy.
    pub stricter: Stricter,
    /// How long a settled job waits for the rest.
    pub straggler_wait: Duration,
    /// Everything up to the answer.
    pub budget: Duration,
    /// After this nobody waits any more.
    pub deadline: UnixMs,
}

/// The kind of certificate that a request is for; `of_ca` is that of the CA's validations.
pub fn certificate_type(request: &Request, of_ca: CertificateType) -> CertificateType {
    match &request.check {
        Check::Caa(caa) => caa.certificate_type,
        Check::Dcv(_) => of_ca,
    }
}

impl Question {
    /// Translates `request` of the CA `code`, registered as `ca`. Errs where the subject of the
    /// check itself can be no such thing.
    pub fn new(
        request: &Request,
        code: &CaId,
        ca: &Ca,
        certificate_type: CertificateType,
    ) -> Result<Self, Reason> {
        let method = match &request.check {
            Check::Dcv(dcv) => dcv.method,
            Check::Caa(_) => "",
        };
        let identifier = identifier(&request.target, method, certificate_type)?;
        let (dcv, caa, issuer_domains) = match &request.check {
            Check::Caa(asked) => (None, Some(Caa::default()), asked.issuer_domains.clone()),
            Check::Dcv(asked) => {
                let challenge = asked.challenge.clone().ok_or(Reason::JobMalformed)?;
                let adn: Option<DnsName> = identifier.name().cloned();
                let issuers = match asked.issuer_domains.as_slice() {
                    [] => ca.issuer_domains.clone(),
                    given => given.to_vec(),
                };
                (Some(Dcv { adn, challenge }), None, issuers)
            }
        };
        Ok(Self {
            ca: code.clone(),
            identifier,
            certificate_type,
            ca_request: request.trace_identifier.clone(),
            dcv,
            caa,
            issuer_domains,
        })
    }

    /// The job of one attempt.
    pub fn job(&self, terms: &Terms) -> Job {
        Job {
            ca: self.ca.clone(),
            id: terms.id,
            ca_request: self.ca_request.clone(),
            certificate_type: self.certificate_type,
            identifier: self.identifier.clone(),
            dcv: self.dcv.clone(),
            caa: self.caa.clone(),
            issuer_domains: self.issuer_domains.clone(),
            primary: PrimaryMode::External,
            primary_claim: None,
            dispatch: Dispatch::default(),
            stricter: terms.stricter,
            straggler_wait: Some(terms.straggler_wait),
            budget: Some(terms.budget),
            deadline_ms: Some(terms.deadline),
        }
    }
}

/// A name or an address. An S/MIME certificate is for mailboxes: the name is their domain.
fn identifier(
    target: &str,
    method: &str,
    certificate_type: CertificateType,
) -> Result<Identifier, Reason> {
    let parsed = Identifier::parse_for(method, target);
    match (parsed.map_err(|_| Reason::IdentifierSyntax)?, certificate_type) {
        (Identifier::Email { .. }, _) => Err(Reason::IdentifierSyntax),
        (identifier, CertificateType::TlsServer) => Ok(identifier),
        (Identifier::Dns { name, wildcard: false }, CertificateType::SMime) => {
            Ok(Identifier::Email { domain: name })
        }
        (_, CertificateType::SMime) => Err(Reason::IdentifierSyntax),
    }
}
