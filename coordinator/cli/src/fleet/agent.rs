//! An agent's configuration, as far as it leaves the defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mpic_common::code::PerspectiveId;
use mpic_common::reply::PerspectiveRole;
use mpic_runtime::config::BusConfig;
use serde::Serialize;

use super::{InternetAddresses, Member, Network, Shared, keys};

#[derive(Serialize)]
pub(super) struct Config<'a> {
    perspective: &'a PerspectiveId,
    role: PerspectiveRole,
    directory_file: PathBuf,
    directory_root: String,
    key_file: PathBuf,
    bus: BusConfig,
    dns: Dns,
    #[serde(flatten)]
    beyond: Option<Lab>,
}

#[derive(Serialize)]
struct Dns {
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

pub(super) fn config<'a>(shared: &Shared<'_>, member: &'a Member, network: &Network) -> Config<'a> {
    let layout = shared.layout;
    let (forwarder, lab) = match network {
        Network::Real(forwarder) => (Some(*forwarder), None),
        Network::Loopback(internet) => {
            let resolver = internet.resolvers.get(member.code.as_str()).copied();
            (resolver, Some(lab(member, internet)))
        }
    };
    Config {
        perspective: &member.code,
        role: member.role,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        key_file: layout.key(&keys::agent(&member.code)),
        bus: shared.bus.clone(),
        dns: Dns { forwarder, forwarder_remote: forwarder.is_some_and(is_remote) },
        beyond: lab,
    }
}

fn lab(member: &Member, internet: &InternetAddresses) -> Lab {
    Lab {
        names: Names { allow_suffix: vec![SUFFIX] },
        addr: Addr { allow: vec![LOOPBACK] },
        egress: Egress { source_v4: member.source },
        ports: Ports { ports: ports(internet) },
    }
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
