//! What is known of a connection: whether it stands, hears itself, and may do what it must.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::BusEvent;

/// The state of one connection, shared by whoever asks after it.
#[derive(Debug)]
pub struct BusHealth {
    state: Mutex<State>,
    /// Rises whenever the connection stands anew.
    epoch: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    is_connected: bool,
    /// Since the connection stands.
    echoed: Option<Instant>,
    round_trip: Option<Duration>,
    publish_denied: Option<String>,
    subscription_denied: Option<String>,
    events: BTreeMap<&'static str, u64>,
}

/// Without an echo for this long a connection is not relied on.
const ECHO_AGE_MAX: Duration = Duration::from_secs(15);

impl Default for BusHealth {
    fn default() -> Self {
        let state = State { is_connected: true, ..State::default() };
        Self { state: Mutex::new(state), epoch: watch::Sender::new(0) }
    }
}

impl BusHealth {
    /// Whether the connection stands, was heard on lately, and was denied nothing.
    pub fn is_ready(&self) -> bool {
        let state = self.lock();
        let heard = state.echoed.is_some_and(|echoed| echoed.elapsed() < ECHO_AGE_MAX);
        state.is_connected && heard && state.publish_denied.is_none()
    }

    /// What the server has denied, if anything.
    pub fn denied(&self) -> Option<String> {
        let state = self.lock();
        state.subscription_denied.clone().or_else(|| state.publish_denied.clone())
    }

    /// How often each kind of event came.
    pub fn events(&self) -> BTreeMap<&'static str, u64> {
        self.lock().events.clone()
    }

    /// How long the last echo took.
    pub fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trip
    }

    /// Rises whenever the connection stands anew: what was subscribed before counts from nil.
    pub fn epoch(&self) -> watch::Receiver<u64> {
        self.epoch.subscribe()
    }

    pub(super) fn echoed(&self, round_trip: Duration) {
        let mut state = self.lock();
        state.echoed = Some(Instant::now());
        state.round_trip = Some(round_trip);
    }

    pub(super) fn observe(&self, event: &BusEvent) {
        let mut state = self.lock();
        *state.events.entry(event.kind()).or_default() += 1;
        match event {
            BusEvent::Connected => {
                state.is_connected = true;
                state.echoed = None;
                self.epoch.send_modify(|epoch| *epoch += 1);
            }
            BusEvent::Disconnected => state.is_connected = false,
            BusEvent::PublishDenied(what) => state.publish_denied = Some(what.clone()),
            BusEvent::SubscriptionDenied(what) => state.subscription_denied = Some(what.clone()),
            _ => {}
        }
    }

    /// The state is whole whatever a holder of the lock did: each use of it is a few assignments.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_ready_once_it_is_heard_on() {
        let health = BusHealth::default();
        assert!(!health.is_ready());
        health.echoed(Duration::from_millis(1));
        assert!(health.is_ready());
        tokio::time::advance(ECHO_AGE_MAX).await;
        assert!(!health.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_reconnect_it_must_be_heard_on_again() {
        let health = BusHealth::default();
        let mut epoch = health.epoch();
        health.echoed(Duration::from_millis(1));
        health.observe(&BusEvent::Disconnected);
        assert!(!health.is_ready());
        health.observe(&BusEvent::Connected);
        assert!(!health.is_ready());
        assert!(epoch.has_changed().unwrap());
        epoch.mark_unchanged();
        health.echoed(Duration::from_millis(1));
        assert!(health.is_ready());
    }

    #[test]
    fn a_denied_publish_ends_readiness_for_good() {
        let health = BusHealth::default();
        health.echoed(Duration::from_millis(1));
        health.observe(&BusEvent::PublishDenied("x".to_owned()));
        health.observe(&BusEvent::Connected);
        health.echoed(Duration::from_millis(1));
        assert!(!health.is_ready());
        assert_eq!(health.denied().as_deref(), Some("x"));
    }
}
