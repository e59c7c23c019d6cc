//! What befalls a connection, and what a process does about it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ClientError, Event, ServerError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{BusError, BusHealth};

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
    /// The server does not know the nkey, or the certificate.
    Unauthorized,
    /// The server denies a subscription: the process would look healthy and be deaf.
    SubscriptionDenied(String),
    /// The server denies a publish.
    PublishDenied(String),
    /// Any other error of the server or the client.
    Other(String),
}

/// The server turns a process away for so long that its seed and certificate should be read again.
const UNAUTHORIZED_MAX: Duration = Duration::from_secs(60);
/// A server in lame-duck mode is left after this and up to seven seconds more, so that a fleet
/// does not leave at one moment.
const LAME_DUCK_MIN: Duration = Duration::from_secs(1);
const LAME_DUCK_SPREAD_MS: u64 = 7_000;
/// What is written leaves within this.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

impl From<Event> for BusEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Connected => Self::Connected,
            Event::Disconnected | Event::Closed => Self::Disconnected,
            Event::SlowConsumer(_) => Self::SlowConsumer,
            Event::LameDuckMode => Self::LameDuck,
            Event::ServerError(ServerError::AuthorizationViolation) => Self::Unauthorized,
            Event::ServerError(ServerError::Other(text))
            | Event::ClientError(ClientError::Other(text)) => Self::from_text(text),
            other => Self::Other(other.to_string()),
        }
    }
}

impl BusEvent {
    fn from_text(text: String) -> Self {
        let lower = text.to_ascii_lowercase();
        if lower.contains("permissions violation for subscription") {
            Self::SubscriptionDenied(text)
        } else if lower.contains("permissions violation for publish") {
            Self::PublishDenied(text)
        } else if lower.contains("authorization violation") {
            Self::Unauthorized
        } else {
            Self::Other(text)
        }
    }

    /// Every name that `kind` gives.
    pub const KINDS: [&str; 8] = [
        "connected",
        "disconnected",
        "slow_consumer",
        "lame_duck",
        "unauthorized",
        "subscription_denied",
        "publish_denied",
        "other",
    ];

    /// Its name in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::SlowConsumer => "slow_consumer",
            Self::LameDuck => "lame_duck",
            Self::Unauthorized => "unauthorized",
            Self::SubscriptionDenied(_) => "subscription_denied",
            Self::PublishDenied(_) => "publish_denied",
            Self::Other(_) => "other",
        }
    }
}

/// Looks after a running process's connection, and ends with an error once a restart is what
/// helps: a subscription is denied, or the process is turned away for a minute.
pub async fn watch(
    client: Client,
    mut events: mpsc::Receiver<BusEvent>,
    health: Arc<BusHealth>,
    stop: CancellationToken,
) -> Result<(), BusError> {
    let (mut leave_at, mut turned_away) = (None, None);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = until(leave_at) => {
                leave_at = None;
                leave(&client).await;
                continue;
            }
            () = until(turned_away) => {
                return Err(BusError::Denied("this process for a minute".to_owned()));
            }
            () = stop.cancelled() => None,
        };
        let Some(event) = event else { return Ok(()) };
        health.observe(&event);
        tell(&event);
        match event {
            BusEvent::SubscriptionDenied(what) => return Err(BusError::Denied(what)),
            BusEvent::Connected => (leave_at, turned_away) = (None, None),
            BusEvent::Unauthorized => {
                turned_away = turned_away.or_else(|| Some(Instant::now() + UNAUTHORIZED_MAX));
            }
            BusEvent::LameDuck => {
                leave_at = leave_at.or_else(|| Some(Instant::now() + lame_duck_pause()));
            }
            _ => {}
        }
    }
}

fn tell(event: &BusEvent) {
    match event {
        BusEvent::SubscriptionDenied(_) => {}
        BusEvent::PublishDenied(what) => tracing::error!(what, "the bus denies a publish"),
        BusEvent::SlowConsumer => tracing::error!("a message was dropped: slow consumer"),
        BusEvent::Unauthorized => tracing::error!("the bus does not know this process"),
        BusEvent::Disconnected => tracing::warn!("disconnected from the bus"),
        BusEvent::Connected => tracing::info!("connected to the bus"),
        BusEvent::LameDuck => tracing::warn!("the server of the bus will go away"),
        BusEvent::Other(what) => tracing::warn!(what, "the bus reports"),
    }
}

/// Goes to another server, with nothing left unwritten.
async fn leave(client: &Client) {
    if !matches!(timeout(FLUSH_WAIT, client.flush()).await, Ok(Ok(()))) {
        tracing::warn!("cannot flush before leaving the server");
    }
    if let Err(error) = client.force_reconnect().await {
        tracing::warn!(%error, "cannot leave the server");
    }
}

fn lame_duck_pause() -> Duration {
    LAME_DUCK_MIN + Duration::from_millis(super::random_up_to(LAME_DUCK_SPREAD_MS))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_told_apart() {
        let server = |text: &str| BusEvent::from_text(text.to_owned());
        let text =
            "Permissions Violation for Subscription to \"mpic.v1.check.x\" using queue \"x\"";
        assert_eq!(server(text), BusEvent::SubscriptionDenied(text.to_owned()));
        let text = "Permissions Violation for Publish to \"mpic.v1.job.ca2\"";
        assert_eq!(server(text), BusEvent::PublishDenied(text.to_owned()));
        assert_eq!(server("authorization violation"), BusEvent::Unauthorized);
        assert_eq!(server("stale connection").kind(), "other");
    }
}
