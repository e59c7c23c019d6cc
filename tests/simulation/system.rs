//! One run: the processes, what happens to them, and what must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpic_audit::log::Storage;
use mpic_audit::log::memory::{Flavour, Memory};
use mpic_common::testing::Fleet;
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::attacker::Attacker;
use crate::bus::{Network, Weather};
use crate::ca::{self, Asking, Jobs, Submitting};
use crate::clock::SkewedClock;
use crate::fixture::Fixture;
use crate::internet::{Internet, site_name};
use crate::invariants;
use crate::link::Link;
use crate::op::{AGENTS, Effect, Mood, Op, Process, Rng};
use crate::processes::{self, Failure, Listing, Place, SharedDisk};
use crate::receipt;
use crate::stream::PlayedStream;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) seen: BTreeMap<&'static str, u64>,
    pub(crate) trace: u64,
}

/// A process that is started again whenever it ends.
struct Slot {
    running: AbortHandle,
    stop: Arc<Mutex<CancellationToken>>,
}

pub(crate) struct System {
    pub(crate) fixture: Arc<Fixture>,
    pub(crate) network: Arc<Network>,
    pub(crate) disk: SharedDisk,
    pub(crate) jobs: Jobs,
    /// Checkpoints that somebody kept.
    pub(crate) kept: BTreeSet<Vec<u8>>,
    internet: Arc<Internet>,
    started: Instant,
    rng: Rng,
    slots: BTreeMap<Process, Slot>,
    coordinators: usize,
    ca: Link,
    rounds: u64,
    /// The directory document that coordinators read, and what tells them to.
    pub(crate) document: NamedTempFile,
    hangups: watch::Sender<()>,
    tasks: JoinSet<()>,
}

/// After the last fault every job must have its answer within its life.
const CALM_MAX: Duration = Duration::from_secs(125);
/// The stream delivers again what was not acked, and late windows end.
const CATCH_UP_MAX: Duration = Duration::from_secs(90);
/// A service manager's pause.
const RESTART: Duration = Duration::from_millis(700);

/// Runs the operations, then lets everything come to rest.
pub(crate) fn run(fixture: &Arc<Fixture>, seed: u64, ops: &[Op]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut system = System::start(fixture, seed);
        for op in ops {
            system.perform(*op).await;
            system.keep_checkpoint();
        }
        system.calm().await;
        system.end().await
    })
}

impl System {
    fn start(fixture: &Arc<Fixture>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let coordinators = 1 + usize::from(rng.below(2) == 1);
        let held = held_remotes(&mut rng);
        let attacker = Attacker::new(Fleet::new(6), &held);
        let network = Network::new(seed, PlayedStream::default(), attacker);
        let ca = network.connect(Process::Ca);
        let mut system = Self {
            fixture: Arc::clone(fixture),
            network: Arc::clone(&network),
            disk: Arc::new(Mutex::new(Memory::new())),
            jobs: Jobs::default(),
            kept: BTreeSet::new(),
            internet: Internet::new(held),
            started: Instant::now(),
            rng,
            slots: BTreeMap::new(),
            coordinators,
            ca,
            rounds: 0,
            document: document_file(fixture),
            hangups: watch::Sender::new(()),
            tasks: JoinSet::new(),
        };
        system.tasks.spawn(network.run());
        for process in system.all() {
            system.launch(process, Duration::ZERO);
        }
        system
    }

    fn all(&self) -> Vec<Process> {
        let agents = (0..AGENTS.len()).map(Process::Agent);
        let coordinators = (0..self.coordinators).map(Process::Coordinator);
        agents.chain(coordinators).chain([Process::Audit]).collect()
    }

    /// Hosts' clocks are some hundred milliseconds apart.
    fn clock(&self, process: Process) -> SkewedClock {
        let ahead_ms = match process {
            Process::Coordinator(number) => 300 * number as u64,
            Process::Agent(number) => 100 * number as u64,
            _ => 500,
        };
        SkewedClock { started: self.started, ahead_ms }
    }

