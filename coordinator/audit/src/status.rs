//! Tells operators every 5 s how far the log is and how long the stream still holds out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::Client;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::subject;
use mpic_common::time::{UnixMs, millis};
use mpic_runtime::clock::Clock;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::appender::Progress;
use crate::source::{AuditStream, StreamState};

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The name of the log.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The stream sequence that comes next.
    pub next: u64,
    /// Messages of the stream that are not in the log.
    pub lag_messages: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub lag_ms: u64,
    /// When the last batch was committed; null before the first.
    pub last_commit_ms: Option<UnixMs>,
    /// How long that took, in milliseconds, up to the published checkpoint.
    pub commit_ms: Option<u64>,
    /// Entries in it.
    pub batch_entries: Option<u64>,
    /// Acks that the stream did not answer.
    pub acks_failed: u64,
    /// Until the stream is full, if it goes on filling as it did; null if it does not fill.
    pub hours_until_full: Option<f64>,
}

/// What operators count: the same as values, for discovery and metrics. Ages are in milliseconds;
/// what is not known yet is left out.
pub fn figures(told: Option<&Status>, progress: &Progress, now: UnixMs) -> BTreeMap<String, u64> {
    let age = progress.committed_at.map(|at| millis(now.since(at)));
    let figures = [
        ("size", Some(progress.size)),
        ("checkpoint_age_ms", age),
        ("commit_ms", progress.commit.map(|commit| millis(commit.took))),
        ("batch_entries", progress.commit.map(|commit| commit.entries)),
        ("acks_failed", Some(progress.acks_failed)),
        ("lag_messages", told.map(|status| status.lag_messages)),
        ("lag_ms", told.map(|status| status.lag_ms)),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Status can be neither published nor written.
#[derive(Debug, Error)]
#[error("the task that writes the status has panicked")]
pub struct StatusError(#[from] tokio::task::JoinError);

/// Where status comes from and goes to.
#[derive(Debug)]
pub struct Reporter<C> {
    /// The bus.
    pub client: Client,
    /// The stream.
    pub stream: AuditStream,
    /// The name of the log.
    pub origin: String,
    /// The sequence of entry 1.
    pub base_seq: u64,
    /// How far the log is.
    pub progress: watch::Receiver<Progress>,
    /// The file, in the shard's `.state`.
    pub path: PathBuf,
    /// What was told last, for whoever asks in between; nothing where the stream does not answer.
    pub told: watch::Sender<Option<Status>>,
    /// For lags.
    pub clock: C,
}

impl<C: Clock> Reporter<C> {
    /// Reports until `stop`. What fails is logged and tried again at the next time.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StatusError> {
        let mut ticks = interval(INTERVAL);
        let mut filling = Filling::default();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.stream.state().await {
                Ok(state) => self.report(state, &mut filling).await?,
                Err(error) => {
                    // What was true a while ago would read as if all were well.
                    self.told.send_replace(None);
                    tracing::warn!(%error, "the stream's state is unknown");
                }
            }
        }
        Ok(())
    }

    async fn report(&self, state: StreamState, filling: &mut Filling) -> Result<(), StatusError> {
        let status = self.status(state, filling).await;
        if status.lag_ms > LAG_MAX.as_secs() * 1_000 {
            tracing::warn!(lag_ms = status.lag_ms, lag = status.lag_messages, "the log lags");
        }
        let json = serde_json::to_vec(&status);
        self.told.send_replace(Some(status));
        let Ok(json) = json else { return Ok(()) };
        if let Err(error) = self.client.publish(subject::STATUS_AUDIT, json.clone().into()).await {
            tracing::warn!(%error, "cannot publish the status");
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let temporary = path.with_extension("new");
            std::fs::write(&temporary, json)?;
            std::fs::rename(temporary, path)
        });
        if let Err(error) = written.await? {
            tracing::warn!(%error, "cannot write the status");
        }
        Ok(())
    }

    async fn status(&self, state: StreamState, filling: &mut Filling) -> Status {
        let progress = *self.progress.borrow();
        let (now, next) = (self.clock.now(), self.base_seq + progress.size.saturating_sub(1));
        let lag_messages = (state.last_seq + 1).saturating_sub(next);
        let oldest = if lag_messages > 0 { self.stream.stored_at(next).await } else { None };
        Status {
            origin: self.origin.clone(),
            size: progress.size,
            next,
            lag_messages,
            lag_ms: waited_ms(lag_messages, oldest.or(progress.committed_at), now),
            last_commit_ms: progress.committed_at,
            commit_ms: progress.commit.map(|commit| millis(commit.took)),
            batch_entries: progress.commit.map(|commit| commit.entries),
            acks_failed: progress.acks_failed,
            hours_until_full: filling.hours_until_full(state, now),
        }
    }
}

