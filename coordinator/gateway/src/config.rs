//! The gateway's configuration.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpic_common::code::CaId;
use mpic_common::octets::Hash;
use mpic_common::policy::CertificateType;
use mpic_common::time::UnixMs;
use mpic_runtime::config::{BusConfig, ConfigError, LogConfig, TracesConfig, load};
use serde::{Deserialize, Serialize};

/// One gateway process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients come, such as `0.0.0.0:8443`. Required.
    pub listen: SocketAddr,
    /// The paths below which the API answers. Default `""` and `"/v1"`.
    #[serde(default = "base_paths")]
    pub base_paths: Vec<String>,
    /// The signed directory document, read again on SIGHUP. Required.
    pub directory_file: PathBuf,
    /// The key that signs it, `ed25519:` and base64. Required: it pins the document.
    pub directory_root: String,
    /// Threads that do the work. Default 1.
    #[serde(default = "mpic_runtime::config::one_thread")]
    pub threads: NonZeroUsize,
    /// Where it tells how it is, by HTTP: `/livez`, `/readyz`, `/metrics`. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_listen: Option<SocketAddr>,
    /// What it takes.
    #[serde(default)]
    pub limits: Limits,
    /// The channel to clients. Required but on loopback, where a proxy on the same host may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// Where traces go. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesConfig>,
    /// The CAs whose clients it serves. Required: at least one.
    pub ca: Vec<CaConfig>,
}

fn base_paths() -> Vec<String> {
    vec![String::new(), "/v1".to_owned()]
}

/// TLS 1.2 or 1.3 towards clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// The own certificate and what leads to its authority, PEM. Required.
    pub certificate: PathBuf,
    /// Its key, PEM, mode 0600. Required.
    pub key: PathBuf,
    /// The authorities that may vouch for clients, PEM. Default none: no client certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
}

/// A CA and the credentials of its clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaConfig {
    /// Its code in the directory, whose entry says where its primary perspective is. Required.
    pub code: CaId,
    /// What a client must show: `key`, `certificate`, `either` or `both`. Default `either`.
    #[serde(default)]
    pub require: Require,
    /// The kind of certificate that validations are for. Default `tls-server`.
    #[serde(default = "tls_server")]
    pub certificate_type: CertificateType,
    /// The key that signs its jobs. Required where the directory wants them signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// SHA-256 of the `SubjectPublicKeyInfo` of each client certificate, 64 hex digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spki_sha256: Vec<Digest>,
    /// The bus, as this CA. Required.
    pub bus: BusConfig,
    /// Its API keys, by their hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeyConfig>,
}

fn tls_server() -> CertificateType {
    CertificateType::TlsServer
}

/// What a client must show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// An API key.
    Key,
    /// A client certificate.
    Certificate,
    /// One of them.
    #[default]
    Either,
    /// Both.
    Both,
}

/// An API key, of which only the hash is known here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// SHA-256 of the key, 64 hex digits, as `mpic keys api` prints it. Required.
    pub key_sha256: Digest,
    /// From when it is good, such as `2026-11-01T00:00:00Z`. Default always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<When>,
    /// Until when. Default for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<When>,
}

/// A SHA-256 hash as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub Hash);

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let octets = octets.and_then(|octets| octets.try_into().ok());
        octets.map(|octets| Self(Hash(octets))).ok_or("it is 64 hex digits")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.to_string()
    }
}

/// A moment in UTC, such as `2026-11-01T00:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct When {
    written: String,
    /// The moment.
    pub at: UnixMs,
}

impl TryFrom<String> for When {
    type Error = &'static str;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let parsed: Option<jiff::Timestamp> = written.parse().ok();
        let ms = parsed.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        let at = ms.map(UnixMs).ok_or("it is a moment such as 2026-11-01T00:00:00Z")?;
        Ok(Self { written, at })
    }
}

impl From<When> for String {
    fn from(when: When) -> Self {
        when.written
    }
}

/// What the gateway takes at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Octets of a request's body. Default 32,768.
    pub body_octets_max: usize,
    /// Octets of a request's head. Default 16,384.
    pub head_octets_max: usize,
    /// Milliseconds for a complete head and body. Default 10,000.
    pub read_ms: u64,
    /// Milliseconds from a POST to the last octet of its answer. Default 28,000.
    pub request_ms: u64,
    /// Milliseconds for all jobs of a POST, 5,000 to 60,000 and 2,000 below `request_ms`.
    /// Default 26,000.
    pub budget_ms: u64,
    /// Milliseconds that a settled job waits for its other remotes, 20 to 5,000. Default 300.
    pub straggler_wait_ms: u64,
    /// POSTs of one CA at a time. Default 64.
    pub in_flight_per_ca: usize,
    /// POSTs of one CA a second. Default no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s_per_ca: Option<NonZeroUsize>,
    /// POSTs of all CAs at a time. Default 1,024.
    pub in_flight: usize,
    /// The most attempts of a POST, at most 3. Default 3.
    pub max_attempts_cap: usize,
    /// Connections at a time. Default 4,096.
    pub connections_max: usize,
    /// Milliseconds after which an idle connection is closed. Default 60,000.
    pub idle_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_octets_max: 32_768,
            head_octets_max: 16_384,
            read_ms: 10_000,
            request_ms: 28_000,
            budget_ms: 26_000,
            straggler_wait_ms: 300,
            in_flight_per_ca: 64,
            rate_per_s_per_ca: None,
            in_flight: 1_024,
            max_attempts_cap: 3,
            connections_max: 4_096,
            idle_ms: 60_000,
        }
    }
}

impl Limits {
    /// For a complete head and body.
    pub fn read(&self) -> Duration {
        Duration::from_millis(self.read_ms)
    }

