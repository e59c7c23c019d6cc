//! The keys of `[dns]` and `[dnssec]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use mpic_runtime::config::ConfigError;
use serde::{Deserialize, Serialize};

/// The DNS engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsConfig {
    /// `forwarder`, a validating resolver beside the agent, such as unbound; or `embedded`, a
    /// recursor and a validator inside it. Default `forwarder`.
    #[serde(default)]
    pub backend: DnsBackend,
    /// The resolver's address and port. Required by `forwarder`, unknown to `embedded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<SocketAddr>,
    /// Lets the resolver be on another host, where its AD bit is only as good as the path. A
    /// relaxation. Default false.
    #[serde(default)]
    pub forwarder_remote: bool,
    /// The root servers that `embedded` begins with, as a zone file. Others than the default are a
    /// relaxation. Default that of Debian's package `dns-root-data`.
    #[serde(default = "root_hints")]
    pub root_hints: PathBuf,
    /// What `embedded` trusts: DS or DNSKEY records of the root, as a zone file. Others than the
    /// default are a relaxation. Default that of Debian's package `dns-root-data`.
    #[serde(default = "trust_anchor")]
    pub trust_anchor: PathBuf,
    /// Whether `embedded` keeps the delegations and keys of the root and of public suffixes for at
    /// most an hour. Default true: most packets of a job would ask for them.
    #[serde(default = "infrastructure_cache")]
    pub infrastructure_cache: bool,
    /// Names the resolver: two perspectives whose resolvers have one name are a fault. Default the
    /// perspective's code, a slash and the address, or `embedded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Milliseconds of one attempt, of which there are two. Default 2,000: a dead server is
    /// survived.
    #[serde(default = "attempt_ms")]
    pub attempt_ms: u64,
    /// Milliseconds before the second attempt. Default 500.
    #[serde(default = "pause_ms")]
    pub pause_ms: u64,
    /// Packets that one job may send. Default 500: a climb of 40 labels fits.
    #[serde(default = "packets_per_job")]
    pub packets_per_job: u32,
    /// Octets that one job may receive. Default 4 MiB.
    #[serde(default = "octets_per_job")]
    pub octets_per_job: u32,
}

/// Which engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DnsBackend {
    /// A validating resolver is asked.
    #[default]
    Forwarder,
    /// The authoritative servers are asked, and their signatures validated here.
    Embedded,
}

impl DnsConfig {
    /// The resolver, of a forwarder.
    pub(super) fn resolver(&self) -> Result<Option<SocketAddr>, ConfigError> {
        match (self.backend, self.forwarder) {
            (DnsBackend::Forwarder, None) => {
                let reason = "required where dns.backend is forwarder, its default";
                Err(ConfigError::key("dns.forwarder", "", reason))
            }
            (DnsBackend::Embedded, Some(forwarder)) => {
                let reason = "it would not be asked: dns.backend is embedded";
                Err(ConfigError::key("dns.forwarder", forwarder, reason))
            }
            (_, forwarder) => Ok(forwarder),
        }
    }
}

pub(super) const ROOT_HINTS: &str = "/usr/share/dns/root.hints";
pub(super) const TRUST_ANCHOR: &str = "/usr/share/dns/root.key";

fn root_hints() -> PathBuf {
    ROOT_HINTS.into()
}

fn trust_anchor() -> PathBuf {
    TRUST_ANCHOR.into()
}

fn infrastructure_cache() -> bool {
    true
}

fn attempt_ms() -> u64 {
    2_000
}

fn pause_ms() -> u64 {
    500
}

fn packets_per_job() -> u32 {
    500
}

fn octets_per_job() -> u32 {
    4 * 1_024 * 1_024
}

/// What is asked of DNSSEC.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnssecConfig {
    /// Whether a remote validates: `require`, or `off`, which the BR allows and which is a
    /// relaxation. The primary always validates (BR 3.2.2.4), as does `embedded`. Default
    /// `require`.
    pub remote: RemoteDnssec,
    /// What `embedded` takes a zone for that is signed with algorithms 14, 15 or 16 alone, which
    /// its validator does not know: `indeterminate`, or `insecure` (RFC 4035 5.2), which is a
    /// relaxation. Default `indeterminate`.
    pub unsupported_algorithm: UnsupportedAlgorithm,
}

/// Whether a remote perspective validates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemoteDnssec {
    /// It does.
    #[default]
    Require,
    /// It need not.
    Off,
}

/// What an unknown algorithm makes of a zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnsupportedAlgorithm {
    /// Its questions fail.
    #[default]
    Indeterminate,
    /// It counts as unsigned.
    Insecure,
}