/// How long the oldest of so many messages has waited; a message whose time cannot be had is
/// younger than the last commit.
fn waited_ms(lag_messages: u64, oldest: Option<UnixMs>, now: UnixMs) -> u64 {
    match oldest {
        Some(oldest) if lag_messages > 0 => millis(now.since(oldest)),
        _ => 0,
    }
}

/// How fast the stream fills, by two looks at it of which the first is half an hour to an hour old.
#[derive(Default)]
struct Filling {
    first: Option<(UnixMs, u64)>,
    second: Option<(UnixMs, u64)>,
}

impl Filling {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn hours_until_full(&mut self, state: StreamState, now: UnixMs) -> Option<f64> {
        let left = state.octets_max.map(|max| max.saturating_sub(state.octets));
        if left.is_some_and(|left| left < RECORD_OCTETS_MAX as u64) {
            // It refuses what does not fit, and so does not grow any more.
            return Some(0.0);
        }
        let (since, octets) = *self.first.get_or_insert((now, state.octets));
        let second = *self.second.get_or_insert((now, state.octets));
        if now.since(second.0) >= LOOK {
            (self.first, self.second) = (Some(second), Some((now, state.octets)));
        }
        let elapsed_ms = now.0.checked_sub(since.0).filter(|ms| *ms > 0)?;
        let growth = state.octets.checked_sub(octets).filter(|growth| *growth > 0)?;
        let left = left?;
        Some(left as f64 / growth as f64 * elapsed_ms as f64 / 3_600_000.0)
    }
}

/// How often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Between two looks at how full the stream is that are compared.
const LOOK: Duration = Duration::from_secs(1_800);

/// A lag that operators should know of.
const LAG_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appender::Commit;

    #[test]
    fn a_stream_that_fills_by_a_tenth_an_hour_is_full_after_nine_more() {
        let state = |octets| StreamState {
            created_ns: 0,
            first_seq: 1,
            last_seq: 1,
            octets,
            octets_max: Some(1_000_000),
        };
        let mut filling = Filling::default();
        assert_eq!(filling.hours_until_full(state(0), UnixMs(0)), None);
        assert_eq!(filling.hours_until_full(state(0), UnixMs(1_000)), None);
        assert_eq!(filling.hours_until_full(state(100_000), UnixMs(3_600_000)), Some(9.0));
    }

    #[test]
    fn a_stream_that_fills_all_at_once_is_seen_to_and_a_full_one_is_full() {
        let state = |octets| StreamState {
            created_ns: 0,
            first_seq: 1,
            last_seq: 1,
            octets,
            octets_max: Some(1_000_000),
        };
        let minute = |minute: u64| UnixMs(minute * 60_000);
        let mut filling = Filling::default();
        for quiet in 0..10_000 {
            assert_eq!(filling.hours_until_full(state(0), minute(quiet)), None);
        }
        let hours = filling.hours_until_full(state(500_000), minute(10_000)).expect("it fills");
        assert!(hours <= 1.0, "{hours}");
        assert_eq!(filling.hours_until_full(state(960_000), minute(10_001)), Some(0.0));
        assert_eq!(filling.hours_until_full(state(960_000), minute(20_000)), Some(0.0));
    }

    #[test]
    fn what_waits_has_waited_since_it_was_stored_and_nothing_waits_where_nothing_lags() {
        assert_eq!(waited_ms(1, Some(UnixMs(1_000)), UnixMs(4_000)), 3_000);
        assert_eq!(waited_ms(0, Some(UnixMs(1_000)), UnixMs(4_000)), 0);
        assert_eq!(waited_ms(1, None, UnixMs(4_000)), 0);
    }

    #[test]
    fn figures_say_what_is_known_and_no_more() {
        let progress = Progress { size: 7, ..Progress::default() };
        let known = figures(None, &progress, UnixMs(5_000));
        assert_eq!(known, [("acks_failed".to_owned(), 0), ("size".to_owned(), 7)].into());
        let commit = Commit { took: Duration::from_millis(12), entries: 3 };
        let progress =
            Progress { committed_at: Some(UnixMs(4_000)), commit: Some(commit), ..progress };
        let known = figures(None, &progress, UnixMs(5_000));
        assert_eq!((known["checkpoint_age_ms"], known["commit_ms"]), (1_000, 12));
        assert_eq!(known["batch_entries"], 3);
    }
}
