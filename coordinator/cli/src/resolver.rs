//! The validating resolver of this machine, for checks of the public Internet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Where a resolver of this machine, such as unbound, listens.
pub const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// Why a resolver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// Nothing answers there.
    #[error(
        "no resolver answers at {0}: start a validating one there (Debian, Ubuntu: apt-get install \
         unbound), or let the agents ask by themselves with --dns embedded"
    )]
    Silent(SocketAddr),
    /// It answers, and does not vouch for what is signed.
    #[error("the resolver at {0} does not validate DNSSEC: its answer about the root is not AD")]
    NotValidating(SocketAddr),
}

impl ResolverError {
    /// What was found, without advice.
    pub fn found(&self) -> String {
        match self {
            Self::Silent(address) => format!("no resolver answers at {address}"),
            Self::NotValidating(_) => self.to_string(),
        }
    }
}

/// `. SOA` with RD=1 and AD=1.
const QUERY: [u8; 17] = [0x4D, 0x50, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];

/// How long to wait for an answer.
const WAIT: Duration = Duration::from_secs(5);

/// Errs unless the resolver at `address` answers a signed question as validated.
pub async fn probe(address: SocketAddr) -> Result<(), ResolverError> {
    let answer = tokio::time::timeout(WAIT, ask(address)).await;
    let answer = answer.ok().and_then(Result::ok).ok_or(ResolverError::Silent(address))?;
    match answer.as_slice() {
        // The AD bit of RFC 4035 3.2.3.
        [0x4D, 0x50, _, flags, ..] if flags & 0x20 != 0 => Ok(()),
        _ => Err(ResolverError::NotValidating(address)),
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    socket.send(&QUERY).await?;
    let mut answer = Vec::with_capacity(4_096);
    socket.recv_buf(&mut answer).await?;
    Ok(answer)
}
