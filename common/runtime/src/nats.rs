//! The connection to the bus, with the settings that every process shares.

mod event;
mod health;
mod identity;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use mpic_common::subject;

use crate::config::BusConfig;
pub use event::{BusEvent, watch};
pub use health::BusHealth;
use identity::Identity;
pub use identity::{IdentityError, check};

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

/// Whose echo: the subject on which a process hears itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// `agent`, `coordinator` or `audit`.
    pub role: &'static str,
    /// Its code; empty for the audit consumer.
    pub code: String,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The identity cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
    /// The connection ended for good, so the end of a subscription cannot be agreed.
    #[error("the connection ended before the subscription to {0} did")]
    Lost(String),
    /// No randomness to be had.
    #[error("the system gives no random octets")]
    Random(#[from] getrandom::Error),
}

/// How long a process waits for its own echo.
const ECHO_WAIT: Duration = Duration::from_secs(2);
/// Between echoes of a process that is at work.
const ECHO_EVERY: Duration = Duration::from_secs(5);
/// A denial comes before the echo; this is for the library to hand it on.
const DENIAL_WAIT: Duration = Duration::from_millis(100);
/// Events that wait to be looked at; older ones matter more, so a newer one is dropped.
const EVENTS_MAX: usize = 128;

impl BusError {
    /// Whether it is the bus that turns this process away, for what it does or for who it is.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Denied(_) => true,
            Self::Connect { source, .. } => {
                source.kind() == ConnectErrorKind::AuthorizationViolation
            }
            _ => false,
        }
    }
}

/// Connects, and gives what befalls the connection from then on.
pub async fn connect(
    config: &BusConfig,
    role: Role,
) -> Result<(Client, mpsc::Receiver<BusEvent>), BusError> {
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let client = options(Identity::load(config)?)
        .name(role.name)
        .custom_inbox_prefix(role.inbox_prefix)
        .subscription_capacity(role.subscription_capacity)
        .client_capacity(role.client_capacity)
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(Duration::from_secs(5))
        .request_timeout(Some(Duration::from_secs(5)))
        // The configuration lists every server; what one of them says of others is not believed.
        .ignore_discovered_servers()
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            let events = events.clone();
            async move {
                // Full means that nobody looks; the connection must not wait for that.
                let _ = events.try_send(BusEvent::from(event));
            }
        })
        .connect(config.servers.clone())
        .await
        .map_err(|source| BusError::Connect { servers: config.servers.join(", "), source })?;
    Ok((client, received))
}

fn options(Identity { nkey, tls }: Identity) -> ConnectOptions {
    let options = match nkey {
        Some(key) => ConnectOptions::with_auth_callback(move |nonce| {
            std::future::ready(identity::answer(&key, &nonce))
        }),
        None => ConnectOptions::new(),
    };
    match tls {
        // Without `require_tls` a server, or whoever stands in its place, could do without.
        Some(tls) => options.require_tls(true).tls_client_config(tls),
        None => options,
    }
}

/// Random between 0 and min(4 s, 50 ms x 2^n), so that a fleet does not return at one moment.
fn reconnect_delay(attempts: usize) -> Duration {
    Duration::from_millis(random_up_to((50_u64 << attempts.min(7)).min(4_000)))
}

/// From 0 to `longest`; that itself where the system gives no random octets.
fn random_up_to(longest: u64) -> u64 {
    let mut random = [0; 8];
    match getrandom::fill(&mut random) {
        Ok(()) => u64::from_le_bytes(random) % (longest + 1),
        Err(_) => longest,
    }
}

/// Publishes to oneself and waits for it: the server answers in order, so what came before was
/// received, and a denial of it would have come by now. Gives how long it took.
pub async fn echo(client: &Client, own: &Own) -> Result<Duration, BusError> {
    use futures_util::StreamExt;
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)?;
    let to = subject::echo(own.role, &own.code, nonce);
    let began = Instant::now();
    let mut echoes = client
        .subscribe(to.clone())
        .await
        .map_err(|source| BusError::Subscribe { subject: to.clone(), source })?;
    client
        .publish(to.clone(), bytes::Bytes::new())
        .await
        .map_err(|source| BusError::Publish { subject: to.clone(), source })?;
    match tokio::time::timeout(ECHO_WAIT, echoes.next()).await {
        Ok(Some(_)) => Ok(began.elapsed()),
        _ => Err(BusError::Echo(to)),
    }
}

/// Sees to it that the server has all that was published, for a process that ends: it answers in
/// order, so once the echo is back it has. A bus that is away keeps no process from ending.
pub async fn farewell(client: &Client, own: &Own) -> Result<(), BusError> {
    let heard = async {
        // Whatever it says, the echo tells.
        let _ = client.flush().await;
        echo(client, own).await
    };
    let unheard = || Err(BusError::Echo(format!("the way out of {}", own.code)));
    tokio::time::timeout(2 * ECHO_WAIT, heard).await.unwrap_or_else(|_| unheard()).map(drop)
}

/// Waits until the process hears itself and nothing that it asked for was denied.
pub async fn settle(client: &Client, own: &Own, health: &BusHealth) -> Result<(), BusError> {
    let echoed = echo(client, own).await;
    tokio::time::sleep(DENIAL_WAIT).await;
    match (health.denied(), echoed) {
        (Some(what), _) => Err(BusError::Denied(what)),
        (None, Ok(round_trip)) => {
            health.echoed(round_trip);
            Ok(())
        }
        (None, Err(error)) => Err(error),
    }
}

/// Hears itself every few seconds, and at once when the connection stands anew, until `stop`.
pub async fn beat(
    client: Client,
    own: Own,
    health: Arc<BusHealth>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut epoch = health.epoch();
    loop {
        tokio::select! {
            () = tokio::time::sleep(ECHO_EVERY) => {}
            _ = epoch.changed() => {}
            () = stop.cancelled() => return Ok(()),
        }
        match echo(&client, &own).await {
            Ok(round_trip) => health.echoed(round_trip),
            Err(error) => tracing::warn!(%error, "the bus is not heard"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_comes_back_spread_over_four_seconds_at_most() {
        for attempts in 0..200 {
            let longest = 50 * 2_u64.pow(u32::try_from(attempts.min(10)).unwrap());
            assert!(reconnect_delay(attempts) <= Duration::from_millis(longest.min(4_000)));
        }
        let delays: std::collections::BTreeSet<_> = (0..50).map(|_| reconnect_delay(9)).collect();
        assert!(delays.len() > 10, "{delays:?}");
    }
}