    fn launch(&mut self, process: Process, after: Duration) {
        let stop = Arc::new(Mutex::new(CancellationToken::new()));
        let (fixture, network) = (Arc::clone(&self.fixture), Arc::clone(&self.network));
        let (file, hangups) = (self.document.path().to_owned(), self.hangups.subscribe());
        let listing = Listing { file, hangups };
        let (disk, clock) = (Arc::clone(&self.disk), self.clock(process));
        let rules = self.fixture.rules.clone();
        let place = Place { internet: Arc::clone(&self.internet), rules, clock };
        let stopped = Arc::clone(&stop);
        let running = self.tasks.spawn(async move {
            sleep(after).await;
            loop {
                let stop = CancellationToken::new();
                *stopped.lock().unwrap() = stop.clone();
                let (fixture, link) = (Arc::clone(&fixture), network.connect(process));
                let ended = match process {
                    Process::Coordinator(number) => {
                        processes::coordinator(listing.clone(), link, number, clock, stop).await
                    }
                    Process::Agent(number) => {
                        processes::agent(fixture, link, number, place.clone(), stop).await
                    }
                    _ => {
                        network.lock().witness.disk = Some(disk.lock().unwrap().clone());
                        let ended =
                            processes::audit(fixture, link, Arc::clone(&disk), clock, stop).await;
                        after_audit(&network, &disk, ended.as_ref().err());
                        ended
                    }
                };
                let how = if ended.is_ok() { "ended as asked" } else { "ended unasked" };
                network.lock().witness.count(how);
                sleep(RESTART).await;
            }
        });
        self.slots.insert(process, Slot { running, stop });
    }

