//! The servers of the bus, and the leaf nodes in front of perspectives.

use std::net::{IpAddr, SocketAddr};

use mpic_common::code::{CaId, PerspectiveId};
use serde::Deserialize;

use super::{DescriptionError, Source};

/// One nats-server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::fleet) struct Server {
    /// Its name, and that of its files. Required.
    pub(in crate::fleet) name: CaId,
    /// The host names and addresses that others reach it by; the first is in their configurations.
    /// Required.
    pub(in crate::fleet) names: Vec<String>,
    /// Where it listens for clients. Default `0.0.0.0:4222`.
    #[serde(default = "listen")]
    pub(in crate::fleet) listen: SocketAddr,
    /// Where it listens for the others of its cluster. Default `0.0.0.0:6222`.
    #[serde(default = "listen_cluster")]
    pub(in crate::fleet) cluster: SocketAddr,
    /// Where it listens for leaf nodes, where there are any. Default `0.0.0.0:7422`.
    #[serde(default = "listen_leaves")]
    pub(in crate::fleet) leaves: SocketAddr,
    /// Where its monitoring listens. Default `127.0.0.1:8222`.
    #[serde(default = "monitor")]
    pub(in crate::fleet) monitor: SocketAddr,
}

/// A nats-server in the region of one perspective: all of its agents connect to it, and it to the
/// servers of the bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::fleet) struct Leaf {
    /// Its name, and that of its files. Required.
    pub(in crate::fleet) name: CaId,
    /// Whose agents it serves; there may be several for one. Required.
    pub(in crate::fleet) perspective: PerspectiveId,
    /// The host names and addresses that agents reach it by; the first is in their configurations.
    /// The servers know it by the first host name, which its certificate must bear. Required.
    pub(in crate::fleet) names: Vec<String>,
    /// Where it listens for agents. Default `0.0.0.0:4222`.
    #[serde(default = "listen")]
    pub(in crate::fleet) listen: SocketAddr,
    /// Where its monitoring listens. Default `127.0.0.1:8222`.
    #[serde(default = "monitor")]
    pub(in crate::fleet) monitor: SocketAddr,
}

impl Leaf {
    /// The name in its certificate that the servers know it by; nil where it has addresses alone.
    pub(in crate::fleet) fn host_name(&self) -> Option<&str> {
        let is_name = |name: &&String| name.parse::<IpAddr>().is_err();
        self.names.iter().find(is_name).map(String::as_str)
    }
}

impl Source {
    /// Each leaf serves a perspective that is listed, and no two are known by one name.
    pub(super) fn check_leaves(&self) -> Result<(), DescriptionError> {
        let all = &self.description;
        for (number, leaf) in all.leaf.iter().enumerate() {
            let (at, leaf) = (leaf.span().start, leaf.get_ref());
            if !self.perspectives().any(|listed| listed.code == leaf.perspective) {
                let (field, code) = ("leaf.perspective", &leaf.perspective);
                return Err(self.wrong(at, field, code, "no such perspective is listed"));
            }
            let Some(name) = leaf.host_name() else {
                let reason = "one must be a host name: by it the servers know the leaf";
                return Err(self.wrong(at, "leaf.names", leaf.names.join(", "), reason));
            };
            let mut before = all.leaf.iter().take(number);
            let servers = self.servers().flat_map(|server| &server.names);
            if before.any(|other| other.get_ref().host_name() == Some(name))
                || servers.into_iter().any(|other| other == name)
            {
                return Err(self.wrong(at, "leaf.names", name, "the name is taken"));
            }
        }
        Ok(())
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 4_222))
}

fn listen_cluster() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 6_222))
}

fn listen_leaves() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 7_422))
}

fn monitor() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8_222))
}
