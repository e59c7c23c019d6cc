//! The agent's configuration.

mod dns;
mod effective;
mod engine;
mod parts;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use mpic_common::code::PerspectiveId;
use mpic_common::reply::PerspectiveRole;
use mpic_runtime::config::{BusConfig, ConfigError, LogConfig, TracesConfig, load, one_thread};
use serde::{Deserialize, Serialize};

pub use dns::{DnsBackend, DnsConfig, DnssecConfig, RemoteDnssec, UnsupportedAlgorithm};
pub use effective::Effective;

/// One agent process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The code of its perspective, listed in the directory. Required.
    pub perspective: PerspectiveId,
    /// `primary` or `remote`. Default `remote`.
    #[serde(default = "remote")]
    pub role: PerspectiveRole,
    /// The signed directory document, read again on SIGHUP. Required.
    pub directory_file: PathBuf,
    /// The key that signs it, `ed25519:` and base64. Required: it pins the document.
    pub directory_root: String,
    /// The key that signs replies, listed in the directory under `perspective`. Required.
    pub key_file: PathBuf,
    /// The bus. Required.
    pub bus: BusConfig,
    /// The DNS engine. Required.
    pub dns: DnsConfig,
    /// What is asked of DNSSEC.
    #[serde(default)]
    pub dnssec: DnssecConfig,
    /// Names that are never checked, and exceptions.
    #[serde(default)]
    pub names: NamesConfig,
    /// Addresses that are never connected to, and exceptions.
    #[serde(default)]
    pub addr: AddrConfig,
    /// Where packets leave from.
    #[serde(default)]
    pub egress: EgressConfig,
    /// CAA.
    #[serde(default)]
    pub caa: CaaConfig,
    /// HTTP.
    #[serde(default)]
    pub http: HttpConfig,
    /// Domain control validation.
    #[serde(default)]
    pub dcv: DcvConfig,
    /// Methods.
    #[serde(default)]
    pub methods: MethodsConfig,
    /// Persistent records.
    #[serde(default)]
    pub persist: PersistConfig,
    /// What one job, and all together, may take.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What only laboratories need.
    #[serde(default)]
    pub lab: LabConfig,
    /// Threads that do the work. Default 1: more processes serve a perspective or a fleet better
    /// than more threads.
    #[serde(default = "one_thread")]
    pub threads: NonZeroUsize,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// Where it tells how it is, by HTTP: `/livez`, `/readyz`, `/metrics`, such as
    /// `127.0.0.1:9464`. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_listen: Option<SocketAddr>,
    /// Where traces go. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesConfig>,
}

/// Room for what every observation holds, and for the evidence of most.
const OBSERVATION_OCTETS_LEAST: usize = 16_384;

fn remote() -> PerspectiveRole {
    PerspectiveRole::Remote
}

/// Names that are never checked, and exceptions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamesConfig {
    /// The Public Suffix List. Default that of Debian's package `publicsuffix`.
    pub psl_file: PathBuf,
    /// Suffixes to be taken for public ones, such as `test`, without leading dot. A relaxation.
    /// Default none.
    pub allow_suffix: Vec<String>,
    /// Public suffixes that may be certified with `*.` before them. A relaxation. Default none.
    pub allow_wildcard_suffix: Vec<String>,
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self {
            psl_file: "/usr/share/publicsuffix/public_suffix_list.dat".into(),
            allow_suffix: Vec::new(),
            allow_wildcard_suffix: Vec::new(),
        }
    }
}

/// Addresses that are never connected to, and exceptions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddrConfig {
    /// Prefixes that may be connected to though they are reserved: private deployments,
    /// laboratories. A relaxation. Default none.
    pub allow: Vec<IpNet>,
    /// Prefixes that are blocked whatever else says. Default none.
    pub deny: Vec<IpNet>,
}

/// Where packets leave from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// The local address of every IPv4 socket, DNS and TCP. Default the system's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_v6: Option<Ipv6Addr>,
}

/// CAA.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaaConfig {
    /// Takes flag 0x01 for critical as well as 0x80. Default false.
    pub flag1_is_critical: bool,
    /// Lets `accounturi` and `validationmethods` prohibit where the job gives nothing to compare
    /// them with. Default false.
    pub require_rfc8657_inputs: bool,
    /// Names with more labels are not climbed. Default 40.
    pub max_labels: usize,
}

impl Default for CaaConfig {
    fn default() -> Self {
        Self { flag1_is_critical: false, require_rfc8657_inputs: false, max_labels: 40 }
    }
}

/// HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Who asks. Default `mpic-perspective/` and the version.
    pub user_agent: String,
    /// Milliseconds until a connection stands, of HTTP and TLS-ALPN. Default 4,000: the second SYN is
    /// repeated at 3 s.
    pub connect_ms: u64,
    /// Milliseconds of a TLS handshake, of HTTP and TLS-ALPN. Default 4,000.
    pub tls_ms: u64,
    /// Milliseconds until the response head is complete. Default 4,000.
    pub head_ms: u64,
    /// Milliseconds until the body is complete. Default 4,000.
    pub body_ms: u64,
    /// Redirects that are followed, 0 to 50. Default 20.
    pub max_redirects: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("mpic-perspective/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_ms: 4_000,
            tls_ms: 4_000,
            head_ms: 4_000,
            body_ms: 4_000,
            max_redirects: 20,
        }
    }
}

/// Domain control validation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DcvConfig {
    /// Octets that the challenge of `dns-change` and `website-change` has at least. Default 1; no
    /// text of fewer than 18 holds the 112 bits that the BR want of a Random Value.
    pub challenge_min_octets: usize,
}

impl Default for DcvConfig {
    fn default() -> Self {
        Self { challenge_min_octets: 1 }
    }
}

/// Methods.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MethodsConfig {
    /// Performs `ip-address`, which the BR ended on 2026-03-15: never for a TLS certificate. A
    /// relaxation. Default false.
    pub ip_address_optin: bool,
}

/// Persistent records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersistConfig {
    /// Whether a record for a wildcard, or for names below it, must say `policy=wildcard`. False,
    /// which the BR allows, is a relaxation. Default true.
    pub require_policy: bool,
}

impl Default for PersistConfig {
    fn default() -> Self {
        Self { require_policy: true }
    }
}

/// What one job, and all together, may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Milliseconds of one job, 1,000 to 60,000, whatever the assignment gives. Default 25,000.
    pub job_ms: u64,
    /// Milliseconds that an assignment's deadline may lie beyond its budget: more means that one
    /// of the two clocks is wrong. Default 300,000.
    pub clock_skew_ms: u64,
    /// Octets of one check's observation, encoded, at least 16,384: more evidence is cut when the
    /// check ends, before the reply is cut to what its assignment allows. Default 393,216.
    pub observation_octets: usize,
    /// Jobs at a time; above it the reply is `busy`. Default 512, at most 4 MiB each.
    pub concurrent_jobs: NonZeroUsize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let concurrent_jobs = NonZeroUsize::MIN.saturating_add(511);
        let observation_octets = 393_216;
        Self { job_ms: 25_000, clock_skew_ms: 300_000, observation_octets, concurrent_jobs }
    }
}

/// What only laboratories need. All of it is relaxation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabConfig {
    /// From the port of a URL, or 53 of a name server, to the port that is connected to, such as
    /// `{ 80 = 40200 }`. The evidence keeps the former. Default empty.
    pub ports: BTreeMap<Port, u16>,
}

/// A port as a key of TOML, which is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port(pub u16);

impl TryFrom<String> for Port {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Port> for String {
    fn from(Port(port): Port) -> Self {
        port.to_string()
    }
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = load(path)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !(1_000..=60_000).contains(&self.limits.job_ms) {
            let reason = "it is 1000 to 60000 milliseconds";
            return Err(ConfigError::key("limits.job_ms", self.limits.job_ms, reason));
        }
        if self.limits.observation_octets < OBSERVATION_OCTETS_LEAST {
            let reason = format!("it is at least {OBSERVATION_OCTETS_LEAST}");
            let value = self.limits.observation_octets;
            return Err(ConfigError::key("limits.observation_octets", value, reason));
        }
        if self.http.max_redirects > 50 {
            let reason = "it is 0 to 50";
            return Err(ConfigError::key("http.max_redirects", self.http.max_redirects, reason));
        }
        if let Some(resolver) = self.dns.resolver()?
            && !self.is_own_host(resolver.ip())
            && !self.dns.forwarder_remote
        {
            let reason = "it is not on this host; dns.forwarder_remote = true would allow that";
            return Err(ConfigError::key("dns.forwarder", resolver, reason));
        }
        if self.role == PerspectiveRole::Primary && self.dnssec.remote == RemoteDnssec::Off {
            let reason = "the primary perspective always validates (BR 3.2.2.4)";
            return Err(ConfigError::key("dnssec.remote", "off", reason));
        }
        Ok(())
    }

    fn is_own_host(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self.egress.source_v4.map(IpAddr::V4) == Some(address)
            || self.egress.source_v6.map(IpAddr::V6) == Some(address)
    }
}