    async fn perform(&mut self, op: Op) {
        match op {
            Op::Pass { ms } => sleep(Duration::from_millis(ms)).await,
            Op::Submit { site, primary, budget_ms } => {
                let place = self.jobs.lock().unwrap().len();
                let clock = self.clock(Process::Ca);
                let job = ca::job(site, primary, budget_ms, place, &clock, &mut self.rng);
                self.submit(job, false);
            }
            Op::Repeat { job } if job < self.submitted() => self.ask(job),
            Op::Conflict { job } if job < self.submitted() => self.contest(job),
            Op::Prove { job } if job < self.submitted() => {
                let log = invariants::exported(&self.disk.lock().unwrap());
                receipt::ask(self, job, log.path()).await;
            }
            Op::Repeat { .. } | Op::Conflict { .. } | Op::Prove { .. } => {}
            Op::Revoke { remote } => self.revoke(&format!("r{remote}")),
            Op::Weather { lost, doubled, delay_ms } => {
                self.network.lock().weather = Weather { lost, doubled, delay_ms };
            }
            Op::Cut { process, ms } => {
                self.network.lock().cut(process);
                let network = Arc::clone(&self.network);
                self.tasks.spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    network.lock().mend(process);
                });
            }
            Op::Kill { process, ms } => self.kill(process, ms, Memory::copy).await,
            Op::Roll { process } => {
                if let Some(slot) = self.slots.get(&process) {
                    slot.stop.lock().unwrap().cancel();
                }
            }
            Op::PowerCut { ms } => {
                let mut rng = Rng::new(self.rng.next());
                let cut =
                    |disk: &Memory| disk.cut(|choices| crate::op::index(rng.below(choices as u64)));
                self.kill(Process::Audit, ms, cut).await;
            }
            Op::DiskFails { call, effect } => {
                let flavour = match effect {
                    Effect::Done => Flavour::Persisted,
                    Effect::NotDone => Flavour::NotPersisted,
                };
                self.disk.lock().unwrap().fail_at(call, flavour);
            }
            Op::Stream { mood, ms } => {
                self.network.lock().stream.mood = mood;
                let network = Arc::clone(&self.network);
                self.tasks.spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    network.lock().stream.mood = Mood::Takes;
                });
            }
            Op::SlowDns { agent, ms } => self.internet.slow(agent, Duration::from_millis(ms)),
            Op::Attack(attack) => self.network.lock().attacker.begin(attack),
        }
    }

    fn revoke(&mut self, code: &str) {
        let mut server = self.network.lock();
        if server.witness.revoked.is_none() {
            let at = mpic_runtime::clock::Clock::now(&self.clock(Process::Coordinator(0)));
            std::fs::write(self.document.path(), Fixture::revoking(code, at)).unwrap();
            server.witness.revoked = Some((code.parse().unwrap(), BTreeMap::new()));
            self.hangups.send_replace(());
        }
    }

    pub(crate) fn submitted(&self) -> usize {
        self.jobs.lock().unwrap().len()
    }

    fn submit(&mut self, job: mpic_common::job::Job, is_contested: bool) {
        let place = self.submitted();
        let submitting = Submitting { job, is_contested, believed: None };
        self.jobs.lock().unwrap().push(submitting);
        self.ask(place);
    }

    fn ask(&mut self, place: usize) {
        self.rounds += 1;
        let asking = Asking {
            link: self.ca.clone(),
            directory: Arc::clone(&self.fixture.document.directory),
            clock: self.clock(Process::Ca),
            jobs: Arc::clone(&self.jobs),
            place,
            round: self.rounds,
        };
        self.tasks.spawn(asking.run());
    }

    fn contest(&mut self, place: usize) {
        let other = {
            let mut jobs = self.jobs.lock().unwrap();
            jobs[place].is_contested = true;
            let name = site_name(false, 900 + jobs.len());
            let identifier = mpic_common::identifier::Identifier::parse(&name).unwrap();
            mpic_common::job::Job { identifier, ..jobs[place].job.clone() }
        };
        self.submit(other, true);
    }

    /// Kills a process; `disk` gives what the machine has of the log afterwards.
    async fn kill(&mut self, process: Process, ms: u64, disk: impl FnOnce(&Memory) -> Memory) {
        let Some(slot) = self.slots.remove(&process) else { return };
        settle().await;
        slot.running.abort();
        self.network.lock().disconnect(process);
        if process == Process::Audit {
            let mut held = self.disk.lock().unwrap();
            *held = disk(&held);
            self.network.lock().witness.disk = None;
        }
        self.network.lock().witness.count("killed");
        self.launch(process, Duration::from_millis(ms));
    }

    /// Somebody reads the log's head, and will compare it with later ones.
    pub(crate) fn keep_checkpoint(&mut self) {
        let note = self.disk.lock().unwrap().read("checkpoint");
        self.kept.extend(note);
    }

    /// No more faults: every job is to be answered, and everything to be in the log.
    async fn calm(&mut self) {
        {
            let mut server = self.network.lock();
            server.weather = Weather::CALM;
            server.stream.mood = Mood::Takes;
            server.mend_all();
        }
        self.internet.calm();
        self.disk.lock().unwrap().reset();
        let calm = Instant::now();
        while calm.elapsed() < CALM_MAX && !invariants::is_every_job_answered(self) {
            sleep(Duration::from_millis(500)).await;
            self.keep_checkpoint();
        }
        // Those that are refused as expired may still be on their way.
        sleep(Duration::from_secs(5)).await;
        for process in self.all() {
            if let (Process::Coordinator(_), Some(slot)) = (process, self.slots.get(&process)) {
                slot.stop.lock().unwrap().cancel();
            }
        }
        let calm = Instant::now();
        while calm.elapsed() < CATCH_UP_MAX && !invariants::is_everything_in_the_log(self) {
            sleep(Duration::from_secs(1)).await;
            self.keep_checkpoint();
        }
    }

    async fn end(mut self) -> Outcome {
        settle().await;
        if let Some(slot) = self.slots.remove(&Process::Audit) {
            slot.running.abort();
        }
        let log = invariants::exported(&self.disk.lock().unwrap());
        for job in 0..self.submitted() {
            receipt::must_be_given(&self, job, log.path()).await;
        }
        invariants::check(&self, log.path());
        let mut server = self.network.lock();
        let outcome = Outcome {
            violations: std::mem::take(&mut server.witness.violations),
            seen: std::mem::take(&mut server.witness.seen),
            trace: server.witness.traced(),
        };
        drop(server);
        outcome
    }
}

/// The directory document of a run, in a file of its own.
fn document_file(fixture: &Fixture) -> NamedTempFile {
    let file = NamedTempFile::new_in(fixture.dir.path()).unwrap();
    std::fs::write(file.path(), &fixture.document.octets).unwrap();
    file
}

/// Zero to three of six remotes: the quorum needs four.
fn held_remotes(rng: &mut Rng) -> BTreeSet<String> {
    (0..rng.below(4)).map(|_| format!("r{}", rng.below(6))).collect()
}

/// Lets the thread that writes finish what it has, so that a kill does not race with it.
async fn settle() {
    for _ in 0..8 {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// A disk that failed is as if the process had been killed at that call. Nothing else ends an
/// audit consumer that has a stream of its own.
fn after_audit(network: &Network, disk: &SharedDisk, failure: Option<&Failure>) {
    let mut server = network.lock();
    let mut disk = disk.lock().unwrap();
    let has_failed = disk.has_failed();
    if let (Some(failure), false) = (failure, has_failed) {
        let text = format!("the_log_goes_on: the audit consumer ends: {failure}");
        server.witness.violations.push(text);
    }
    *disk = disk.copy();
    server.witness.disk = None;
}
