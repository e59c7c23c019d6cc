//! The configuration of the small Internet: the given content, seen by the fleet's perspectives.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Member;

/// Where the small Internet listens, as it says in one line of JSON once it does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InternetAddresses {
    /// Perspective code to the address of its resolver.
    pub resolvers: BTreeMap<String, SocketAddr>,
    /// The port of plain HTTP, the same on every web address.
    pub http: u16,
    /// The port of HTTPS, the same on every web address.
    pub https: u16,
}

#[derive(Serialize)]
pub(super) struct Config<'a> {
    view: Vec<View<'a>>,
    #[serde(flatten)]
    content: &'a toml::Table,
}

#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    source: IpAddr,
    resolver: SocketAddr,
}

pub(super) fn config<'a>(
    content: &'a toml::Table,
    members: impl Iterator<Item = &'a Member>,
) -> Config<'a> {
    let view = |member: &'a Member| View {
        name: member.code.as_str(),
        source: member.source.into(),
        resolver: SocketAddr::new(member.resolver.into(), 0),
    };
    Config { view: members.map(view).collect(), content }
}