    /// From a POST to its answer.
    pub fn request(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    /// For all jobs of a POST.
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let within = |key, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::key(key, value, format!("it is {least} to {most}")))
        };
        let octets = |octets: usize| u64::try_from(octets).unwrap_or(u64::MAX);
        within("limits.body_octets_max", octets(self.body_octets_max), 1_024, 1 << 20)?;
        within("limits.head_octets_max", octets(self.head_octets_max), 8_192, 1 << 20)?;
        within("limits.read_ms", self.read_ms, 1, 600_000)?;
        within("limits.request_ms", self.request_ms, 7_000, 120_000)?;
        within("limits.budget_ms", self.budget_ms, 5_000, 60_000)?;
        within("limits.budget_ms", self.budget_ms, 5_000, self.request_ms.saturating_sub(2_000))?;
        within("limits.straggler_wait_ms", self.straggler_wait_ms, 20, 5_000)?;
        within("limits.max_attempts_cap", octets(self.max_attempts_cap), 1, 3)?;
        within("limits.in_flight_per_ca", octets(self.in_flight_per_ca), 1, 100_000)?;
        within("limits.in_flight", octets(self.in_flight), 1, 100_000)?;
        within("limits.connections_max", octets(self.connections_max), 1, 100_000)?;
        within("limits.idle_ms", self.idle_ms, 1_000, 3_600_000)
    }
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = load(path)?;
        config.check()?;
        Ok(config)
    }

    /// Errs where the parts do not go together.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.limits.check()?;
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            let reason = "it is not on loopback, so tls is required";
            return Err(ConfigError::key("listen", self.listen, reason));
        }
        if self.ca.is_empty() {
            return Err(ConfigError::key("ca", "[]", "at least one is needed"));
        }
        let takes_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        for ca in &self.ca {
            let wants_certificates = matches!(ca.require, Require::Certificate | Require::Both);
            if (wants_certificates || !ca.spki_sha256.is_empty()) && !takes_certificates {
                let reason = "client certificates need tls.client_ca_file";
                return Err(ConfigError::key("ca.require", &ca.code, reason));
            }
        }
        self.check_credentials()
    }

    /// Each credential is of one CA, and each CA has those that it requires.
    fn check_credentials(&self) -> Result<(), ConfigError> {
        let (mut codes, mut keys, mut certificates) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for ca in &self.ca {
            let wrong = |key, reason| Err(ConfigError::key(key, &ca.code, reason));
            if !codes.insert(&ca.code) {
                return wrong("ca.code", "it stands twice");
            }
            if !ca.key.iter().all(|key| keys.insert(key.key_sha256)) {
                return wrong("ca.key.key_sha256", "a key stands twice, here or at another CA");
            }
            if !ca.spki_sha256.iter().all(|digest| certificates.insert(*digest)) {
                return wrong("ca.spki_sha256", "one stands twice, here or at another CA");
            }
            let (has_key, has_certificate) = (!ca.key.is_empty(), !ca.spki_sha256.is_empty());
            let can_be_shown = match ca.require {
                Require::Key => has_key,
                Require::Certificate => has_certificate,
                Require::Either => has_key || has_certificate,
                Require::Both => has_key && has_certificate,
            };
            if !can_be_shown {
                return wrong("ca.require", "no client could show what is required");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        listen = "127.0.0.1:8000"
        directory_file = "directory.mpic"
        directory_root = "ed25519:AAAA"
        [[ca]]
        code = "ca1"
        [ca.bus]
        servers = ["nats://127.0.0.1:4222"]
        [[ca.key]]
        key_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        not_after = "2027-01-01T00:00:00Z"
    "#;

    fn check(text: &str) -> Result<(), String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_as_specified() {
        let config: Config = toml::from_str(MINIMAL).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.base_paths, ["", "/v1"]);
        assert_eq!(config.ca[0].require, Require::Either);
        assert!(config.check().is_ok());
    }

    #[test]
    fn beyond_loopback_there_is_tls() {
        let open = MINIMAL.replace("127.0.0.1:8000", "0.0.0.0:8000");
        assert!(check(&open).unwrap_err().contains("tls is required"));
    }

    #[test]
    fn limits_have_limits() {
        for (limits, named) in [
            ("budget_ms = 27000", "budget_ms"),
            ("budget_ms = 4999", "budget_ms"),
            ("max_attempts_cap = 4", "max_attempts_cap"),
            ("straggler_wait_ms = 19", "straggler_wait_ms"),
        ] {
            let text = MINIMAL.replace("[[ca]]", &format!("[limits]\n{limits}\n[[ca]]"));
            assert!(check(&text).unwrap_err().contains(named), "{limits}");
        }
    }

    #[test]
    fn a_credential_is_of_one_ca_and_each_ca_has_what_it_requires() {
        let (_, second) = MINIMAL.split_once("[[ca]]").unwrap();
        let other = second.replace("ca1", "ca2").replace("000", "111");
        assert_eq!(check(&format!("{MINIMAL}[[ca]]{other}")), Ok(()));
        for (more, named) in [
            (second.replace("000", "111"), "ca.code"),
            (second.replace("ca1", "ca2"), "ca.key.key_sha256"),
            (other.split("[[ca.key]]").next().unwrap().to_owned(), "ca.require"),
        ] {
            let error = check(&format!("{MINIMAL}[[ca]]{more}")).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn certificates_are_not_asked_for_without_their_authority() {
        let text = MINIMAL.replace("code = \"ca1\"", "code = \"ca1\"\nrequire = \"both\"");
        assert!(check(&text).unwrap_err().contains("client_ca_file"));
    }
}
