//! What the small Internet holds, as one TOML file: views, zones, records, faults and pages.
//!
//! The types serialize too, so a test builds a [`Config`] and writes it with `toml::to_string`.

mod content;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use content::{Data, Fault, FaultRcode, Page, PageFault, Record, RecordType, TlsAlpn, Zone};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot understand {}", path.display())]
    Parse { path: PathBuf, source: toml::de::Error },
    /// `key` is the path of the key, such as `record[3].data`, counted from 0.
    #[error("{key}: {reason}")]
    Value { key: String, reason: String },
}

impl ConfigError {
    pub(crate) fn value(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value { key: key.into(), reason: reason.into() }
    }
}

/// Everything that the process serves.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where web servers listen.
    pub web: Web,
    /// Where the authoritative name server listens.
    pub authoritative: Authoritative,
    /// The perspectives that look at this Internet; at most 63.
    #[serde(rename = "view", skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
    /// The zones. The root exists without being listed, and is signed.
    #[serde(rename = "zone", skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
    /// The resource records of all zones.
    #[serde(rename = "record", skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What goes wrong when a name is asked for; the first that applies to a question is taken.
    #[serde(rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What the web servers show; the first page that a view sees at a host and path is taken.
    #[serde(rename = "page", skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Page>,
    /// Who answers `acme-tls/1` on the port of HTTPS.
    #[serde(rename = "tls_alpn", skip_serializing_if = "Vec::is_empty")]
    pub tls_alpn: Vec<TlsAlpn>,
}

impl Config {
    /// Reads a TOML file; unknown keys are errors.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source })
    }
}

/// One perspective's place on this Internet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The perspective code.
    pub name: String,
    /// The loopback address that the perspective's agents send from, such as 127.0.1.1: how web
    /// and authoritative name servers tell who is looking.
    pub source: IpAddr,
    /// Where the perspective's resolver listens, UDP and TCP; port 0 takes a free one.
    pub resolver: SocketAddr,
}

/// Web servers: the same pages on each address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Loopback addresses to listen on, on one port for HTTP and one for HTTPS. Default: `["127.0.3.1"]`.
    pub addresses: Vec<IpAddr>,
    /// The port of plain HTTP. Default 0: one that is free on every address.
    pub http_port: u16,
    /// The port of HTTPS, the same pages under a self-signed certificate. Default 0, as above.
    pub https_port: u16,
}

impl Default for Web {
    fn default() -> Self {
        Self { addresses: vec![Ipv4Addr::new(127, 0, 3, 1).into()], http_port: 0, https_port: 0 }
    }
}

/// The name server that is authoritative for all zones.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authoritative {
    /// UDP and TCP address. Default: `127.0.3.1:0`; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Authoritative {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::new(127, 0, 3, 1), 0)) }
    }
}
