//! The Internet that the perspectives look at, and what they say of it in their replies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use mpic_runtime::config;
use serde::Serialize;

use super::InternetAddresses;

/// How the perspectives reach the Internet that they look at.
#[derive(Debug, Clone)]
pub enum Network {
    /// The small one, where it listens.
    Loopback(InternetAddresses),
    /// The public one, or a laboratory's.
    Real {
        /// Who answers questions about it.
        dns: Dns,
        /// What a laboratory needs beyond the rules; nothing for the public one.
        lab: Lab,
    },
}

/// Who answers the perspectives' questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dns {
    /// The validating resolver at this address.
    Forwarder(SocketAddr),
    /// The perspectives themselves, beginning at these roots.
    Embedded(Roots),
}

/// Zone files in place of those of Debian's package `dns-root-data`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The root servers.
    pub root_hints: Option<PathBuf>,
    /// The keys of the root.
    pub trust_anchor: Option<PathBuf>,
}

/// What weakens a rule, for an Internet that is not the public one.
#[derive(Debug, Clone, Default)]
pub struct Lab {
    /// Reserved prefixes that may be connected to.
    pub addresses: Vec<IpNet>,
    /// From the port of a URL, or 53 of a name server, to the port that is connected to.
    pub ports: BTreeMap<u16, u16>,
    /// Suffixes that count as public ones.
    pub suffixes: Vec<String>,
}

impl Default for Dns {
    fn default() -> Self {
        Self::Embedded(Roots::default())
    }
}

/// Those of an agent's settings that depend on the network, as its configuration has them.
#[derive(Serialize)]
struct Settings<'a> {
    dns: DnsSettings<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Names<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<Addr<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lab: Option<Ports>,
}

#[derive(Default, Serialize)]
struct DnsSettings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarder: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarder_remote: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_hints: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_anchor: Option<&'a PathBuf>,
}

#[derive(Serialize)]
struct Names<'a> {
    allow_suffix: &'a [String],
}

#[derive(Serialize)]
struct Addr<'a> {
    allow: &'a [IpNet],
}

#[derive(Serialize)]
struct Ports {
    ports: BTreeMap<String, u16>,
}

/// An agent's settings for `dns` and `lab`.
pub(super) fn settings(dns: &Dns, lab: &Lab) -> Result<toml::Table, toml::ser::Error> {
    let Lab { addresses, ports, suffixes } = lab;
    let ports = || ports.iter().map(|(from, to)| (from.to_string(), *to)).collect();
    toml::Table::try_from(Settings {
        dns: DnsSettings::from(dns),
        names: (!suffixes.is_empty()).then_some(Names { allow_suffix: suffixes }),
        addr: (!addresses.is_empty()).then_some(Addr { allow: addresses }),
        lab: (!lab.ports.is_empty()).then(|| Ports { ports: ports() }),
    })
}

impl<'a> From<&'a Dns> for DnsSettings<'a> {
    fn from(dns: &'a Dns) -> Self {
        match dns {
            Dns::Forwarder(address) => Self {
                forwarder: Some(*address),
                // Whoever names a resolver elsewhere wants it.
                forwarder_remote: (!address.ip().is_loopback()).then_some(true),
                ..Self::default()
            },
            Dns::Embedded(Roots { root_hints, trust_anchor }) => Self {
                backend: Some("embedded"),
                root_hints: root_hints.as_ref(),
                trust_anchor: trust_anchor.as_ref(),
                ..Self::default()
            },
        }
    }
}

impl Network {
    /// What weakens a rule here.
    pub(super) fn lab(&self) -> Lab {
        match self {
            Self::Loopback(internet) => Lab {
                addresses: LOOPBACK.parse().into_iter().collect(),
                ports: [(80, internet.http), (443, internet.https)].into(),
                suffixes: vec![SUFFIX.to_owned()],
            },
            Self::Real { lab, .. } => lab.clone(),
        }
    }

    /// Who answers the questions of the perspective `code`.
    pub(super) fn dns(&self, code: &str) -> Dns {
        match self {
            Self::Loopback(internet) => {
                internet.resolvers.get(code).copied().map_or_else(Dns::default, Dns::Forwarder)
            }
            Self::Real { dns, .. } => dns.clone(),
        }
    }

    /// The relaxations that agents state in each reply, in their canonical form.
    pub(super) fn relaxations(&self) -> Result<Vec<String>, toml::ser::Error> {
        let dns = match self {
            Self::Loopback(_) => Dns::default(),
            Self::Real { dns, .. } => dns.clone(),
        };
        let settings = config::entries(settings(&dns, &self.lab())?);
        let relaxing = settings.iter().filter(|(key, _)| !HARMLESS.contains(&key.as_str()));
        Ok(relaxing.map(|(key, value)| format!("{key}={value}")).collect())
    }
}

/// Those of the settings that weaken nothing.
const HARMLESS: [&str; 2] = ["dns.backend", "dns.forwarder"];
/// The names of the small Internet end so.
const SUFFIX: &str = "example";
/// The small Internet is on loopback.
const LOOPBACK: &str = "127.0.0.0/8";
