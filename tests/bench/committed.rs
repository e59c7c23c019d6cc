//! From a published record to a checkpoint that covers it: at a steady rate, and when many wait.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use mpic_audit::note::LogPublicKey;
use mpic_common::subject;
use mpic_common::testing::examples;
use mpic_common::wire::Kind;
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster};
use mpic_tests::internet::Content;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::cpu;
use crate::load::{share, sorted_ms};

const PER_SECOND: u32 = 500;
const STEADY: u32 = 5_000;
/// Records that wait for the audit consumer when it starts.
const WAITING: u32 = 20_000;

/// How many entries a checkpoint covered, and since when.
type Covered = Vec<(Instant, u64)>;

/// Prints everything.
pub(crate) async fn run() {
    let choices = Choices { remotes: 6, ..Choices::of(Content::new()) };
    let mut cluster = Cluster::start_with(choices.without([COORDINATOR])).await;
    steady(&cluster).await;
    cluster.terminate(AUDIT).await;
    backlog(&mut cluster).await;
}

async fn steady(cluster: &Cluster) {
    let context = cluster.jetstream().await;
    let (watching, stop) = (Watching::of(cluster), CancellationToken::new());
    let before = cpu::seconds(&cluster.process(AUDIT).pid().to_string());
    let (published, covered) = tokio::join!(publish_steadily(&context, &stop), watching.run(&stop));
    let after = cpu::seconds(&cluster.process(AUDIT).pid().to_string());
    let latencies: Vec<_> = published
        .iter()
        .filter_map(|(at, seq)| {
            let since = covered.iter().find(|(_, size)| size > seq)?.0;
            Some(since.duration_since(*at))
        })
        .collect();
    let sorted = sorted_ms(&latencies);
    println!(
        "\n{STEADY} records at {PER_SECOND} a second, from publishing to the checkpoint on disk:"
    );
    println!(
        "median {:.1} ms, 90 % {:.1} ms, 99 % {:.1} ms, {} not covered; {:.3} ms of CPU each",
        share(&sorted, 50),
        share(&sorted, 90),
        share(&sorted, 99),
        published.len() - sorted.len(),
        (after - before) * 1e3 / f64::from(STEADY)
    );
}

/// When each was published, and its sequence in the stream.
async fn publish_steadily(context: &Context, stop: &CancellationToken) -> Vec<(Instant, u64)> {
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    let mut sent = Vec::new();
    for number in 0..STEADY {
        ticks.tick().await;
        let at = Instant::now();
        sent.push((at, publish(context, format!("steady-{number}")).await));
    }
    let published =
        stream::iter(sent).then(|(at, acked)| async move { (at, acked.await.unwrap().sequence) });
    let published = published.collect().await;
    // The last batch.
    sleep(Duration::from_secs(1)).await;
    stop.cancel();
    published
}

/// As fast as the audit consumer is when many records wait.
async fn backlog(cluster: &mut Cluster) {
    let context = cluster.jetstream().await;
    let send = |number| publish(&context, format!("waiting-{number}"));
    let acked = stream::iter(0..WAITING).then(send).map(IntoFuture::into_future);
    let sequences: Vec<_> = acked.buffered(512).map(|ack| ack.unwrap().sequence).collect().await;
    let last = *sequences.last().unwrap();
    let (watching, stop) = (Watching::of(cluster), CancellationToken::new());
    cluster.start_process(AUDIT).await;
    let wait = async {
        while watching.size() <= last {
            sleep(Watching::EVERY).await;
        }
        stop.cancel();
    };
    let (covered, ()) = tokio::join!(watching.run(&stop), wait);
    let (Some((began, first)), Some((ended, size))) = (covered.first(), covered.last()) else {
        return;
    };
    let entries = f64::from(u32::try_from(size - first).unwrap());
    let seconds = ended.duration_since(*began).as_secs_f64();
    println!("{WAITING} records that waited were committed at {:.0} a second", entries / seconds);
}

async fn publish(
    context: &Context,
    id: String,
) -> async_nats::jetstream::context::PublishAckFuture {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, id);
    let to = subject::audit_decision(&"ca1".parse().unwrap());
    context.publish_with_headers(to, headers, decision()).await.unwrap()
}

/// A decision of one primary and five remotes.
fn decision() -> Bytes {
    static DECISION: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| {
        let found = examples().into_iter().find(|(kind, _)| *kind == Kind::Decision);
        found.unwrap().1.into()
    });
    DECISION.clone()
}

/// Reads the checkpoint again and again.
struct Watching {
    file: std::path::PathBuf,
    key: LogPublicKey,
}

impl Watching {
    const EVERY: Duration = Duration::from_millis(1);

    fn of(cluster: &Cluster) -> Self {
        Self { file: cluster.layout().log().join("checkpoint"), key: cluster.log_key() }
    }

    fn size(&self) -> u64 {
        self.key.open(&std::fs::read(&self.file).unwrap()).unwrap().size
    }

    async fn run(&self, stop: &CancellationToken) -> Covered {
        let mut covered: Covered = vec![(Instant::now(), self.size())];
        while stop.run_until_cancelled(sleep(Self::EVERY)).await.is_some() {
            let size = self.size();
            if covered.last().is_none_or(|(_, last)| *last < size) {
                covered.push((Instant::now(), size));
            }
        }
        covered
    }
}
