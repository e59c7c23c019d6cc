//! Accepts connections: TLS where it is configured, HTTP/1.1 and HTTP/2, each with its limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mpic_runtime::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::paced::{Busy, Paced};
use crate::service::{Peer, Service};
use crate::tls::public_key_hash;

/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// Fields of a head, beyond which HTTP/1.1 answers 431 by itself.
const HEADERS_MAX: usize = 1_000;
/// Between two tries where the system accepts nothing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come.
pub struct Server<C> {
    /// Answers.
    pub service: Arc<Service<C>>,
    /// The channel.
    pub tls: Option<TlsAcceptor>,
    /// Where.
    pub listener: TcpListener,
}

impl<C> std::fmt::Debug for Server<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl<C: Clock> Server<C> {
    /// Serves until `stop`, and then ends what is in flight.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let limits = &self.service.limits;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let mut connections = JoinSet::new();
        loop {
            // Who is not accepted waits in the queue of the system.
            let place = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (service, tls) = (Arc::clone(&self.service), self.tls.clone());
                    let stop = stop.clone();
                    connections.spawn(async move {
                        serve(service, tls, stream, address, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        // An answer in flight has its time; who reads it too slowly has no more.
        let _ = tokio::time::timeout(limits.request(), drained).await;
        Ok(())
    }
}

/// One connection to its end.
async fn serve<C: Clock>(
    service: Arc<Service<C>>,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    address: SocketAddr,
    stop: CancellationToken,
) {
    // Small answers leave at once; a socket that cannot do so is only slower.
    let _ = stream.set_nodelay(true);
    let mut peer = Peer { address: address.ip(), certificate: None };
    let Some(tls) = tls else { return speak(service, stream, peer, stop).await };
    let handshake = tokio::time::timeout(service.limits.read(), tls.accept(stream));
    if let Ok(Ok(stream)) = handshake.await {
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        peer.certificate = leaf.and_then(public_key_hash);
        speak(service, stream, peer, stop).await;
    }
}

async fn speak<C: Clock, S>(
    service: Arc<Service<C>>,
    stream: S,
    peer: Peer,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(&service);
    let (busy, limits) = (Busy::default(), &service.limits);
    let idle = Duration::from_millis(limits.idle_ms);
    let stream = Paced::new(stream, busy.clone(), limits.read(), idle);
    let answer = service_fn(move |request| {
        let answering = busy.answer();
        let responding = Arc::clone(&service).respond(peer.clone(), request);
        async move {
            let response = responding.await;
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    // What a client does wrong with its connection ends that connection alone.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

fn builder<C>(service: &Service<C>) -> auto::Builder<TokioExecutor> {
    let limits = &service.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The connection itself keeps time.
        .header_read_timeout(None)
        // Beyond the limit of a head, so that one that is too large is answered as such.
        .max_buf_size(limits.head_octets_max.saturating_mul(2))
        .max_headers(HEADERS_MAX);
    let head = u32::try_from(limits.head_octets_max).unwrap_or(u32::MAX);
    builder.http2().max_concurrent_streams(STREAMS_MAX).max_header_list_size(head);
    builder
}
