//! One agent alone, asked by a coordinator that this benchmark plays: what a check costs, and what
//! a thousand checks against tarpits do to those beside them.

use std::time::Duration;

use mpic_common::challenge::Challenge;
use mpic_common::job::Job;
use mpic_common::octets::Hash;
use mpic_internet::config::{Page, PageFault};
use mpic_tests::certification_authority::{caa, dns_01, http_01, validation_alone, with_challenge};
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::{CHALLENGE_PATH, Content};
use mpic_tests::played::PlayedCoordinator;
use tokio::time::Instant;

use crate::cpu;
use crate::load::{share, sorted_ms};
use crate::process::{memory_mib, restart_with};

const SITE: &str = "honest.example";
const TARPIT: &str = "tarpit.example";
/// Checks in flight while the cost of one is measured.
const IN_FLIGHT: usize = 32;
const MEASURED: Duration = Duration::from_secs(4);
/// Checks in flight against tarpits.
const TRAPPED: usize = 1_000;
/// Checks beside them, one after the other.
const BESIDE: usize = 50;

/// A check by its name.
type NamedJob = (&'static str, fn() -> Job);

/// An agent and whoever asks it.
struct Bench {
    cluster: Cluster,
    coordinator: PlayedCoordinator,
    agent: String,
}

/// Prints everything.
pub(crate) async fn run() {
    let mut bench = Bench::start().await;
    println!("\nOne agent at rest holds {:.1} MiB.", memory_mib(bench.pid()));
    bench.costs().await;
    bench.tarpits().await;
}

impl Bench {
    async fn start() -> Self {
        let digest = Hash([7; 32]);
        let tarpit = Page { fault: Some(PageFault::Hang), ..Page::new(TARPIT, CHALLENGE_PATH, "") };
        let content = Content::new().honest(SITE).tls_alpn(SITE, &digest.to_string());
        let content = content.site(TARPIT).page(tarpit);
        let choices = Choices { remotes: 6, ..Choices::of(content) };
        let mut cluster = Cluster::start_with(choices.without([COORDINATOR])).await;
        let perspective = cluster.remotes().remove(0);
        let name = agent(perspective.as_str());
        restart_with(&mut cluster, &name, |config| config.extend(limits())).await;
        let coordinator = PlayedCoordinator::of(&cluster, COORDINATOR, &perspective).await;
        Self { cluster, coordinator, agent: name }
    }

    fn pid(&self) -> u32 {
        self.cluster.process(&self.agent).pid()
    }

    async fn ask(&self, job: &Job) -> String {
        let assignment = self.coordinator.assignment(job);
        self.coordinator.send(&self.coordinator.sign(&assignment).octets).await
    }

    /// Checks a second, and what each costs the agent.
    async fn costs(&mut self) {
        println!("\nOne agent, {IN_FLIGHT} checks in flight, DNS from a forwarder:\n");
        println!("{:<12} {:>9} {:>14} {:>12}", "check", "per s", "CPU ms a check", "of CAA");
        let mut of_caa = None;
        let checks: [NamedJob; 4] = [
            ("caa", || caa(SITE)),
            ("dns-01", || validation_alone(dns_01(SITE))),
            ("http-01", || validation_alone(http_01(SITE))),
            ("tls-alpn-01", tls_alpn_01),
        ];
        for (name, job) in checks {
            self.passes(&job()).await;
            self.repeat(job, Duration::from_secs(1)).await;
            let before = cpu::seconds(&self.pid().to_string());
            let (count, elapsed) = self.repeat(job, MEASURED).await;
            let each = (cpu::seconds(&self.pid().to_string()) - before) * 1e3 / f64::from(count);
            let ratio = each / *of_caa.get_or_insert(each);
            let per_second = f64::from(count) / elapsed.as_secs_f64();
            println!("{name:<12} {per_second:>9.0} {each:>14.3} {ratio:>11.1}x");
        }
    }

    /// That what is measured is a check that passes.
    async fn passes(&mut self, job: &Job) {
        self.ask(job).await;
        let reply = self.coordinator.reply().await;
        let shown = mpic_audit::show::message(&reply.payload).unwrap();
        let observations = shown.get("body").and_then(|body| body.get("observations"));
        for (check, seen) in observations.unwrap().as_object().unwrap() {
            let verdict = seen.get("verdict").and_then(|verdict| verdict.as_str());
            assert_eq!(verdict, Some("pass"), "{check}: {seen}");
        }
    }

    /// Keeps checks in flight for `span`; how many were answered, and how long that took.
    async fn repeat(&mut self, job: fn() -> Job, span: Duration) -> (u32, Duration) {
        let started = Instant::now();
        for _ in 0..IN_FLIGHT {
            self.ask(&job()).await;
        }
        let (mut answered, mut in_flight) = (0, IN_FLIGHT);
        while in_flight > 0 {
            self.coordinator.reply().await;
            answered += 1;
            in_flight -= 1;
            if started.elapsed() < span {
                self.ask(&job()).await;
                in_flight += 1;
            }
        }
        (answered, started.elapsed())
    }

    /// Memory with checks in tarpits, and how long others take meanwhile.
    async fn tarpits(&mut self) {
        let idle = memory_mib(self.pid());
        let (alone, _) = self.beside().await;
        for _ in 0..TRAPPED {
            self.ask(&validation_alone(http_01(TARPIT))).await;
        }
        let (among, released) = self.beside().await;
        let trapped = TRAPPED - released;
        let memory = memory_mib(self.pid());
        for _ in 0..trapped {
            self.coordinator.reply().await;
        }
        println!("\nThe same agent, {TRAPPED} http-01 checks asked of a site that never answers;");
        println!("{trapped} of them still in flight after {BESIDE} CAA checks beside them:\n");
        println!("{:<24} {:>9} {:>9} {:>7}", "", "alone", "among", "ratio");
        let row = |name: &str, alone: f64, among: f64| {
            println!("{name:<24} {alone:>9.1} {among:>9.1} {:>6.1}x", among / alone);
        };
        row("resident memory, MiB", idle, memory);
        row("median of CAA, ms", share(&alone, 50), share(&among, 50));
        row("slowest tenth of CAA, ms", share(&alone, 90), share(&among, 90));
    }

    /// How long CAA checks take one after the other, sorted; and how many other replies came.
    async fn beside(&mut self) -> (Vec<f64>, usize) {
        let (mut latencies, mut others) = (Vec::with_capacity(BESIDE), 0);
        for _ in 0..BESIDE {
            let asked = Instant::now();
            let reply_to = self.ask(&caa(SITE)).await;
            while self.coordinator.reply().await.subject.as_str() != reply_to {
                others += 1;
            }
            latencies.push(asked.elapsed());
        }
        (sorted_ms(&latencies), others)
    }
}

/// A TLS-ALPN job that the site answers.
fn tls_alpn_01() -> Job {
    validation_alone(with_challenge(
        dns_01(SITE),
        Challenge::AcmeTlsAlpn01 { digest: Hash([7; 32]) },
    ))
}

/// Lets an agent take more jobs than it does by default.
fn limits() -> toml::Table {
    let jobs = i64::try_from(TRAPPED + IN_FLIGHT).unwrap();
    let limits = toml::Table::from_iter([("concurrent_jobs".to_owned(), jobs.into())]);
    toml::Table::from_iter([("limits".to_owned(), limits.into())])
}
