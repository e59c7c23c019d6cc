//! The actor that owns the log: a batch of the stream becomes entries, each once and in order,
//! and only then is the stream acked.

mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind};
use mpic_runtime::clock::Clock;
use mpic_runtime::metrics::Histogram;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::order::in_order;
use crate::genesis::OwnEntry;
use crate::log::{Log, LogError, Step, Steps};
use crate::source::Source;

/// Batches go in here.
#[derive(Clone, Debug)]
pub struct Appender<A> {
    inbox: mpsc::Sender<Vec<Delivered<A>>>,
}

/// A message of the stream as the consumer delivered it.
#[derive(Debug)]
pub struct Delivered<A> {
    /// Its sequence in the stream.
    pub seq: u64,
    /// Its octets, the entry.
    pub payload: Bytes,
    /// Acks it and all before it.
    pub ack: A,
}

/// Tells the stream that a message is in the log.
pub trait Acknowledge: Send + 'static {
    /// Whether the stream has answered; if not, it delivers the messages again.
    fn acknowledge(self) -> impl Future<Output = bool> + Send;
}

/// How far the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// The number of entries.
    pub size: u64,
    /// When the last commit ended; `None` before the first.
    pub committed_at: Option<UnixMs>,
    /// The last commit; `None` before the first.
    pub commit: Option<Commit>,
    /// Acks without an answer.
    pub acks_failed: u64,
    /// How long commits took.
    pub commits: Histogram,
    /// Entries added that are no record.
    pub foreign: u64,
    /// Entries added that stand for lost messages.
    pub gaps: u64,
}

/// One commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// From the batch in order to its published checkpoint.
    pub took: Duration,
    /// Entries that it added.
    pub entries: u64,
}

/// What the appender needs besides the log.
#[derive(Debug)]
pub struct Stream<S, C> {
    /// Where missing messages come from.
    pub source: S,
    /// The sequence of entry 1.
    pub base_seq: u64,
    /// Sequences that an operator has given up: a `gap` entry stands for each.
    pub accept_gaps: BTreeSet<u64>,
    /// Is told of the steps of each batch.
    pub steps: Steps,
    /// For the time of the last commit.
    pub clock: C,
}

/// The appender has ended, and the process with it.
#[derive(Debug, Error)]
#[error("the appender has ended")]
pub struct Ended;

/// Why nothing more can be appended.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The log cannot go on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A message is delivered again with other octets than are in the log.
    #[error("sequence {seq} of the stream is not what the log has of it: the stream was rewritten")]
    Rewritten {
        /// Its sequence.
        seq: u64,
    },
    /// The stream has lost a message before it was logged.
    #[error("sequence {seq} is lost: the stream has no such message")]
    Lost {
        /// Its sequence.
        seq: u64,
    },
}

impl AppendError {
    /// As for the log; a stream that was rewritten or has lost a message is evidence.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Log(error) => error.exit_code(),
            Self::Rewritten { .. } | Self::Lost { .. } => 70,
        }
    }
}

/// One batch waits while another is committed; the stream holds the rest.
const INBOX_MAX: usize = 1;

impl<A: Acknowledge> Appender<A> {
    /// The handle, the future to run, and how far the log is. The future ends when all handles
    /// are gone and what they sent is committed and acked.
    pub fn new<L: Log, S: Source, C: Clock>(
        log: L,
        stream: Stream<S, C>,
    ) -> (Self, impl Future<Output = Result<(), AppendError>>, watch::Receiver<Progress>) {
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let (progress, watched) =
            watch::channel(Progress { size: log.size(), ..Progress::default() });
        (Self { inbox: sender }, run(log, stream, inbox, progress), watched)
    }

    /// Hands over a batch; waits while another one waits.
    pub async fn append(&self, batch: Vec<Delivered<A>>) -> Result<(), Ended> {
        self.inbox.send(batch).await.map_err(|_| Ended)
    }
}

async fn run<L: Log, A: Acknowledge, S: Source, C: Clock>(
    mut log: L,
    stream: Stream<S, C>,
    mut inbox: mpsc::Receiver<Vec<Delivered<A>>>,
    progress: watch::Sender<Progress>,
) -> Result<(), AppendError> {
    while let Some(batch) = inbox.recv().await {
        let (messages, last) = split(batch);
        let entries = in_order(&mut log, &stream, messages).await?;
        reached(&stream.steps, Step::Ordered)?;
        let (began, count) = (Instant::now(), entries.len() as u64);
        let (gaps, foreign) = strangers(&entries);
        log.append(entries).await?;
        let commit = Commit { took: began.elapsed(), entries: count };
        // Before the ack: whoever waits for a proof need not wait for a stream that is slow to answer.
        progress.send_modify(|progress| {
            progress.size = log.size();
            if commit.entries > 0 {
                progress.committed_at = Some(stream.clock.now());
                progress.commit = Some(commit);
                progress.commits.observe(commit.took);
            }
            progress.gaps += gaps;
            progress.foreign += foreign;
        });
        let is_acked = match last {
            Some(ack) => ack.acknowledge().await,
            None => true,
        };
        progress.send_if_modified(|progress| {
            progress.acks_failed += u64::from(!is_acked);
            !is_acked
        });
        reached(&stream.steps, Step::Acked)?;
        log.tidy().await?;
        tracing::debug!(size = log.size(), is_acked, "batch committed");
    }
    Ok(())
}

/// How many entries stand for lost messages, and how many are no record. For operators to know of:
/// all of them are logged as they are.
fn strangers(entries: &[Bytes]) -> (u64, u64) {
    let (mut gaps, mut foreign) = (0, 0);
    for entry in entries {
        match Envelope::parse(entry, RECORD_OCTETS_MAX).map(|envelope| envelope.kind) {
            Ok(
                Kind::Decision
                | Kind::Late
                | Kind::Superseded
                | Kind::Refusal
                | Kind::Directory
                | Kind::Note,
            ) => {}
            Err(_) if matches!(OwnEntry::decode(entry), Ok(OwnEntry::Gap(_))) => gaps += 1,
            _ => foreign += 1,
        }
    }
    (gaps, foreign)
}

/// The messages, and what acks the highest of them.
fn split<A>(batch: Vec<Delivered<A>>) -> (Vec<(u64, Bytes)>, Option<A>) {
    let mut highest: Option<(u64, A)> = None;
    let mut messages = Vec::with_capacity(batch.len());
    for Delivered { seq, payload, ack } in batch {
        messages.push((seq, payload));
        if highest.as_ref().is_none_or(|(known, _)| *known <= seq) {
            highest = Some((seq, ack));
        }
    }
    (messages, highest.map(|(_, ack)| ack))
}

fn reached(steps: &Steps, step: Step) -> Result<(), LogError> {
    steps.reached(step).map_err(|source| LogError::Io {
        operation: "go on after",
        path: step.to_string(),
        source,
    })
}
