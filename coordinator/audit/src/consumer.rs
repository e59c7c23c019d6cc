//! Pulls the stream and hands batches to the appender.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_nats::jetstream::consumer::StreamError;
use futures_util::{Stream, StreamExt};
use thiserror::Error;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::appender::{Acknowledge, Appender, Delivered};
use crate::pull::{Deliveries, Disturbance, Pull};

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
    Pull(#[from] StreamError),
    /// It brings what no pull can mend.
    #[error(transparent)]
    Lost(Disturbance),
}

/// Pulls until `stop`, then hands over what it holds.
pub async fn run<P: Pull>(
    consumer: P,
    appender: Appender<P::Ack>,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), ConsumerError> {
    while !stop.is_cancelled() {
        let messages = consumer.pull().await?;
        pull_until_silent(messages, &appender, limits, &stop).await?;
    }
    Ok(())
}

/// Ends at `stop`, and where the server is silent for so long that the pull is to be renewed.
async fn pull_until_silent<A: Acknowledge>(
    mut messages: Deliveries<A>,
    appender: &Appender<A>,
    limits: Limits,
    stop: &CancellationToken,
) -> Result<(), ConsumerError> {
    let mut missed = 0;
    loop {
        let (batch, end) = gather(&mut messages, limits, stop).await;
        if !batch.is_empty() {
            missed = 0;
            if appender.append(batch).await.is_err() {
                // Its own error ends the process.
                stop.cancelled().await;
                return Ok(());
            }
        }
        match end {
            None => {}
            Some(End::Stopped) => return Ok(()),
            Some(End::Failed(Disturbance::Passing(why))) => {
                missed += 1;
                tracing::warn!(why, missed, "the pull is disturbed");
                if missed >= MISSED_MAX {
                    return Ok(());
                }
            }
            Some(End::Failed(lost)) => return Err(ConsumerError::Lost(lost)),
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

impl<A> Octets for Delivered<A> {
    fn octets(&self) -> usize {
        self.payload.len()
    }
}

/// Disturbances in a row after which the pull is made anew.
const MISSED_MAX: u32 = 3;

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
