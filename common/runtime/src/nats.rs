//! The connection to the bus, with the settings that every process shares.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use tokio::sync::mpsc;

use mpic_common::subject;

use crate::config::BusConfig;

/// What differs between the roles.
#[derive(Debug, Clone)]
pub struct Role {
    /// Shown by the server: role and code.
    pub name: String,
    /// Where answers to this process's own questions go.
    pub inbox_prefix: String,
    /// Messages that wait for the reader of one subscription; above that the newest is dropped.
    pub subscription_capacity: usize,
    /// Commands that wait for the socket.
    pub client_capacity: usize,
}

/// What befell the connection, as far as a process acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// Connected, again or for the first time.
    Connected,
    /// Disconnected; the client reconnects for ever.
    Disconnected,
    /// A message was dropped since its reader was too slow.
    SlowConsumer,
    /// The server will go away.
    LameDuck,
    /// The server denies a subscription: the process would look healthy and be deaf.
    SubscriptionDenied(String),
    /// The server denies a publish.
    PublishDenied(String),
    /// Any other error of the server or the client.
    Other(String),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No server could be reached.
    #[error("cannot connect to the bus at {servers}")]
    Connect {
        /// Where.
        servers: String,
        /// Why.
        source: async_nats::ConnectError,
    },
    /// A subscription failed.
    #[error("cannot subscribe to {subject}")]
    Subscribe {
        /// Which.
        subject: String,
        /// Why.
        source: async_nats::SubscribeError,
    },
    /// A publish failed.
    #[error("cannot publish to {subject}")]
    Publish {
        /// Where to.
        subject: String,
        /// Why.
        source: async_nats::PublishError,
    },
    /// The echo did not come back.
    #[error("no echo on {0} within {ECHO_WAIT:?}")]
    Echo(String),
    /// The server denies what the process needs.
    #[error("the bus denies {0}")]
    Denied(String),
    /// No randomness to be had.
    #[error("the system gives no random octets")]
    Random(#[from] getrandom::Error),
}

/// How long a process waits for its own echo.
const ECHO_WAIT: Duration = Duration::from_secs(2);

/// Events that wait to be looked at; older ones matter more, so a newer one is dropped.
const EVENTS_MAX: usize = 128;

/// Connects, and gives what befalls the connection from then on.
pub async fn connect(
    config: &BusConfig,
    role: Role,
) -> Result<(Client, mpsc::Receiver<BusEvent>), BusError> {
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let options = ConnectOptions::new()
        .name(role.name)
        .custom_inbox_prefix(role.inbox_prefix)
        .subscription_capacity(role.subscription_capacity)
        .client_capacity(role.client_capacity)
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(Duration::from_secs(5))
        .request_timeout(Some(Duration::from_secs(5)))
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                // Full means that nobody looks; the connection must not wait for that.
                let _ = events.try_send(BusEvent::from(event));
            }
        });
    let client = options
        .connect(config.servers.clone())
        .await
        .map_err(|source| BusError::Connect { servers: config.servers.join(", "), source })?;
    Ok((client, received))
}

/// Random between 0 and min(4 s, 50 ms x 2^n), so that a fleet does not return at one moment.
fn reconnect_delay(attempts: usize) -> Duration {
    let longest = (50_u64 << attempts.min(7)).min(4_000);
    let mut random = [0; 8];
    if getrandom::fill(&mut random).is_err() {
        return Duration::from_millis(longest);
    }
    Duration::from_millis(u64::from_le_bytes(random) % (longest + 1))
}

impl From<Event> for BusEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Connected => Self::Connected,
            Event::Disconnected | Event::Closed => Self::Disconnected,
            Event::SlowConsumer(_) => Self::SlowConsumer,
            Event::LameDuckMode => Self::LameDuck,
            Event::ServerError(ServerError::Other(text)) => Self::from_server(text),
            other => Self::Other(other.to_string()),
        }
    }
}

impl BusEvent {
    fn from_server(text: String) -> Self {
        let lower = text.to_ascii_lowercase();
        if lower.contains("permissions violation for subscription") {
            Self::SubscriptionDenied(text)
        } else if lower.contains("permissions violation for publish") {
            Self::PublishDenied(text)
        } else {
            Self::Other(text)
        }
    }
}

/// Publishes to oneself and waits for it: the server answers in order, so what came before was
/// received, and a denial of it would have come by now.
pub async fn echo(client: &Client, role: &str, code: &str) -> Result<(), BusError> {
    use futures_util::StreamExt;
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)?;
    let to = subject::echo(role, code, nonce);
    let mut echoes = client
        .subscribe(to.clone())
        .await
        .map_err(|source| BusError::Subscribe { subject: to.clone(), source })?;
    client
        .publish(to.clone(), bytes::Bytes::new())
        .await
        .map_err(|source| BusError::Publish { subject: to.clone(), source })?;
    match tokio::time::timeout(ECHO_WAIT, echoes.next()).await {
        Ok(Some(_)) => Ok(()),
        _ => Err(BusError::Echo(to)),
    }
}

/// Looks after a running process's connection: logs what befalls it, and ends with an error once
/// a subscription is denied.
pub async fn watch(
    mut events: mpsc::Receiver<BusEvent>,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), BusError> {
    while let Some(Some(event)) = stop.run_until_cancelled(events.recv()).await {
        match event {
            BusEvent::SubscriptionDenied(what) => return Err(BusError::Denied(what)),
            BusEvent::PublishDenied(what) => tracing::error!(what, "the bus denies a publish"),
            BusEvent::SlowConsumer => tracing::error!("a message was dropped: slow consumer"),
            BusEvent::Disconnected => tracing::warn!("disconnected from the bus"),
            BusEvent::Connected => tracing::info!("connected to the bus"),
            BusEvent::LameDuck => tracing::warn!("the server of the bus will go away"),
            BusEvent::Other(what) => tracing::warn!(what, "the bus reports"),
        }
    }
    Ok(())
}
