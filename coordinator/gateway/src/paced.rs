//! A connection that keeps time while nobody answers on it: a head must be complete in time, and a
//! connection on which nothing is asked ends.
//!
//! Progress never extends a wait: the time of a head runs from its first octet.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How many requests of one connection are being answered, and how many ever were.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<[AtomicUsize; 2]>);

/// Held while a request is being answered.
#[derive(Debug)]
pub struct Answering(Busy);

impl Busy {
    /// A request is being answered, its body included.
    pub fn answer(&self) -> Answering {
        let [now, ever] = &*self.0;
        now.fetch_add(1, Ordering::Relaxed);
        ever.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    fn is_busy(&self) -> bool {
        let [now, _] = &*self.0;
        now.load(Ordering::Relaxed) > 0
    }

    fn ever(&self) -> usize {
        let [_, ever] = &*self.0;
        ever.load(Ordering::Relaxed)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let [now, _] = &*self.0.0;
        now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    busy: Busy,
    /// Requests that were known at the last read.
    known: usize,
    read: Duration,
    idle: Duration,
    state: State,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is asked.
    Idle,
    /// Some of a head has come.
    Head,
    /// Whoever answers keeps time.
    Busy,
    /// Frames come whenever they do; only silence ends it.
    Frames,
    /// Its time is up.
    Over,
}

/// What a client is told whose head is late.
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\n\
    cache-control: no-store\r\ncontent-length: 27\r\nconnection: close\r\n\r\n\
    {\"error\":\"request-timeout\"}";
/// How a client that knows HTTP/2 begins.
const HTTP_2: &[u8] = b"PRI ";

impl<S> Paced<S> {
    /// A head may take `read`; a connection without a request ends after `idle`.
    pub fn new(stream: S, busy: Busy, read: Duration, idle: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(read.max(idle)));
        let mut paced = Self { stream, busy, known: 0, read, idle, state: State::Idle, timer };
        // Who connects means to ask.
        paced.wait(State::Idle, read);
        paced
    }

    fn wait(&mut self, state: State, span: Duration) {
        self.state = state;
        self.timer.as_mut().reset(Instant::now() + span);
    }

    /// Before a read: what is being waited for.
    fn observe(&mut self) {
        let ever = self.busy.ever();
        let is_answered = std::mem::replace(&mut self.known, ever) != ever;
        match (self.state, self.busy.is_busy()) {
            (State::Idle | State::Head, true) => self.state = State::Busy,
            (State::Busy, false) => self.wait(State::Idle, self.idle),
            (State::Idle | State::Head, false) if is_answered => self.wait(State::Idle, self.idle),
            (State::Frames, is_busy) if is_busy || is_answered => {
                self.wait(State::Frames, self.idle);
            }
            _ => {}
        }
    }

    /// After a read of these octets.
    fn received(&mut self, octets: &[u8]) {
        match self.state {
            State::Idle if octets.starts_with(HTTP_2) => self.wait(State::Frames, self.idle),
            State::Idle => self.wait(State::Head, self.read),
            State::Frames => self.wait(State::Frames, self.idle),
            State::Head | State::Busy | State::Over => {}
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.observe();
        if this.state == State::Over {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            let octets = buffer.filled().get(before..).unwrap_or_default();
            if !octets.is_empty() {
                this.received(octets);
            }
            return Poll::Ready(read);
        }
        if this.state == State::Busy || this.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if this.state == State::Head {
            // Nothing was answered yet, so there is room for this much; who is gone misses it.
            let told = Pin::new(&mut this.stream).poll_write(cx, LATE);
            if told.is_ready() {
                let _ = Pin::new(&mut this.stream).poll_flush(cx);
            }
        }
        this.state = State::Over;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const READ: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    fn paced(busy: &Busy) -> (DuplexStream, Paced<DuplexStream>) {
        let (client, server) = duplex(4_096);
        (client, Paced::new(server, busy.clone(), READ, IDLE))
    }

    /// Reads until the end, and gives what came and how long that took.
    async fn read(mut server: Paced<DuplexStream>) -> (Vec<u8>, Duration) {
        let (began, mut octets) = (Instant::now(), Vec::new());
        server.read_to_end(&mut octets).await.unwrap();
        (octets, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_octet_by_octet_ends_on_time_and_is_told_so() {
        let (mut client, server) = paced(&Busy::default());
        let dripping = async {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut told = Vec::new();
            client.read_to_end(&mut told).await.unwrap();
            told
        };
        let (told, (_, took)) = tokio::join!(dripping, read(server));
        assert_eq!(took, READ);
        assert!(
            told.starts_with(b"HTTP/1.1 408 ")
                && told.ends_with(b"{\"error\":\"request-timeout\"}")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_is_not_waited_for() {
        let (_client, server) = paced(&Busy::default());
        assert_eq!(read(server).await, (Vec::new(), READ));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_answered_nothing_ends_and_then_it_may_be_idle() {
        let busy = Busy::default();
        let (mut client, server) = paced(&busy);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut server = server;
        let mut head = [0; 18];
        server.read_exact(&mut head).await.unwrap();
        let answering = busy.answer();
        let reading = tokio::time::timeout(IDLE * 2, server.read_u8());
        assert!(reading.await.is_err(), "the answer takes its time");
        drop(answering);
        assert_eq!(read(server).await, (Vec::new(), IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_answered_at_once_is_no_late_head() {
        let busy = Busy::default();
        let (mut client, mut server) = paced(&busy);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut head = [0; 18];
        server.read_exact(&mut head).await.unwrap();
        drop(busy.answer());
        assert_eq!(read(server).await, (Vec::new(), IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_may_come_whenever_they_do() {
        let (mut client, server) = paced(&Busy::default());
        let sending = async {
            client.write_all(b"PRI * HTTP/2.0").await.unwrap();
            for _ in 0..3 {
                tokio::time::sleep(READ * 2).await;
                client.write_all(b"f").await.unwrap();
            }
        };
        let ((), (octets, took)) = tokio::join!(sending, read(server));
        assert_eq!((octets.len(), took), (17, READ * 6 + IDLE));
    }
}
