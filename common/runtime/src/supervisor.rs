//! Runs a process's actors: the first to end unasked stops the rest, and the process with them.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

type ActorError = Box<dyn std::error::Error + Send + Sync>;

/// The actors of one process.
#[derive(Debug)]
pub struct Supervisor {
    terminate: Signal,
    interrupt: Signal,
    stop: CancellationToken,
    actors: JoinSet<(&'static str, Result<(), ActorError>)>,
}

/// Why a process ends unasked.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// An actor gave up.
    #[error("{actor} failed")]
    Failed {
        /// Which.
        actor: &'static str,
        /// Why.
        source: ActorError,
    },
    /// An actor ended though nobody stopped it.
    #[error("{0} ended unasked")]
    Unasked(&'static str),
    /// An actor panicked.
    #[error("an actor panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// Some did not end in time.
    #[error("{0} actors did not stop within {1:?}")]
    Undrained(usize, Duration),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
}

impl Supervisor {
    /// A process without actors, which from now on listens for signals: whoever hears that it is
    /// ready may send one at once.
    pub fn new() -> Result<Self, Ended> {
        let listen = |kind| signal(kind).map_err(Ended::Signals);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            stop: CancellationToken::new(),
            actors: JoinSet::new(),
        })
    }

    /// Cancelled once the process is to stop.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs an actor.
    pub fn spawn<F, E>(&mut self, name: &'static str, actor: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<ActorError> + 'static,
    {
        self.actors.spawn(async move { (name, actor.await.map_err(Into::into)) });
    }

    /// Waits for SIGTERM or SIGINT, or for an actor to end; then lets the rest drain for `limit`.
    ///
    /// A second signal ends the wait.
    pub async fn run(mut self, limit: Duration) -> Result<(), Ended> {
        let first = tokio::select! {
            ended = self.actors.join_next() => ended,
            _ = self.terminate.recv() => None,
            _ = self.interrupt.recv() => None,
        };
        let cause = first.map_or(Ok(()), |ended| Err(unasked(ended)));
        self.stop.cancel();
        let drained = tokio::select! {
            drained = tokio::time::timeout(limit, drain(&mut self.actors)) => drained.ok(),
            _ = self.terminate.recv() => None,
            _ = self.interrupt.recv() => None,
        };
        cause.and(drained.unwrap_or(Err(Ended::Undrained(self.actors.len(), limit))))
    }
}

type Joined = Result<(&'static str, Result<(), ActorError>), tokio::task::JoinError>;

fn unasked(ended: Joined) -> Ended {
    match ended {
        Ok((actor, Ok(()))) => Ended::Unasked(actor),
        Ok((actor, Err(source))) => Ended::Failed { actor, source },
        Err(panic) => Ended::Panicked(panic),
    }
}

/// Waits for every actor; the first failure is the one that is told.
async fn drain(actors: &mut JoinSet<(&'static str, Result<(), ActorError>)>) -> Result<(), Ended> {
    let mut result = Ok(());
    while let Some(ended) = actors.join_next().await {
        if !matches!(ended, Ok((_, Ok(())))) {
            result = result.and(Err(unasked(ended)));
        }
    }
    result
}
