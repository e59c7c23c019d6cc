//! Whether the directory lets a CA ask what a job asks.

use super::{Ca, Directory, Owner};
use crate::job::{FieldError, Job};
use crate::signature::{Strict, Verifier};
use crate::time::UnixMs;
use crate::wire::Envelope;

/// Why a job is not its CA's to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAdmitted(pub FieldError);

impl Directory {
    /// The entry of the job's CA, where that may ask it: its issuer domains and account URIs are
    /// the CA's own, and a signature is the CA's and is there if it must be.
    pub fn admit(
        &self,
        envelope: &Envelope<'_>,
        job: &Job,
        at: UnixMs,
    ) -> Result<&Ca, NotAdmitted> {
        self.admit_with(&Strict, envelope, job, at)
    }

    /// The same, with what holds the signature against the key.
    pub fn admit_with(
        &self,
        verifier: &dyn Verifier,
        envelope: &Envelope<'_>,
        job: &Job,
        at: UnixMs,
    ) -> Result<&Ca, NotAdmitted> {
        let refuse = |field: &str, value: &str, reason: &str| {
            Err(NotAdmitted(FieldError::new(field, value, reason)))
        };
        let Some(ca) = self.ca(&job.ca) else {
            return refuse("ca", job.ca.as_str(), "the directory has no such CA");
        };
        if let Some(foreign) =
            job.issuer_domains.iter().find(|domain| !ca.issuer_domains.contains(domain))
        {
            return refuse("issuer_domains", foreign, "not in the CA's directory entry");
        }
        let is_foreign = |uri: &&str| !ca.account_uris.iter().any(|own| uri.starts_with(own));
        let mut named = job.caa.iter().flat_map(|caa| &caa.account_uris).map(String::as_str);
        if let Some(foreign) = named.find(is_foreign) {
            return refuse("caa.account_uris", foreign, "not in the CA's directory entry");
        }
        let mut named = job.dcv.iter().flat_map(|dcv| dcv.challenge.accounts());
        if let Some(foreign) = named.find(|uri| is_foreign(&uri.as_str())) {
            let (field, reason) = ("dcv.account_uris", "not in the CA's directory entry");
            return refuse(field, foreign.as_str(), reason);
        }
        match envelope.seal {
            None if ca.sign_jobs => refuse("sig", "", "this CA's jobs must be signed"),
            None => Ok(ca),
            Some(seal) => self
                .key(seal.key, at)
                .filter(|key| key.owner == Owner::Ca(job.ca.clone()))
                .filter(|key| envelope.verify_with(verifier, &key.public, None).is_ok())
                .map(|_| ca)
                .ok_or_else(|| {
                    let reason = "the signature is not the CA's";
                    NotAdmitted(FieldError::new("key", seal.key, reason))
                }),
        }
    }
}
