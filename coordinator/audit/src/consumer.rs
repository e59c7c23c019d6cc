//! Pulls the stream and hands batches to the appender.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::MessagesErrorKind;
use async_nats::jetstream::{self, consumer};
use futures_util::{Stream, StreamExt};
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::appender::{Acknowledge, Appender, Delivered};

/// When a batch closes: at the first of these.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many messages.
    pub messages_max: NonZeroUsize,
    /// So many octets.
    pub octets_max: NonZeroUsize,
    /// So long after the first message.
    pub interval: Duration,
}

/// Why the stream cannot be pulled any more.
#[derive(Debug, Error)]
pub enum ConsumerError {
    /// The pull cannot be started.
    #[error("cannot pull from the stream")]
    Pull(#[from] consumer::StreamError),
    /// The consumer was deleted, or refuses the pull.
    #[error("the stream's consumer is lost")]
    Lost(#[source] consumer::pull::MessagesError),
    /// A message without the reply subject of an ack.
    #[error("a message does not say where to ack it: {0}")]
    NoAck(String),
}

/// Pulls until `stop`, then hands over what it holds.
pub async fn run(
    consumer: PullConsumer,
    appender: Appender<jetstream::Message>,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), ConsumerError> {
    while !stop.is_cancelled() {
        let pull = consumer.stream().max_messages_per_batch(PULL_MESSAGES).heartbeat(HEARTBEAT);
        let messages = pull.messages().await?;
        pull_until_silent(messages, &appender, limits, &stop).await?;
    }
    Ok(())
}

/// Ends at `stop`, and where the server is silent for so long that the pull is to be renewed.
async fn pull_until_silent(
    mut messages: consumer::pull::Stream,
    appender: &Appender<jetstream::Message>,
    limits: Limits,
    stop: &CancellationToken,
) -> Result<(), ConsumerError> {
    let mut missed = 0;
    loop {
        let (batch, end) = gather(&mut messages, limits, stop).await;
        if !batch.is_empty() {
            missed = 0;
            let delivered = batch.into_iter().map(delivered).collect::<Result<_, _>>()?;
            if appender.append(delivered).await.is_err() {
                // Its own error ends the process.
                stop.cancelled().await;
                return Ok(());
            }
        }
        match end {
            None => {}
            Some(End::Stopped) => return Ok(()),
            Some(End::Failed(error)) => {
                missed += 1;
                tracing::warn!(%error, missed, "the pull is disturbed");
                match error.kind() {
                    MessagesErrorKind::ConsumerDeleted
                    | MessagesErrorKind::PushBasedConsumer
                    | MessagesErrorKind::RequestLimitExceeded => {
                        return Err(ConsumerError::Lost(error));
                    }
                    _ if missed >= MISSED_MAX => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

/// Why a batch is the last one for now.
enum End<E> {
    Stopped,
    Failed(E),
}

/// Takes messages until the batch is to close. A message or error that comes first opens it.
async fn gather<T: Sized + Octets, E>(
    messages: &mut (impl Stream<Item = Result<T, E>> + Unpin),
    limits: Limits,
    stop: &CancellationToken,
) -> (Vec<T>, Option<End<E>>) {
    let mut batch = Vec::new();
    let (mut octets, mut closes_at) = (0, None);
    while batch.len() < limits.messages_max.get() && octets < limits.octets_max.get() {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return (batch, Some(End::Stopped)),
            () = until(closes_at) => break,
            next = messages.next() => next,
        };
        match next {
            Some(Ok(message)) => {
                octets += message.octets();
                closes_at.get_or_insert_with(|| Instant::now() + limits.interval);
                batch.push(message);
            }
            Some(Err(error)) => return (batch, Some(End::Failed(error))),
            None => return (batch, Some(End::Stopped)),
        }
    }
    (batch, None)
}

/// Never, while there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

trait Octets {
    fn octets(&self) -> usize;
}

impl Octets for jetstream::Message {
    fn octets(&self) -> usize {
        self.payload.len()
    }
}

fn delivered(message: jetstream::Message) -> Result<Delivered<jetstream::Message>, ConsumerError> {
    let seq = message.info().map_err(|error| ConsumerError::NoAck(error.to_string()))?;
    let seq = seq.stream_sequence;
    Ok(Delivered { seq, payload: message.payload.clone(), ack: message })
}

impl Acknowledge for jetstream::Message {
    async fn acknowledge(self) -> bool {
        let answer = timeout(ACK_WAIT, self.double_ack()).await;
        let is_acked = matches!(answer, Ok(Ok(())));
        if !is_acked {
            tracing::warn!("the stream does not answer an ack; it will deliver again");
        }
        is_acked
    }
}

/// Messages asked for at a time.
const PULL_MESSAGES: usize = 1_000;

/// The server says that it is there, also when nothing comes.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Disturbances in a row after which the pull is made anew.
const MISSED_MAX: u32 = 3;

/// Redelivery is the retry.
const ACK_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    impl Octets for usize {
        fn octets(&self) -> usize {
            *self
        }
    }

    fn limits() -> Limits {
        Limits {
            messages_max: NonZeroUsize::new(3).expect("not zero"),
            octets_max: NonZeroUsize::new(100).expect("not zero"),
            interval: Duration::from_millis(100),
        }
    }

    /// Messages of these sizes, each so many milliseconds after the one before, then silence.
    fn messages(script: &[(u64, usize)]) -> impl Stream<Item = Result<usize, ()>> + Unpin {
        let messages = stream::iter(script.to_vec()).then(|(wait, octets)| async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Ok(octets)
        });
        Box::pin(messages.chain(stream::pending()))
    }

    async fn sizes(script: &[(u64, usize)]) -> (Vec<usize>, u128) {
        let started = Instant::now();
        let stop = CancellationToken::new();
        let (batch, end) = gather(&mut messages(script), limits(), &stop).await;
        assert!(end.is_none());
        (batch, started.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_closes_at_its_count_its_octets_or_its_time() {
        let quick = [(1, 1), (1, 1), (1, 1), (1, 1)];
        assert_eq!(sizes(&quick).await, (vec![1, 1, 1], 3));
        assert_eq!(sizes(&[(5, 60), (5, 60), (5, 60)]).await, (vec![60, 60], 10));
        assert_eq!(sizes(&[(500, 1), (40, 2), (70, 3)]).await, (vec![1, 2], 600));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_handed_over_at_the_end_and_before_an_error() {
        let stop = CancellationToken::new();
        let mut silent = messages(&[(0, 1)]);
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.cancel();
        };
        let ((batch, end), ()) = tokio::join!(gather(&mut silent, limits(), &stop), stopping);
        assert_eq!(batch, [1]);
        assert!(matches!(end, Some(End::Stopped)));
        let mut failing = stream::iter([Ok(1), Err("gone")]);
        let (batch, end) = gather(&mut failing, limits(), &CancellationToken::new()).await;
        assert_eq!(batch, [1]);
        assert!(matches!(end, Some(End::Failed("gone"))));
    }
}
