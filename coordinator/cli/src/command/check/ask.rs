//! The job that the arguments ask for.

use std::time::Duration;

use mpic_common::challenge::{is_account_uri, is_issuer_domain};
use mpic_common::identifier::{Identifier, IdentifierKind};
use mpic_common::job::{Caa, Dispatch, Job, JobId, PrimaryMode};
use mpic_common::policy::{CertificateType, Stricter};
use mpic_common::time::UnixMs;

use super::argument::Wrong;
use super::{Check, DispatchArgument};
use crate::client::ClientConfig;
use crate::command::Failure;

/// An id for a job made at `now`.
pub(super) fn job_id(now: UnixMs) -> Result<JobId, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    Ok(JobId::new(now, &random))
}

impl Check {
    /// The job; what is wrong with one argument alone is found here, the rest by the coordinator.
    pub(super) fn job(&self, config: &ClientConfig, now: UnixMs) -> Result<Job, Failure> {
        let identifier = self.identifier().map_err(Failure::malformed)?;
        let dcv = self.validation.dcv().map_err(Failure::malformed)?;
        let caa = self.authorization(dcv.is_some()).map_err(Failure::malformed)?;
        Ok(Job {
            ca: config.ca.clone(),
            id: job_id(now)?,
            ca_request: None,
            certificate_type: self.certificate_type(identifier.kind()),
            identifier,
            dcv,
            caa,
            issuer_domains: self.issuer_domains(config).map_err(Failure::malformed)?,
            primary: PrimaryMode::Ask,
            primary_claim: None,
            dispatch: match self.dispatch {
                DispatchArgument::PrimaryFirst => Dispatch::PrimaryFirst,
                DispatchArgument::Together => Dispatch::Together,
            },
            stricter: Stricter::default(),
            straggler_wait: None,
            budget: self.budget_ms.map(Duration::from_millis),
            deadline_ms: None,
        })
    }

    fn identifier(&self) -> Result<Identifier, Wrong> {
        let text = self.identifier.as_deref().unwrap_or_default();
        let method = self.validation.method().map_or("", super::validation::Method::id);
        Identifier::parse_for(method, text).map_err(|error| Wrong::of("identifier", text, error))
    }

    /// No other certificate has a mailbox.
    fn certificate_type(&self, kind: IdentifierKind) -> CertificateType {
        match (self.certificate_type, kind) {
            (Some(named), _) => named.into(),
            (None, IdentifierKind::Email) => CertificateType::SMime,
            (None, _) => CertificateType::TlsServer,
        }
    }

    /// CAA is checked where it is asked for, and where nothing else is.
    fn authorization(&self, is_validated: bool) -> Result<Option<Caa>, Wrong> {
        let inputs = &self.authorization;
        if is_validated && !inputs.caa {
            let unread = inputs.given().next();
            return unread.map_or(Ok(None), |flag| {
                Err(Wrong::new(flag, "CAA is not checked: --caa asks for it"))
            });
        }
        let foreign = inputs.caa_account_uri.iter().find(|uri| !is_account_uri(uri));
        match foreign {
            Some(uri) => Err(Wrong::of("--caa-account-uri", uri, "it is no absolute URI")),
            None => Ok(Some(Caa {
                account_uris: inputs.caa_account_uri.clone(),
                method_label: inputs.caa_method_label.clone(),
            })),
        }
    }

    fn issuer_domains(&self, config: &ClientConfig) -> Result<Vec<String>, Wrong> {
        if self.issuer_domain.is_empty() {
            return Ok(config.issuer_domains.clone());
        }
        match self.issuer_domain.iter().find(|domain| !is_issuer_domain(domain)) {
            Some(domain) => {
                Err(Wrong::of("--issuer-domain", domain, "it is no lower-case domain name"))
            }
            None => Ok(self.issuer_domain.clone()),
        }
    }
}
