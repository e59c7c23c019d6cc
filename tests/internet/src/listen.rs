//! Sockets: binding several to one port, and a bounded accept loop.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
    time,
};

/// Connections served at a time, a listener; more wait in the backlog. Below the usual limit of
/// 1,024 open files with two web addresses.
const CONNECTIONS_MAX: usize = 400;

/// The longest life of a connection, for clients that never hang up.
const CONNECTION_MAX: Duration = Duration::from_secs(300);

/// How long to wait after a failed accept, for instance when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often another free port is tried when one is not free on every socket.
const ATTEMPTS_MAX: usize = 50;

/// Binds UDP and TCP to one address; port 0 takes a port that is free for both.
pub(crate) async fn bind_dns(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = ATTEMPTS_MAX;
    loop {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if !may_retry(&error, address.port(), &mut attempts) => return Err(error),
            Err(_) => {}
        }
    }
}

/// Binds TCP to each address, all on one port, and says which; port 0 takes one that is free on
/// all of them.
pub(crate) async fn bind_web(
    addresses: &[IpAddr],
    port: u16,
) -> io::Result<(u16, Vec<TcpListener>)> {
    let mut attempts = ATTEMPTS_MAX;
    loop {
        match bind_each(addresses, port).await {
            Err(error) if may_retry(&error, port, &mut attempts) => {}
            bound => return bound,
        }
    }
}

async fn bind_each(addresses: &[IpAddr], mut port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = TcpListener::bind((*address, port)).await?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok((port, listeners))
}

fn may_retry(error: &io::Error, port: u16, attempts: &mut usize) -> bool {
    *attempts = attempts.saturating_sub(1);
    port == 0 && error.kind() == io::ErrorKind::AddrInUse && *attempts > 0
}

/// Runs `converse` for each connection, a bounded number at a time; never returns.
pub(crate) async fn serve<F, C>(listener: TcpListener, converse: F) -> io::Error
where
    F: Fn(TcpStream, SocketAddr) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, client)) => {
                connections.spawn(time::timeout(CONNECTION_MAX, converse(stream, client)));
            }
            Err(_) => time::sleep(ACCEPT_PAUSE).await,
        }
    }
}
