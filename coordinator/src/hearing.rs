//! Hears the perspectives: one subscription for the replies of each, as the directory lists them.
//!
//! One wildcard over all would not do: a leaf node that may carry the replies of one perspective
//! is never told of a wider subscription, and its replies would vanish in silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::limits::{ATTEMPT_MAX, LATE_WINDOW};
use mpic_common::subject;
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::Clock;
use mpic_runtime::directory::{Document, LoadError};
use mpic_runtime::nats::BusError;
use mpic_runtime::process::chain;

use crate::directory::UseError;
use crate::figures::{Exchanges, Replied};
use crate::intake::Intake;
use crate::multiplexer::{Multiplexer, Unread};

/// The subscriptions for replies.
#[derive(Debug)]
pub struct Hearing {
    bus: Arc<dyn Bus>,
    coordinator: CoordinatorId,
    replies: Multiplexer,
    exchanges: Exchanges,
    heard: BTreeMap<PerspectiveId, CancellationToken>,
    /// No longer listed, and since when: jobs in flight may still wait for them.
    leaving: BTreeMap<PerspectiveId, (Instant, CancellationToken)>,
    readers: JoinSet<()>,
}

/// How often it is tried to hear every perspective of a new document, and the pause between.
const FOLLOW_TRIES: usize = 5;
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

impl Hearing {
    /// Hears nobody yet.
    pub fn new(
        bus: Arc<dyn Bus>,
        coordinator: CoordinatorId,
        replies: Multiplexer,
        exchanges: Exchanges,
    ) -> Self {
        Self {
            bus,
            coordinator,
            replies,
            exchanges,
            heard: BTreeMap::new(),
            leaving: BTreeMap::new(),
            readers: JoinSet::new(),
        }
    }

    /// Hears every perspective that `directory` lists, whatever its validity: what is not in force
    /// is never asked. One that is no longer listed is heard on, since jobs in flight may wait for
    /// it; the first call after that ends it.
    pub async fn follow(&mut self, directory: &Directory) -> Result<(), BusError> {
        let (listed, now): (Vec<_>, _) = (directory.listed().cloned().collect(), Instant::now());
        let (stays, leaves) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition(|(code, _)| listed.contains(code));
        self.heard = stays;
        let leaves: BTreeMap<_, CancellationToken> = leaves;
        self.leaving.extend(leaves.into_iter().map(|(code, reader)| (code, (now, reader))));
        self.leaving.retain(|_, (since, reader)| {
            let is_awaited = now.duration_since(*since) < ATTEMPT_MAX + LATE_WINDOW;
            if !is_awaited {
                reader.cancel();
            }
            is_awaited
        });
        for code in listed {
            if let Some((_, reader)) = self.leaving.remove(&code) {
                self.heard.insert(code, reader);
            } else if !self.heard.contains_key(&code) {
                self.hear(code).await?;
            }
        }
        Ok(())
    }

    /// The same, tried again where the bus does not let it subscribe.
    pub async fn follow_persistently(&mut self, directory: &Directory) -> Result<(), BusError> {
        for _ in 1..FOLLOW_TRIES {
            match self.follow(directory).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "cannot hear every perspective yet"),
            }
            sleep(FOLLOW_PAUSE).await;
        }
        self.follow(directory).await
    }

    async fn hear(&mut self, code: PerspectiveId) -> Result<(), BusError> {
        let subject = subject::replies(&code, &self.coordinator);
        let messages = self.bus.subscribe(subject, None).await?;
        let stop = CancellationToken::new();
        let (exchanges, from) = (self.exchanges.clone(), code.clone());
        let unread = move |why| {
            let replied = match why {
                Unread::UnknownToken => Replied::UnknownToken,
                Unread::TooMany => Replied::Further,
            };
            exchanges.replied(&from, replied);
        };
        self.readers.spawn(self.replies.clone().run(messages, token, unread, stop.clone()));
        self.heard.insert(code, stop);
        Ok(())
    }
}

fn token(subject: &str) -> Option<[u8; 16]> {
    subject::parse_reply(subject).map(|(_, _, token)| token)
}

/// Reads the directory document again on each SIGHUP, until `stop`. One that cannot be used
/// leaves the one in force, less what it revokes; one that no longer lists this coordinator's key
/// ends the process.
pub async fn follow_directory<P, C: Clock>(
    intake: Arc<Intake<P, C>>,
    mut hearing: Hearing,
    mut hangups: Signal,
    stop: CancellationToken,
) -> Hearing {
    while stop.run_until_cancelled(hangups.recv()).await.flatten().is_some() {
        reload(&intake, &mut hearing, &stop).await;
    }
    hearing
}

/// Reads the directory document again, once.
pub async fn reload<P, C: Clock>(
    intake: &Intake<P, C>,
    hearing: &mut Hearing,
    stop: &CancellationToken,
) {
    match intake.directories.read_again(intake.asker.clock.now()) {
        Ok(Some(next)) => take(intake, hearing, next).await,
        Ok(None) => tracing::info!("the directory document in force is the latest"),
        Err(error @ UseError::Load(LoadError::OwnKey { .. })) => {
            tracing::error!(error = chain(&error), "nothing signed here counts any more");
            stop.cancel();
        }
        Err(error) => tracing::error!(error = chain(&error), "no directory document to take"),
    }
}

/// A perspective is heard before it is asked: jobs use what is new once it is heard and the log
/// has it.
async fn take<P, C>(intake: &Intake<P, C>, hearing: &mut Hearing, next: Document) {
    let directory = Arc::clone(&next.directory);
    if let Err(error) = hearing.follow_persistently(&directory).await {
        return tracing::error!(
            error = chain(&error),
            serial = directory.serial(),
            "what the directory document adds is not used: not every perspective of it is heard"
        );
    }
    match intake.directories.take(next, &intake.recorder).await {
        Ok(()) => tracing::info!(serial = directory.serial(), "directory document in force"),
        Err(error) => tracing::error!(
            error = chain(&error),
            serial = directory.serial(),
            "what the directory document adds is not used: it is not in the log"
        ),
    }
}

#[cfg(test)]
mod tests;
