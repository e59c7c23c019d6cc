//! A stretch of network between clients and the bus: as long as one wishes, and cut when one wishes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The stretch. It ends with its value, and every connection over it.
#[derive(Debug)]
pub struct Link {
    url: String,
    one_way: Arc<OneWay>,
    cuts: watch::Sender<u64>,
    /// Ends what it holds when it is dropped.
    _accepting: JoinSet<()>,
}

/// How long octets are on their way, in milliseconds.
#[derive(Debug, Default)]
struct OneWay {
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// Octets that are on their way at once, in pieces; more wait at the sender.
const PIECES_MAX: usize = 1_024;

impl Link {
    /// A stretch to the server at `url`, of no length yet.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (scheme, server) = url.split_once("://").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (one_way, (cuts, cut)) = (Arc::<OneWay>::default(), watch::channel(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server.to_owned(), Arc::clone(&one_way), cut));
        Self { url, one_way, cuts, _accepting: accepting }
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on octets take so long to the server, and so long back.
    pub fn takes(&self, to_server: Duration, to_client: Duration) {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap();
        self.one_way.to_server.store(ms(to_server), Ordering::Relaxed);
        self.one_way.to_client.store(ms(to_client), Ordering::Relaxed);
    }

    /// Ends every connection, with what is on its way; a new one may be made at once.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    one_way: Arc<OneWay>,
    cut: watch::Receiver<u64>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let (server, one_way, mut cut) = (server.clone(), Arc::clone(&one_way), cut.clone());
        cut.mark_unchanged();
        connections.spawn(async move {
            tokio::select! {
                () = join(client, &server, &one_way) => {}
                _ = cut.changed() => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn join(client: TcpStream, server: &str, one_way: &OneWay) {
    // A server that is away is a connection that ends.
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((client_in, client_out), (server_in, server_out)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = carry(client_in, server_out, &one_way.to_server) => {}
        () = carry(server_in, client_out, &one_way.to_client) => {}
    }
}

/// Octets from one to the other, each after its time, until either end is closed.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, ms: &AtomicU64) {
    let mut underway: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut piece = vec![0; 16 * 1_024];
    loop {
        let due = underway.front().map(|(due, _)| *due);
        tokio::select! {
            read = from.read(&mut piece), if underway.len() < PIECES_MAX => match read {
                Ok(length) if length > 0 => {
                    let due = Instant::now() + Duration::from_millis(ms.load(Ordering::Relaxed));
                    underway.push_back((due, piece[..length].to_vec()));
                }
                _ => return,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        while underway.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            let (_, octets) = underway.pop_front().expect("it is there");
            if to.write_all(&octets).await.is_err() {
                return;
            }
        }
    }
}
