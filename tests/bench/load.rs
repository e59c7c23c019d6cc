//! Jobs that are kept in flight, what they cost each process, and how that is printed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::job::{Dispatch, Job};
use mpic_common::policy::Outcome;
use mpic_tests::certification_authority::CertificationAuthority;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cpu::{Cpu, GATEWAY, GROUPS};

/// What is asked, again and again.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) job: fn() -> Job,
    pub(crate) dispatch: Dispatch,
    pub(crate) in_flight: usize,
}

/// What came of it.
pub(crate) struct Measured {
    latencies: Vec<Duration>,
    elapsed: Duration,
    cpu: Cpu,
}

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(6);

impl Load {
    /// What the load costs a system of these processes, once it is warm.
    pub(crate) async fn measure(
        self,
        ca: &Arc<CertificationAuthority>,
        pids: &BTreeMap<String, u32>,
    ) -> Measured {
        self.run(ca, WARM_UP).await;
        let before = Cpu::of(pids);
        let (latencies, elapsed) = self.run(ca, MEASURED).await;
        Measured { latencies, elapsed, cpu: Cpu::of(pids).since(&before) }
    }

    /// Keeps jobs going for `span`; how long each took, and all together.
    async fn run(
        self,
        ca: &Arc<CertificationAuthority>,
        span: Duration,
    ) -> (Vec<Duration>, Duration) {
        let ca = Arc::clone(ca);
        repeat(self.in_flight, span, move || {
            let ca = Arc::clone(&ca);
            async move {
                let job = Job { dispatch: self.dispatch, ..(self.job)() };
                let told = ca.decision(&job).await;
                assert_eq!(told.decision.outcome, Outcome::Corroborate);
            }
        })
        .await
    }

    fn dispatch(self) -> &'static str {
        match self.dispatch {
            Dispatch::Together => "together",
            Dispatch::PrimaryFirst => "primary-first",
        }
    }
}

/// Keeps `in_flight` of what `ask` makes going for `span`; how long each took, and all together.
pub(crate) async fn repeat<F: Future<Output = ()> + Send>(
    in_flight: usize,
    span: Duration,
    ask: impl Fn() -> F + Clone + Send + 'static,
) -> (Vec<Duration>, Duration) {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..in_flight {
        let ask = ask.clone();
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < span {
                let asked = Instant::now();
                ask().await;
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    let latencies = clients.join_all().await.concat();
    (latencies, started.elapsed())
}

impl Measured {
    /// Of `ask`, kept going as often as `in_flight` says, by these processes.
    pub(crate) async fn of<F: Future<Output = ()> + Send>(
        in_flight: usize,
        pids: &BTreeMap<String, u32>,
        ask: impl Fn() -> F + Clone + Send + 'static,
    ) -> Self {
        repeat(in_flight, WARM_UP, ask.clone()).await;
        let before = Cpu::of(pids);
        let (latencies, elapsed) = repeat(in_flight, MEASURED, ask).await;
        Self { latencies, elapsed, cpu: Cpu::of(pids).since(&before) }
    }

    /// Milliseconds of CPU that the system spent on each.
    pub(crate) fn system_ms(&self) -> f64 {
        self.each(self.cpu.system())
    }

    /// The same, with the gateway.
    pub(crate) fn with_gateway_ms(&self) -> f64 {
        self.system_ms() + self.group_ms(GATEWAY)
    }

    /// Milliseconds of CPU that one group spent on each.
    pub(crate) fn group_ms(&self, group: &str) -> f64 {
        self.each(self.cpu.group(group))
    }

    /// How many a second.
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap()) / self.elapsed.as_secs_f64()
    }

    /// Within how many milliseconds this share of them, in percent, was answered.
    pub(crate) fn share_ms(&self, percent: usize) -> f64 {
        share(&sorted_ms(&self.latencies), percent)
    }

    fn each(&self, seconds: f64) -> f64 {
        seconds * 1e3 / f64::from(u32::try_from(self.latencies.len()).unwrap())
    }

    /// One row below `print_head`.
    pub(crate) fn print(&self, name: &str, dispatch: &str, in_flight: usize) {
        print!("{name:<14} {dispatch:<13} {in_flight:>6} {:>7.0}", self.per_second());
        print!(" {:>8.2} {:>8.2}", self.share_ms(50), self.share_ms(99));
        print!(" {:>7.2}", self.system_ms());
        for group in GROUPS {
            print!(" {:>11.3}", self.group_ms(group));
        }
        println!();
    }

    pub(crate) fn print_load(&self, load: Load) {
        self.print(load.name, load.dispatch(), load.in_flight);
    }
}

/// The columns of `Measured::print`.
pub(crate) fn print_head() {
    println!("CPU is milliseconds a corroboration; `system` leaves out the small Internet and the");
    println!("load generator, which a deployment does not have.\n");
    print!("{:<14} {:<13} {:>6} {:>7}", "load", "dispatch", "flying", "per s");
    print!(" {:>8} {:>8} {:>7}", "p50 ms", "p99 ms", "system");
    for group in GROUPS {
        print!(" {group:>11}");
    }
    println!();
}

/// In milliseconds, the shortest first.
pub(crate) fn sorted_ms(latencies: &[Duration]) -> Vec<f64> {
    let mut sorted: Vec<_> = latencies.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// What share of sorted figures lies below, in percent.
pub(crate) fn share(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
