//! Where a check may connect to, and from where it does (BR 1.6.1 "Reserved IP Address").

mod reserved;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use mpic_common::reason::Reason;
use tokio::net::{TcpSocket, TcpStream};

/// Which addresses may be connected to. The first of these that applies decides: denied, allowed,
/// reserved, own.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
    own: Vec<IpAddr>,
}

impl AddressPolicy {
    /// `deny` beats `allow`, which beats the IANA registries; `own` are the addresses of the agent
    /// and of the message servers, which no applicant can be.
    pub fn new(deny: Vec<IpNet>, allow: Vec<IpNet>, own: Vec<IpAddr>) -> Self {
        Self { deny, allow, own }
    }

    /// Whether a check may connect to `address`.
    pub fn permits(&self, address: IpAddr) -> bool {
        let listed = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        if listed(&self.deny) {
            return false;
        }
        listed(&self.allow) || !(reserved::contains(address) || self.own.contains(&address))
    }
}

/// The local addresses of DNS and TCP sockets, and what stands for the well-known ports.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// For IPv4; none lets the system choose.
    pub source_v4: Option<Ipv4Addr>,
    /// For IPv6; none lets the system choose.
    pub source_v6: Option<Ipv6Addr>,
    /// From the port of a URL to the port that is really connected to; empty but in laboratories.
    pub lab_ports: BTreeMap<u16, u16>,
}

impl Egress {
    /// The local address to use towards `peer`, if it is not left to the system.
    pub fn source(&self, peer: IpAddr) -> Option<IpAddr> {
        match peer {
            IpAddr::V4(_) => self.source_v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.source_v6.map(IpAddr::V6),
        }
    }

    /// What to bind a socket to before it connects to `peer`: a port of the system's choice.
    pub fn bind(&self, peer: IpAddr) -> SocketAddr {
        let any: IpAddr = match peer {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(self.source(peer).unwrap_or(any), 0)
    }

    /// The port that is connected to where a URL says `port`.
    pub fn port(&self, port: u16) -> u16 {
        self.lab_ports.get(&port).copied().unwrap_or(port)
    }

    /// Connects to `peer`, whose port is `port` to those who ask for it.
    pub async fn connect(&self, peer: IpAddr, port: u16) -> io::Result<TcpStream> {
        let socket = match peer {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(source) = self.source(peer) {
            socket.bind((source, 0).into())?;
        }
        socket.connect((peer, self.port(port)).into()).await
    }
}

/// Why a TCP connection does not stand.
pub(crate) fn connect_reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::ConnectionReset => Reason::ConnectReset,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::ConnectUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn s1_reserved_addresses_are_blocked_everywhere() {
        let policy = AddressPolicy::default();
        for blocked in [
            "3fff::1",
            "100:0:0:2::1",
            "5f00::1",
            "100:0:0:1::1",
            "2001:20::1",
            "::2",
            "fec0::1",
            "ff02::1",
            "64:ff9b::808:808",
            "2002:808:808::",
            "192.88.99.1",
            "192.31.196.1",
            "168.63.129.16",
            "127.0.0.1",
            "10.0.0.1",
            "192.0.2.7",
            "224.0.0.1",
            "::ffff:8.8.8.8",
            "2001:db8::1",
            "::1",
            "::",
            "0.0.0.0",
            "255.255.255.255",
            "100.64.0.1",
            "fe80::1",
            "fc00::1",
            "169.254.169.254",
            "4000::1",
            "1::1",
        ] {
            assert!(!policy.permits(address(blocked)), "{blocked}");
        }
        for permitted in
            ["128.0.0.1", "192.169.0.1", "2600::1", "8.8.8.8", "192.0.1.1", "2001:4860:4860::8888"]
        {
            assert!(policy.permits(address(permitted)), "{permitted}");
        }
    }

    #[test]
    fn s2_allowing_beats_the_registries_and_denying_beats_allowing() {
        let allow = nets(&["10.0.0.0/8"]);
        let policy = AddressPolicy::new(Vec::new(), allow.clone(), Vec::new());
        assert!(policy.permits(address("10.1.2.3")));
        let policy = AddressPolicy::new(nets(&["10.1.2.0/24"]), allow, Vec::new());
        assert!(!policy.permits(address("10.1.2.3")));
        assert!(policy.permits(address("10.1.3.3")));
    }

    #[test]
    fn the_agents_own_addresses_are_blocked_unless_allowed() {
        let own = vec![address("8.8.4.4"), address("127.0.0.1")];
        let policy = AddressPolicy::new(Vec::new(), nets(&["127.0.0.0/8"]), own);
        assert!(!policy.permits(address("8.8.4.4")));
        assert!(policy.permits(address("127.0.0.1")));
    }
}
