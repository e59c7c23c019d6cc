//! Name servers on UDP and TCP.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::base::iana::Rcode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::watch,
    task::JoinSet,
    time,
};

use crate::{
    content::Content,
    faults::Effect,
    listen,
    views::Viewer,
    wire::{Received, Role, Transport},
    zones::Answer,
};

/// UDP replies that wait for their delay at a time, a socket; more are lost, as in a full queue.
const DELAYED_MAX: usize = 4_096;

/// How long a TCP client may take for its next query.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A name server, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NameServer {
    /// Whose resolver this is; nobody's if it is the authoritative server.
    pub(crate) resolver_of: Option<Viewer>,
    pub(crate) content: watch::Receiver<Arc<Content>>,
}

struct Reply {
    octets: Vec<u8>,
    delay: Duration,
}

impl NameServer {
    /// Answers datagrams, one after the other; only delayed replies become tasks. Returns when the
    /// socket fails.
    pub(crate) async fn serve_udp(self, socket: UdpSocket) -> io::Error {
        let socket = Arc::new(socket);
        let mut delayed = JoinSet::new();
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let (length, client) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => return error,
            };
            while delayed.try_join_next().is_some() {}
            let query = buffer.get(..length).unwrap_or_default();
            match self.reply(query, client.ip(), Transport::Udp) {
                Some(reply) if reply.delay.is_zero() => {
                    send(&socket, &reply.octets, client).await;
                }
                Some(reply) if delayed.len() < DELAYED_MAX => {
                    let socket = Arc::clone(&socket);
                    delayed.spawn(async move {
                        time::sleep(reply.delay).await;
                        send(&socket, &reply.octets, client).await;
                    });
                }
                Some(_) | None => {}
            }
        }
    }

    /// Answers any number of queries on each connection.
    pub(crate) async fn serve_tcp(self, listener: TcpListener) -> io::Error {
        listen::serve(listener, move |stream, client| {
            let server = self.clone();
            // A client that hangs up in the middle is no concern of the server.
            async move { drop(server.converse(stream, client.ip()).await) }
        })
        .await
    }

    async fn converse(&self, mut stream: TcpStream, client: IpAddr) -> io::Result<()> {
        let mut query = Vec::new();
        loop {
            let length = time::timeout(IDLE_MAX, stream.read_u16()).await??;
            query.resize(usize::from(length), 0);
            time::timeout(IDLE_MAX, stream.read_exact(&mut query)).await??;
            let Some(reply) = self.reply(&query, client, Transport::Tcp) else { continue };
            time::sleep(reply.delay).await;
            let length = u16::try_from(reply.octets.len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes()[..], &reply.octets].concat()).await?;
        }
    }

    fn reply(&self, octets: &[u8], client: IpAddr, transport: Transport) -> Option<Reply> {
        let query = match Received::from(octets) {
            Received::Query(query) => query,
            Received::Unanswerable(octets) => return Some(Reply { octets, delay: Duration::ZERO }),
            Received::Noise => return None,
        };
        let content = self.content.borrow();
        let (role, viewer) = match self.resolver_of {
            Some(viewer) => (Role::Resolver, viewer),
            None => (Role::Authoritative, content.views.viewer(client)),
        };
        let answer = if query.is_internet() {
            content.zones.answer(viewer, &query.question)
        } else {
            Answer::only(Rcode::REFUSED, Effect::default())
        };
        let Effect { drop, delay, .. } = answer.effect;
        if drop {
            return None;
        }
        query.reply(&answer, role, transport).map(|octets| Reply { octets, delay })
    }
}

async fn send(socket: &UdpSocket, octets: &[u8], client: SocketAddr) {
    // A reply that cannot be sent is a datagram lost, and the client asks again.
    let _ = socket.send_to(octets, client).await;
}
