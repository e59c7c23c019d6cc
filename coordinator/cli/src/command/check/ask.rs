//! The job that the arguments ask for.

use std::time::Duration;

use mpic_common::challenge::{Challenge, KeyAuthorization, RequestHeaders, Token, TxtDigest};
use mpic_common::identifier::Identifier;
use mpic_common::job::{Caa, Dcv, Dispatch, Job, JobId, PrimaryMode};
use mpic_common::policy::Stricter;
use mpic_common::time::UnixMs;

use super::{Check, DispatchArgument, Method};
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
        let identifier = self.identifier.as_deref().unwrap_or_default();
        let wrong = |error| Failure::malformed(format!("identifier `{identifier}`: {error}"));
        let identifier = Identifier::parse(identifier).map_err(wrong)?;
        let dcv = self.method.map(|method| self.dcv(method)).transpose()?;
        let caa = (self.caa || dcv.is_none()).then(Caa::default);
        Ok(Job {
            ca: config.ca.clone(),
            id: job_id(now)?,
            ca_request: None,
            certificate_type: self.certificate_type.into(),
            identifier,
            dcv,
            caa,
            issuer_domains: config.issuer_domains.clone(),
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

    fn dcv(&self, method: Method) -> Result<Dcv, Failure> {
        let challenge = match method {
            Method::Dns01 => {
                let digest =
                    argument("--key-authorization-hash", self.key_authorization_hash.as_deref())?;
                Challenge::AcmeDns01 { digest: parse::<TxtDigest>(digest)? }
            }
            Method::Http01 => Challenge::AcmeHttp01 {
                token: parse::<Token>(argument("--token", self.token.as_deref())?)?,
                key_authorization: parse::<KeyAuthorization>(argument(
                    "--key-authorization",
                    self.key_authorization.as_deref(),
                )?)?,
                headers: RequestHeaders::default(),
            },
        };
        Ok(Dcv { adn: None, challenge })
    }
}

fn argument<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    value.ok_or_else(|| Failure::malformed(format!("{name} is required")))
}

fn parse<T>(text: &str) -> Result<T, Failure>
where
    T: TryFrom<String>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(text.to_owned()).map_err(Failure::malformed)
}
