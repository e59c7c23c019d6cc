//! How many corroborations a second, at what cost, on this machine: a whole system of one primary
//! and six remotes, everything signed and recorded, CAA and http-01 on the small Internet. Then
//! one agent alone.
//!
//! Numbers are for reading beside one another, taken in one run; nothing is asserted. Build the
//! processes first, in the same profile:
//!
//! ```text
//! cargo build --release --workspace --bins && cargo bench -p mpic-tests
//! ```
//!
//! `cargo bench -p mpic-tests -- system` or `-- agent` runs one of the two.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken benchmark should panic")]

mod agent;
mod cpu;

use std::sync::Arc;
use std::time::Duration;

use mpic_common::job::{Dispatch, Job};
use mpic_common::policy::Outcome;
use mpic_tests::certification_authority::{CertificationAuthority, caa, http_01};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;
use tokio::task::JoinSet;
use tokio::time::Instant;

use cpu::{Cpu, GROUPS};

/// What is asked, again and again.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    job: fn(&str) -> Job,
    dispatch: Dispatch,
    in_flight: usize,
}

/// What came of it.
struct Measured {
    latencies: Vec<Duration>,
    elapsed: Duration,
    cpu: Cpu,
}

const SITE: &str = "honest.example";
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(6);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let named: Vec<_> =
        std::env::args().filter(|name| name == "system" || name == "agent").collect();
    let is_wanted = |name: &str| named.is_empty() || named.iter().any(|wanted| wanted == name);
    if is_wanted("system") {
        runtime.block_on(system());
    }
    if is_wanted("agent") {
        runtime.block_on(agent::run());
    }
}

/// The whole system under each load.
async fn system() {
    let cluster = Cluster::start(Content::new().honest(SITE)).await;
    let ca = Arc::new(CertificationAuthority::of(&cluster).await);
    print_head();
    for load in loads() {
        run(&ca, load, WARM_UP).await;
        let before = Cpu::of(&cluster.pids());
        let (latencies, elapsed) = run(&ca, load, MEASURED).await;
        let cpu = Cpu::of(&cluster.pids()).since(&before);
        print_row(load, &Measured { latencies, elapsed, cpu });
    }
}

fn loads() -> impl Iterator<Item = Load> {
    let caa = |dispatch, in_flight| Load { name: "caa", job: caa, dispatch, in_flight };
    let http = |in_flight| Load {
        name: "http-01 + caa",
        job: http_01,
        dispatch: Dispatch::PrimaryFirst,
        in_flight,
    };
    [
        caa(Dispatch::Together, 1),
        caa(Dispatch::PrimaryFirst, 1),
        caa(Dispatch::PrimaryFirst, 16),
        caa(Dispatch::PrimaryFirst, 64),
        http(1),
        http(16),
        http(64),
    ]
    .into_iter()
}

/// Keeps `in_flight` jobs going for `span`; how long each took, and all together.
async fn run(
    ca: &Arc<CertificationAuthority>,
    load: Load,
    span: Duration,
) -> (Vec<Duration>, Duration) {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..load.in_flight {
        let ca = Arc::clone(ca);
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < span {
                let job = Job { dispatch: load.dispatch, ..(load.job)(SITE) };
                let asked = Instant::now();
                let told = ca.decision(&job).await;
                latencies.push(asked.elapsed());
                assert_eq!(told.decision.outcome, Outcome::Corroborate);
            }
            latencies
        });
    }
    let latencies = clients.join_all().await.concat();
    (latencies, started.elapsed())
}

fn print_head() {
    println!("CPU is milliseconds a corroboration; `system` leaves out the small Internet and the");
    println!("load generator, which a deployment does not have.\n");
    print!("{:<14} {:<13} {:>6} {:>7}", "load", "dispatch", "flying", "per s");
    print!(" {:>8} {:>8} {:>7}", "p50 ms", "p99 ms", "system");
    for group in GROUPS {
        print!(" {group:>11}");
    }
    println!();
}

fn print_row(load: Load, measured: &Measured) {
    let mut latencies = measured.latencies.clone();
    latencies.sort_unstable();
    let at = |share: usize| {
        let index = (latencies.len() * share / 100).min(latencies.len() - 1);
        latencies.get(index).unwrap().as_secs_f64() * 1e3
    };
    let jobs = u32::try_from(latencies.len()).unwrap();
    let dispatch = match load.dispatch {
        Dispatch::Together => "together",
        Dispatch::PrimaryFirst => "primary-first",
    };
    let per_second = f64::from(jobs) / measured.elapsed.as_secs_f64();
    let each = |seconds: f64| seconds * 1e3 / f64::from(jobs);
    print!("{:<14} {dispatch:<13} {:>6} {per_second:>7.0}", load.name, load.in_flight);
    print!(" {:>8.2} {:>8.2} {:>7.2}", at(50), at(99), each(measured.cpu.system()));
    for group in GROUPS {
        print!(" {:>11.3}", each(measured.cpu.group(group)));
    }
    println!();
}
