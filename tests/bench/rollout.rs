//! Every agent replaced, one after the other, while jobs come at a steady rate. The jobs are those of
//! the control plane alone, so that the rate is what processes and bus bear and not the small
//! Internet beside them.

use std::sync::Arc;
use std::time::Duration;

use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_runtime::ca_client::Submitted;
use mpic_tests::certification_authority::CertificationAuthority;
use mpic_tests::cluster::{Cluster, agent};
use mpic_tests::internet::Content;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::control::job;
use crate::load::{repeat, share, sorted_ms};

/// What a large CA asks; a machine that bears less gets what it bears.
const PER_SECOND_MAX: f64 = 500.0;
/// The first rate that is tried, of what is decided at saturation, and what each next one is of the
/// one before.
const PART_FIRST: f64 = 0.9;
const PART_NEXT: f64 = 0.85;
const TRIED: Duration = Duration::from_secs(4);
/// A rate is borne where nothing fails and half of the jobs take less than this: where more come than
/// are decided they wait ever longer.
const MEDIAN_MAX_MS: f64 = 50.0;
const UNDISTURBED: Duration = Duration::from_secs(6);

/// What came of jobs at a steady rate.
#[derive(Default)]
struct Steady {
    latencies: Vec<Duration>,
    failed: usize,
}

/// Prints everything.
pub(crate) async fn run() {
    let mut cluster = Cluster::start(Content::new()).await;
    let ca = Arc::new(CertificationAuthority::of(&cluster).await);
    let saturated = saturated(&ca).await;
    let per_second = borne(&ca, saturated).await;
    let stop = CancellationToken::new();
    let (alone, ()) = tokio::join!(at_rate(&ca, per_second, &stop), async {
        sleep(UNDISTURBED).await;
        stop.cancel();
    });
    let stop = CancellationToken::new();
    let began = Instant::now();
    let (among, ()) = tokio::join!(at_rate(&ca, per_second, &stop), async {
        replace_all(&mut cluster).await;
        stop.cancel();
    });
    let took = began.elapsed().as_secs_f64();
    println!(
        "\nAll seven agents replaced within {took:.1} s at {per_second:.0} jobs a second that ask no \
         network,\nthe highest steady rate up to {PER_SECOND_MAX} that this machine bears \
         ({saturated:.0} at saturation):\n"
    );
    println!("{:<12} {:>9} {:>9} {:>7}", "", "before", "meanwhile", "ratio");
    let (before, meanwhile) = (sorted_ms(&alone.latencies), sorted_ms(&among.latencies));
    for percent in [50, 90, 99] {
        let (before, meanwhile) = (share(&before, percent), share(&meanwhile, percent));
        println!("p{percent}, ms {before:>16.1} {meanwhile:>9.1} {:>6.1}x", meanwhile / before);
    }
    println!("jobs         {:>9} {:>9}", before.len(), meanwhile.len());
    println!("failed jobs  {:>9} {:>9}", alone.failed, among.failed);
}

/// Corroborations a second that the machine bears.
async fn saturated(ca: &Arc<CertificationAuthority>) -> f64 {
    const IN_FLIGHT: usize = 64;
    let ca = Arc::clone(ca);
    let ask = move || {
        let ca = Arc::clone(&ca);
        async move {
            ca.decision(&job()).await;
        }
    };
    let (latencies, elapsed) = repeat(IN_FLIGHT, Duration::from_secs(3), ask).await;
    f64::from(u32::try_from(latencies.len()).unwrap()) / elapsed.as_secs_f64()
}

/// The highest rate of those that are tried at which jobs do not pile up.
async fn borne(ca: &Arc<CertificationAuthority>, saturated: f64) -> f64 {
    let mut per_second = PER_SECOND_MAX.min(PART_FIRST * saturated);
    loop {
        let stop = CancellationToken::new();
        let (steady, ()) = tokio::join!(at_rate(ca, per_second, &stop), async {
            sleep(TRIED).await;
            stop.cancel();
        });
        if steady.failed == 0 && share(&sorted_ms(&steady.latencies), 50) < MEDIAN_MAX_MS {
            return per_second;
        }
        per_second *= PART_NEXT;
    }
}

/// For each agent: another of its perspective starts, and it ends.
async fn replace_all(cluster: &mut Cluster) {
    let codes: Vec<_> = std::iter::once(cluster.primary()).chain(cluster.remotes()).collect();
    for code in codes {
        cluster.add_agent(code.as_str()).await;
        cluster.terminate(&agent(code.as_str())).await;
    }
}

/// Submits jobs at this rate until `stop`, however long each takes.
async fn at_rate(
    ca: &Arc<CertificationAuthority>,
    per_second: f64,
    stop: &CancellationToken,
) -> Steady {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut jobs = JoinSet::new();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        jobs.spawn(ask(Arc::clone(ca), job()));
    }
    let mut steady = Steady::default();
    for (took, is_corroborated) in jobs.join_all().await {
        steady.latencies.push(took);
        steady.failed += usize::from(!is_corroborated);
    }
    steady
}

async fn ask(ca: Arc<CertificationAuthority>, job: Job) -> (Duration, bool) {
    let asked = Instant::now();
    let submitted = ca.submit(&job).await;
    let is_corroborated = matches!(
        submitted,
        Ok(Submitted::Decided(told)) if told.decision.outcome == Outcome::Corroborate
    );
    (asked.elapsed(), is_corroborated)
}
