//! A job: what a CA asks. One job is one identifier, one attempt and one decision.

mod fields;
mod parse;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use parse::{id_of, without_checks};

use crate::challenge::Challenge;
use crate::code::CaId;
use crate::identifier::{DnsName, Identifier};
use crate::method::{IP_ADDRESS, IP_ADDRESS_OPTIN, Method};
use crate::observation::{CheckKind, Primary};
use crate::octets::Fixed;
use crate::policy::{CertificateType, Stricter};
use crate::time::UnixMs;
use crate::wire::{Kind, encode_body};

/// A job's id, a UUIDv7; `bin` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fixed<16>", into = "Fixed<16>")]
pub struct JobId(Uuid);

/// Octets that are no UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job's id is a UUIDv7")]
pub struct JobIdError;

impl JobId {
    /// An id made at `now` with ten random octets.
    pub fn new(now: UnixMs, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(now.0, random).into_uuid())
    }

    /// When it was made, which is part of it.
    pub fn time(self) -> UnixMs {
        let (time, _) = self.0.as_bytes().split_at(6);
        UnixMs(time.iter().fold(0, |ms, octet| ms << 8 | u64::from(*octet)))
    }

    /// Its 16 octets.
    pub fn octets(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl TryFrom<Fixed<16>> for JobId {
    type Error = JobIdError;

    fn try_from(octets: Fixed<16>) -> Result<Self, JobIdError> {
        let id = Uuid::from_bytes(octets.0);
        let is_v7 = id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122;
        if is_v7 { Ok(Self(id)) } else { Err(JobIdError) }
    }
}

impl From<JobId> for Fixed<16> {
    fn from(id: JobId) -> Self {
        Self(id.0.into_bytes())
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let id = Uuid::parse_str(text).map_err(|_| JobIdError)?;
        Fixed(id.into_bytes()).try_into()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Who makes the primary determination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrimaryMode {
    /// The primary perspective's agent is asked.
    #[default]
    Ask,
    /// The CA keeps its own; remotes are compared with the values that the job expects.
    External,
}

/// When the remotes are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dispatch {
    /// Once the primary has passed: nothing else can be corroborated.
    #[default]
    PrimaryFirst,
    /// With the primary, where latency matters more.
    Together,
}

/// A parsed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Who asks.
    pub ca: CaId,
    /// Its id.
    pub id: JobId,
    /// The CA's own id of the certificate request, at most 128 octets.
    pub ca_request: Option<String>,
    /// The kind of certificate.
    pub certificate_type: CertificateType,
    /// What is to be certified.
    pub identifier: Identifier,
    /// The validation asked for. A job has this or `caa`, or both.
    pub dcv: Option<Dcv>,
    /// The CAA check asked for.
    pub caa: Option<Caa>,
    /// The names that CAA may authorise, lower-case.
    pub issuer_domains: Vec<String>,
    /// Who makes the primary determination.
    pub primary: PrimaryMode,
    /// The CA's own primary determination in its own words; recorded, never relied on.
    pub primary_claim: Option<String>,
    /// When the remotes are asked.
    pub dispatch: Dispatch,
    /// What the job asks beyond the policy.
    pub stricter: Stricter,
    /// The longest wait for stragglers.
    pub straggler_wait: Option<Duration>,
    /// Everything up to the answer, from its arrival.
    pub budget: Option<Duration>,
    /// After this the CA waits no more.
    pub deadline_ms: Option<UnixMs>,
}

/// A domain control validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dcv {
    /// The name checked where it is not the identifier's: an ancestor of it.
    pub adn: Option<DnsName>,
    /// The method with its inputs.
    pub challenge: Challenge,
}

/// A CAA check's inputs (RFC 8659, RFC 8657).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caa {
    /// `accounturi` must be one of these; empty leaves it unevaluated.
    pub account_uris: Vec<String>,
    /// The label that `validationmethods` must hold; nil leaves it unevaluated.
    pub method_label: Option<String>,
}

/// One thing that is wrong with a job, for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} `{value}`: {reason}")]
pub struct FieldError {
    /// Which field.
    pub field: String,
    /// What it says, at most 100 characters.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: &str, value: impl fmt::Display, reason: impl fmt::Display) -> Self {
        let cut = |text: String, longest| text.chars().take(longest).collect();
        Self {
            field: cut(field.to_owned(), 100),
            value: cut(value.to_string(), 100),
            reason: cut(reason.to_string(), 300),
        }
    }
}

impl Job {
    /// The body of its message.
    pub fn to_body(&self) -> Vec<u8> {
        encode_body(Kind::Job, &fields::JobFields::from(self))
    }

    /// The checks asked for.
    pub fn checks(&self) -> impl Iterator<Item = CheckKind> {
        let dcv = self.dcv.as_ref().map(|_| CheckKind::Dcv);
        dcv.into_iter().chain(self.caa.as_ref().map(|_| CheckKind::Caa))
    }

    /// The row of its validation method.
    pub fn method(&self) -> Option<&'static Method> {
        let dcv = self.dcv.as_ref()?;
        Method::find(dcv.challenge.method_id(), self.identifier.kind())
    }

    /// Errs where the Baseline Requirements do not allow its method on `day`, and none of
    /// `relaxations` keeps it. No relaxation keeps one for a TLS certificate.
    pub fn check_date(&self, day: Date, relaxations: &[String]) -> Result<(), FieldError> {
        let Some(method) = self.method() else { return Ok(()) };
        let is_kept = method.id == IP_ADDRESS
            && self.certificate_type != CertificateType::TlsServer
            && relaxations.iter().any(|relaxation| relaxation == IP_ADDRESS_OPTIN);
        method
            .check_date(day)
            .or_else(|error| if is_kept { Ok(()) } else { Err(error) })
            .map_err(|error| FieldError::new("dcv.method", method.id, error))
    }

    /// What remotes are compared with where the CA keeps its own primary determination.
    pub fn external_primary(&self, check: CheckKind) -> Primary {
        let expected = match check {
            CheckKind::Dcv => self.dcv.as_ref().and_then(|dcv| dcv.challenge.expected()),
            CheckKind::Caa => None,
        };
        Primary::Passed(expected)
    }
}

#[cfg(test)]
mod tests;
