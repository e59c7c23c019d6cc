//! An agent's configuration, as far as it leaves the defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mpic_common::code::PerspectiveId;
use mpic_common::reply::PerspectiveRole;
use mpic_runtime::config::{BusConfig, TracesConfig};
use serde::Serialize;

use super::party::Party;
use super::{InternetAddresses, Member, Network, Shared, overlay};

#[derive(Serialize)]
struct Config<'a> {
    perspective: &'a PerspectiveId,
    role: PerspectiveRole,
    directory_file: PathBuf,
    directory_root: String,
    key_file: PathBuf,
    bus: BusConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<TracesConfig>,
    dns: Dns,
}

#[derive(Serialize)]
struct Dns {
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarder: Option<SocketAddr>,
    forwarder_remote: bool,
}

/// What a perspective of the small Internet needs beyond the rules.
#[derive(Serialize)]
struct Lab {
    names: Names,
    addr: Addr,
    egress: Egress,
    #[serde(rename = "lab")]
    ports: Ports,
}

#[derive(Serialize)]
struct Names {
    allow_suffix: Vec<&'static str>,
}

#[derive(Serialize)]
struct Addr {
    allow: Vec<&'static str>,
}

#[derive(Serialize)]
struct Egress {
    source_v4: Ipv4Addr,
}

#[derive(Serialize)]
struct Ports {
    ports: BTreeMap<String, u16>,
}

/// An agent's configuration; `beyond` are settings that replace what stands here or by default.
///
/// Without `forwarder` the agent asks the authoritative servers itself.
pub(super) fn config(
    shared: &Shared<'_>,
    (code, role): (&PerspectiveId, PerspectiveRole),
    forwarder: Option<SocketAddr>,
    beyond: toml::Table,
) -> Result<toml::Table, toml::ser::Error> {
    let layout = shared.layout;
    let party = Party::Agent(code.clone());
    let config = Config {
        perspective: code,
        role,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        key_file: layout.key(&party.name()),
        bus: shared.bus(&party),
        traces: shared.traces.clone(),
        dns: Dns {
            backend: forwarder.is_none().then_some("embedded"),
            forwarder,
            forwarder_remote: forwarder.is_some_and(is_remote),
        },
    };
    overlay::merged(&config, beyond)
}

/// What a member needs that looks at the small Internet.
pub(super) fn lab(
    member: &Member,
    internet: &InternetAddresses,
) -> Result<toml::Table, toml::ser::Error> {
    toml::Table::try_from(Lab {
        names: Names { allow_suffix: vec![SUFFIX] },
        addr: Addr { allow: vec![LOOPBACK] },
        egress: Egress { source_v4: member.source },
        ports: Ports { ports: ports(internet) },
    })
}

fn ports(internet: &InternetAddresses) -> BTreeMap<String, u16> {
    BTreeMap::from([("443".to_owned(), internet.https), ("80".to_owned(), internet.http)])
}

/// A resolver on another host.
fn is_remote(resolver: SocketAddr) -> bool {
    !resolver.ip().is_loopback()
}

/// The relaxations that agents of this network state in each reply, in their canonical form.
pub(super) fn relaxations(network: &Network) -> Vec<String> {
    match network {
        Network::Real(forwarder) if is_remote(*forwarder) => {
            vec!["dns.forwarder_remote=true".to_owned()]
        }
        Network::Real(_) => Vec::new(),
        Network::Loopback(internet) => {
            let ports = ports(internet);
            let ports: Vec<_> = ports.iter().map(|(from, to)| format!("{from} = {to}")).collect();
            vec![
                format!("addr.allow=[\"{LOOPBACK}\"]"),
                format!("lab.ports={{ {} }}", ports.join(", ")),
                format!("names.allow_suffix=[\"{SUFFIX}\"]"),
            ]
        }
    }
}

/// The names of the small Internet end so.
const SUFFIX: &str = "example";
/// The small Internet is on loopback.
const LOOPBACK: &str = "127.0.0.0/8";
