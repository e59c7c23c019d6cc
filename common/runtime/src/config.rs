//! Configuration: one TOML file and one struct a process, read before anything connects.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Value;

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {message}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Names the key and its line.
        message: String,
    },
    /// A key whose value cannot be.
    #[error("{key} `{value}`: {reason}")]
    Key {
        /// Which.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConfigError {
    /// An impossible value of `key`.
    pub fn key(
        key: &'static str,
        value: impl std::fmt::Display,
        reason: impl std::fmt::Display,
    ) -> Self {
        Self::Key { key, value: value.to_string(), reason: reason.to_string() }
    }
}

/// Reads the TOML file at `path`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })
}

/// Reads a file of octets, such as a directory document.
pub fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// A configuration as replies state it: `section.key` to its value as inline TOML, keys sorted. What
/// a key of a section holds stays whole.
pub fn entries(config: toml::Table) -> BTreeMap<String, String> {
    let of_section = |(section, value)| match value {
        Value::Table(keys) => {
            let entry = |(key, value)| (format!("{section}.{key}"), inline(&value));
            keys.into_iter().map(entry).collect::<Vec<_>>()
        }
        value => vec![(section, inline(&value))],
    };
    config.into_iter().flat_map(of_section).collect()
}

/// Inline TOML with its keys sorted: `["a", "b"]`, `{ 443 = 1, 80 = 2 }`, `{}`.
fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let pairs: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}

/// How a process reaches the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// Every server, such as `tls://bus-0.example:4222`. New servers are not learnt from the bus.
    pub servers: Vec<String>,
    /// The seed of the nkey that this process is known by, `SU` and more, mode 0600. Required
    /// but on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nkey_file: Option<PathBuf>,
    /// The channel. Required but on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

/// The channel to the bus: TLS 1.3, in which both sides show a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates of the authorities that may vouch for a server, PEM. Required.
    pub ca: PathBuf,
    /// The own certificate and what leads to its authority, PEM. Required.
    pub certificate: PathBuf,
    /// Its key, PEM, mode 0600. Required.
    pub key: PathBuf,
}

impl BusConfig {
    /// Servers without an identity to show them, which only loopback allows.
    pub fn without_identity(servers: Vec<String>) -> Self {
        Self { servers, nkey_file: None, tls: None }
    }

    /// Whether the servers can be used so.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.servers.is_empty() {
            return Err(ConfigError::key("bus.servers", "[]", "at least one is needed"));
        }
        self.servers.iter().try_for_each(|server| self.check_server(server))
    }

    fn check_server(&self, server: &str) -> Result<(), ConfigError> {
        let wrong = |reason: &str| Err(ConfigError::key("bus.servers", server, reason));
        let Ok(address) = server.parse::<async_nats::ServerAddr>() else {
            return wrong("it is no URL such as tls://bus-0.example:4222");
        };
        if address.has_user_pass() {
            // The value is not told: it holds a secret.
            let reason = "a secret belongs into a file, not into a URL";
            return Err(ConfigError::key("bus.servers", "", reason));
        }
        if !matches!(address.scheme(), "nats" | "tls") {
            return wrong("its scheme is not nats or tls");
        }
        if self.tls.is_some() && self.nkey_file.is_some() {
            return Ok(());
        }
        let host = address.host().trim_matches(['[', ']']);
        let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_loopback {
            return Ok(());
        }
        wrong("it is not on loopback, so bus.nkey_file and bus.tls are required")
    }
}

/// The default of `threads`.
pub const fn one_thread() -> NonZeroUsize {
    NonZeroUsize::MIN
}

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Which spans and events, in the syntax of `tracing`'s `EnvFilter`. The DNS libraries, which
    /// log what servers of others say, are silent unless it names them, such as by
    /// `info,hickory_resolver=warn`. Default `info`.
    pub filter: String,
    /// `text` for people, `json` for machines. Default `text`.
    pub format: LogFormat,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// Where a collector takes OTLP over HTTP: the whole URL, such as
    /// `http://127.0.0.1:4318/v1/traces`. Required.
    pub endpoint: String,
    /// The share of traces that begin here and are kept, 0 to 1; what began elsewhere is kept as
    /// it was begun. Default 1.
    #[serde(default = "all")]
    pub ratio: f64,
}

fn all() -> f64 {
    1.0
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let config: BusConfig = toml::from_str(text).unwrap();
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_bus_beyond_this_host_is_reached_by_tls_with_an_nkey_or_not_at_all() {
        let loopback = r#"servers = ["nats://127.0.0.1:4222", "nats://[::1]:4222"]"#;
        assert!(toml::from_str::<BusConfig>(loopback).unwrap().check().is_ok());
        let distant = r#"servers = ["nats://127.0.0.1:4222", "tls://bus-0.example:4222"]"#;
        assert!(refused(distant).contains("bus.nkey_file and bus.tls are required"));
        let half = format!("nkey_file = \"x\"\n{distant}");
        assert!(refused(&half).starts_with("bus.servers `tls://bus-0.example:4222`"));
        let whole = format!(
            "nkey_file = \"x\"\n{distant}\n[tls]\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\""
        );
        assert!(toml::from_str::<BusConfig>(&whole).unwrap().check().is_ok());
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let said = refused(r#"servers = ["tls://me:hunter2@bus-0.example:4222"]"#);
        assert!(said.contains("belongs into a file") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn what_is_no_server_is_named() {
        assert!(refused("servers = []").contains("at least one"));
        assert!(refused(r#"servers = ["wss://127.0.0.1:443"]"#).contains("scheme"));
    }
}
