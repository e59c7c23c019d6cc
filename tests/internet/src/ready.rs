//! The line that says that everything is bound, and where.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

/// Printed once on stdout, as one line of JSON, as soon as all sockets are bound.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ready {
    /// Name of each view to the address of its resolver, UDP and TCP.
    pub resolvers: BTreeMap<String, SocketAddr>,
    /// Address of the authoritative name server, UDP and TCP.
    pub authoritative: SocketAddr,
    /// Port of plain HTTP, the same on every web address.
    pub http: u16,
    /// Port of HTTPS, the same on every web address.
    pub https: u16,
}
