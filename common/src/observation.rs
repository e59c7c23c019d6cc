//! What one perspective concludes from one check, and how that compares with the primary's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::evidence::{CaaSeen, DnsSeen, Dnssec, HopSeen, TlsSeen, Used, is_false};
use crate::ip_text;
use crate::octets::Hash;
use crate::perspective::RegionalInternetRegistry;
use crate::reason::{Reason, Verdict};
use crate::time::UnixMs;

/// The two things a perspective can be asked to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// Domain control validation (BR 3.2.2.4, 3.2.2.5).
    Dcv,
    /// Certification authority authorization (RFC 8659, BR 3.2.2.8).
    Caa,
}

impl CheckKind {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dcv => "dcv",
            Self::Caa => "caa",
        }
    }
}

/// A determination with its evidence. It omits on the wire what is nil, empty or false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Which check.
    pub check: CheckKind,
    /// The method's id; nil for CAA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Such as `3.2.2.4.19`.
    pub clause: String,
    /// Such as `TLS-BR 2.2.6`.
    pub br_version: String,
    /// Whether the method is past its SHOULD NOT date.
    #[serde(default, skip_serializing_if = "is_false")]
    pub discouraged: bool,
    /// The Authorization Domain Name that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adn: Option<String>,
    /// When it began.
    pub started_ms: UnixMs,
    /// When it ended.
    pub ended_ms: UnixMs,
    /// Monotonic microseconds.
    pub elapsed_us: u64,
    /// The determination.
    pub verdict: Verdict,
    /// Why it did not pass; nil exactly when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// For people, at most 512 octets, site octets escaped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// On `pass`: SHA-256 of the value that must be the same as the primary's; nil for CAA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Hash>,
    /// On `pass`: the contact, account URI, name or address found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// The worst state of all questions used.
    pub dnssec: Dnssec,
    /// The questions, in the order they were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<DnsSeen>,
    /// The hops, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HopSeen>,
    /// The TLS-ALPN connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSeen>,
    /// The CAA evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caa: Option<CaaSeen>,
    /// What it consumed.
    pub used: Used,
    /// Whether evidence was cut to fit; digests cover the whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// Whose answers a perspective's DNS engine gives, so that sharing and distance can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverIdentity {
    /// `forwarder` or `embedded`.
    pub backend: String,
    /// Unique to one resolver: two perspectives with the same instance are a fault.
    pub instance: String,
    /// Digest of the trust anchor, where the backend has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_anchor: Option<Hash>,
    /// Digest of the root hints, where the backend has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_hints: Option<Hash>,
    /// The address asked, of a forwarder.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ip_text::some")]
    pub address: Option<IpAddr>,
    /// 10^-6 degrees.
    pub latitude_udeg: i32,
    /// 10^-6 degrees.
    pub longitude_udeg: i32,
    /// The service region it lies in.
    pub registry: RegionalInternetRegistry,
}

/// How a remote perspective's observation compares with the primary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// The same.
    Corroborate,
    /// Another value, or the network said no.
    Contradict,
    /// Nothing can be said: an error, a refusal, silence.
    Unavailable,
}

/// What the remotes are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primary {
    /// The primary passed, or the CA says so of its own; with the value it saw, which CAA has not.
    Passed(Option<Hash>),
    /// The primary may still pass with whatever a remote saw.
    Open,
    /// The primary did not pass, so nothing corroborates.
    DidNotPass,
}

impl Primary {
    /// What a perspective of ours saw as the primary.
    pub fn from_observation(observation: &Observation) -> Self {
        match observation.verdict {
            Verdict::Pass => Self::Passed(observation.observed),
            _ => Self::DidNotPass,
        }
    }
}

/// Compares one remote's observation with the primary's (BR 3.2.2.9; per method "the same"
/// value, for CAA a permission whatever the records are, BR 3.2.2.8).
pub fn compare(primary: Primary, remote: &Observation) -> Finding {
    match (remote.verdict, primary) {
        (Verdict::Error | Verdict::Refused, _) => Finding::Unavailable,
        (Verdict::Pass, Primary::Open) => Finding::Corroborate,
        (Verdict::Pass, Primary::Passed(observed)) if observed == remote.observed => {
            Finding::Corroborate
        }
        _ => Finding::Contradict,
    }
}
