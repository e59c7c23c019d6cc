//! One coordinator with many jobs in flight that nobody answers: what each holds, and how long one
//! takes meanwhile that is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_common::reply::{PerspectiveRole, Reply};
use mpic_tests::certification_authority::{CertificationAuthority, caa};
use mpic_tests::cluster::{COORDINATOR, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::played::PlayedAgent;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::{share, sorted_ms};
use crate::process::{memory_mib, restart_with};

/// Jobs that nobody answers.
const FLYING: usize = 10_000;
/// Jobs that are answered, one after the other.
const ANSWERED: usize = 50;

/// The perspectives, all played here: those of the primary first.
struct Perspectives(Vec<(PlayedAgent, PerspectiveRole)>);

/// Prints everything.
pub(crate) async fn run() {
    let mut cluster = Cluster::start(Content::new()).await;
    let mut perspectives = Perspectives::play(&mut cluster).await;
    restart_with(&mut cluster, COORDINATOR, |config| {
        for key in ["jobs_max", "jobs_per_ca_max"] {
            config.insert(key.to_owned(), i64::try_from(2 * FLYING).unwrap().into());
        }
    })
    .await;
    let ca = Arc::new(CertificationAuthority::of(&cluster).await);
    perspectives.answer_one_by_one(&ca).await;
    let pid = cluster.process(COORDINATOR).pid();
    let before = memory_mib(pid);
    let alone = perspectives.answer_one_by_one(&ca).await;
    let (mut flying, ended) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let mut last = None;
    for _ in 0..FLYING {
        let (ca, ended, job) = (Arc::clone(&ca), Arc::clone(&ended), caa("silent.example"));
        last = Some(job.clone());
        flying.spawn(async move {
            let _ = ca.submit(&job).await;
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    perspectives.wait_for(&last.unwrap()).await;
    let taken = began.elapsed();
    let memory = memory_mib(pid);
    let among = perspectives.answer_one_by_one(&ca).await;
    let flying = FLYING - ended.load(Ordering::Relaxed);
    print(flying, taken, (before, memory), (&alone, &among));
}

#[expect(clippy::cast_precision_loss, reason = "a memory is an estimate")]
fn print(flying: usize, taken: Duration, memory: (f64, f64), latencies: (&[f64], &[f64])) {
    let ((before, after), (alone, among)) = (memory, latencies);
    println!(
        "\nOne coordinator, {FLYING} jobs that no perspective answers, taken in {:.1} s;",
        taken.as_secs_f64()
    );
    println!("{flying} of them were still in flight after {ANSWERED} others were answered:\n");
    println!("{:<34} {:>9} {:>9} {:>7}", "", "alone", "among", "ratio");
    let row = |name: &str, alone: f64, among: f64| {
        println!("{name:<34} {alone:>9.1} {among:>9.1} {:>6.1}x", among / alone);
    };
    row("resident memory, MiB", before, after);
    row("median of an answered job, ms", share(alone, 50), share(among, 50));
    row("slowest tenth of answered jobs, ms", share(alone, 90), share(among, 90));
    println!("KiB a job in flight: {:.1}", (after - before) * 1024.0 / FLYING as f64);
}

impl Perspectives {
    /// Ends every agent and stands in for it.
    async fn play(cluster: &mut Cluster) -> Self {
        let primary = (cluster.primary(), PerspectiveRole::Primary);
        let remotes = cluster.remotes().into_iter().map(|code| (code, PerspectiveRole::Remote));
        let mut played = Vec::new();
        for (code, role) in std::iter::once(primary).chain(remotes) {
            cluster.terminate(&agent(code.as_str())).await;
            played.push((PlayedAgent::of(cluster, code.as_str()).await, role));
        }
        Self(played)
    }

    /// How long jobs take that all perspectives answer at once, the shortest first.
    async fn answer_one_by_one(&mut self, ca: &CertificationAuthority) -> Vec<f64> {
        let mut latencies = Vec::new();
        for _ in 0..ANSWERED {
            let job = caa("answered.example");
            let asked = Instant::now();
            let (decided, ()) = tokio::join!(ca.decision(&job), self.answer(&job));
            latencies.push(asked.elapsed());
            assert_eq!(decided.decision.outcome, Outcome::Corroborate);
        }
        sorted_ms(&latencies)
    }

    async fn answer(&mut self, job: &Job) {
        let answering = self.0.iter_mut().map(|(played, role)| async {
            let received = played.assignment(job).await;
            let reply = Reply { role: *role, ..played.pass(&received) };
            let octets = played.sign(&reply, &received);
            played.send(&received, octets).await;
        });
        join_all(answering).await;
    }

    /// Waits until the primary is asked for `job`, which it does not answer.
    async fn wait_for(&mut self, job: &Job) {
        let (primary, _) = self.0.first_mut().unwrap();
        primary.assignment(job).await;
    }
}
