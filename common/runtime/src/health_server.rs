//! Tells whoever runs a process how it is, by HTTP on a port of its own: `/livez`, `/readyz`, and
//! `/metrics` as Prometheus reads them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metric};
use crate::nats::{BusEvent, BusHealth};
use crate::telemetry;

/// How a process is.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What keeps it from being ready, where anything does.
    pub unready: Option<&'static str>,
    /// Its figures.
    pub metrics: Vec<Metric>,
}

/// How the connection to the bus is: what every process tells.
pub fn of_bus(bus: &BusHealth) -> Health {
    let events = bus.events();
    let count = |kind: &str| events.get(kind).copied().unwrap_or(0);
    let event = |kind| Metric::count("mpic_nats_events_total", count(kind)).of("kind", kind);
    // The first connection is none again.
    let reconnects = count("connected").saturating_sub(1);
    let reconnects = Metric::count("mpic_nats_reconnects_total", reconnects);
    let left_out = Metric::count("mpic_log_lines_left_out_total", telemetry::left_out());
    let round_trip = bus.round_trip().map(|span| span.as_secs_f64());
    let round_trip = round_trip.map(|s| Metric::new("mpic_nats_round_trip_seconds", s));
    let unready = (!bus.is_ready()).then_some("the bus is not heard, or has denied a publish");
    Health {
        unready,
        metrics: BusEvent::KINDS
            .into_iter()
            .map(event)
            .chain([reconnects, left_out])
            .chain(round_trip)
            .collect(),
    }
}

/// Connections at a time; who comes beyond them comes again.
const CONNECTIONS_MAX: usize = 16;
/// A question and its answer take no longer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Octets of a question.
const QUESTION_MAX: u64 = 8_192;

/// Answers at `address` until `stop`; without one it only waits for that.
pub async fn run(
    address: Option<SocketAddr>,
    health: impl Fn() -> Health + Send + Sync + 'static,
    stop: CancellationToken,
) -> io::Result<()> {
    let Some(address) = address else {
        stop.cancelled().await;
        return Ok(());
    };
    let at = |error: io::Error| {
        io::Error::new(error.kind(), format!("health_listen `{address}`: {error}"))
    };
    let listener = TcpListener::bind(address).await.map_err(at)?;
    serve(listener, health, stop).await;
    Ok(())
}

async fn serve(
    listener: TcpListener,
    health: impl Fn() -> Health + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let health = Arc::new(health);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, _)) if connections.len() < CONNECTIONS_MAX => {
                let health = Arc::clone(&health);
                connections.spawn(async move {
                    // Who asks too slowly, or leaves, gets no answer.
                    let _ = timeout(ANSWER_WAIT, answer(connection, &*health)).await;
                });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut connection: TcpStream, health: &impl Fn() -> Health) -> io::Result<()> {
    let mut lines = BufReader::new((&mut connection).take(QUESTION_MAX)).lines();
    let first = lines.next_line().await?.unwrap_or_default();
    // The rest of the question is read, so that closing does not reset the answer away.
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let mut words = first.split(' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/livez")) => ("200 OK", "alive\n".to_owned()),
        (Some("GET"), Some("/readyz")) => match health().unready {
            None => ("200 OK", "ready\n".to_owned()),
            Some(why) => ("503 Service Unavailable", format!("{why}\n")),
        },
        (Some("GET"), Some("/metrics")) => ("200 OK", figures(health())),
        (Some("GET"), _) => ("404 Not Found", String::new()),
        _ => ("405 Method Not Allowed", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body.as_bytes()).await?;
    connection.shutdown().await
}

/// The figures, and whether the process is ready as one of them.
fn figures(health: Health) -> String {
    let ready = Metric::count("mpic_ready", health.unready.is_none().into());
    metrics::text(&[vec![ready], health.metrics].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_and_what_is_none_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let health = || Health { unready: Some("it drains"), metrics: Vec::new() };
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, health, stop.clone()));
        for (question, expected) in [
            ("GET /livez HTTP/1.1", "200"),
            ("GET /readyz HTTP/1.1", "503"),
            ("GET /metrics HTTP/1.1", "200"),
            ("GET /secrets HTTP/1.1", "404"),
            ("POST /livez HTTP/1.1", "405"),
            ("nonsense", "405"),
        ] {
            let mut asking = TcpStream::connect(address).await.unwrap();
            let question = format!("{question}\r\nhost: x\r\n\r\n");
            asking.write_all(question.as_bytes()).await.unwrap();
            let mut answer = String::new();
            asking.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.split(' ').nth(1), Some(expected), "{question}: {answer}");
        }
        stop.cancel();
        serving.join_all().await;
    }
}
