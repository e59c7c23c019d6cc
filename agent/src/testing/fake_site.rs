//! A web server that does what a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// One thing done on a connection, after the request head has come. Then it is closed.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Sends the octets again and again, with a pause after each, until the peer is gone.
    Repeat(Vec<u8>, Duration),
    /// Waits until the peer is gone.
    Stay,
    /// Closes with RST.
    Reset,
}

pub(crate) fn send(text: impl AsRef<[u8]>) -> Vec<Act> {
    vec![Act::Send(text.as_ref().to_vec())]
}

/// A complete response.
pub(crate) fn response(status: u16, body: &str) -> Vec<Act> {
    send(format!("HTTP/1.1 {status} S\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// A redirect.
pub(crate) fn redirect(status: u16, location: &str) -> Vec<Act> {
    send(format!("HTTP/1.1 {status} S\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

/// The server. It ends when it is dropped.
pub(crate) struct FakeSite {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

type Script = Arc<dyn Fn(&str) -> Vec<Act> + Send + Sync>;

#[derive(Clone)]
struct Server {
    script: Script,
    requests: Arc<Mutex<Vec<String>>>,
    tls: Option<TlsAcceptor>,
}

impl FakeSite {
    /// Plain HTTP at `address`, whose port may be 0.
    pub(crate) async fn start(
        address: impl Into<SocketAddr>,
        script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::with(address.into(), None, script).await
    }

    /// HTTPS.
    pub(crate) async fn start_tls(
        address: impl Into<SocketAddr>,
        tls: TlsAcceptor,
        script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::with(address.into(), Some(tls), script).await
    }

    async fn with(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Server { script: Arc::new(script), requests: Arc::clone(&requests), tls };
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server));
        Self { address, requests, _tasks: tasks }
    }

    /// The heads of all requests, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, server: Server) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, server.clone()));
    }
}

async fn connection(stream: TcpStream, server: Server) {
    let Some(tls) = &server.tls else {
        let mut stream = stream;
        if converse(&mut stream, &server).await {
            stream.set_zero_linger().unwrap();
        }
        return;
    };
    // A handshake that fails is the peer's finding.
    if let Ok(mut stream) = tls.accept(stream).await {
        converse(&mut stream, &server).await;
        let _ = stream.shutdown().await;
    }
}

/// Whether the connection is to be reset.
async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), server: &Server) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else { return false };
        head.push(octet);
    }
    let head = String::from_utf8(head).unwrap();
    let acts = (server.script)(&head);
    server.requests.lock().unwrap().push(head);
    for act in acts {
        match act {
            Act::Send(octets) => {
                let _ = stream.write_all(&octets).await;
                let _ = stream.flush().await;
            }
            Act::Repeat(octets, pause) => {
                while stream.write_all(&octets).await.is_ok() && stream.flush().await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            }
            Act::Stay => {
                let _ = stream.read_u8().await;
            }
            Act::Reset => return true,
        }
    }
    false
}
