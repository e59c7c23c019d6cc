//! A whole system on loopback: what `mpic up` starts, where each process can be killed, frozen,
//! left out or started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use async_nats::jetstream;
use futures_util::future::join_all;
use mpic_cli::client::ClientConfig;
use mpic_cli::fleet::layout::Layout;
use mpic_cli::fleet::{Fleet, Internet, InternetAddresses, Network, Options};
use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::policy::{Policy, Profile};
use mpic_common::signature::SigningKey;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config::TracesConfig;
use mpic_runtime::{keys, stream};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::internet::Content;
use crate::nats_server::NatsServer;
use crate::process::{Process, Recipe};

/// What to choose of a system.
#[derive(Debug, Clone)]
pub struct Choices {
    /// What the small Internet holds.
    pub internet: Content,
    /// Remote perspectives.
    pub remotes: usize,
    /// Coordinators.
    pub coordinators: usize,
    /// Processes that are not started, since the test plays them or wants them away.
    pub absent: Vec<String>,
    /// Octets of the stream of records.
    pub stream_octets_max: i64,
    /// Where every process sends its traces.
    pub traces: Option<TracesConfig>,
    /// Whether clients of the Open MPIC API have a gateway.
    pub gateway: bool,
}

impl Choices {
    /// Six remotes and a coordinator that look at `internet`.
    pub fn of(internet: Content) -> Self {
        let absent = Vec::new();
        Self {
            internet,
            remotes: 6,
            coordinators: 1,
            absent,
            stream_octets_max: 1 << 30,
            traces: None,
            gateway: false,
        }
    }

    /// The same without these processes.
    #[must_use]
    pub fn without<S: ToString>(self, names: impl IntoIterator<Item = S>) -> Self {
        Self { absent: names.into_iter().map(|name| name.to_string()).collect(), ..self }
    }
}

/// A running system. Its processes are killed with it.
#[derive(Debug)]
pub struct Cluster {
    /// Killed first.
    processes: BTreeMap<String, Process>,
    nats: NatsServer,
    recipes: BTreeMap<String, Recipe>,
    fleet: Fleet,
    /// Kept for people where the test fails.
    dir: TempDir,
}

/// The process name of the one coordinator, or the first of several.
pub const COORDINATOR: &str = "coordinator-0";
/// The process name of the gateway.
pub const GATEWAY: &str = "gateway";
/// The process name of the audit consumer.
pub const AUDIT: &str = "audit";

impl Cluster {
    /// A system of six remotes and a coordinator that looks at `internet`.
    pub async fn start(internet: Content) -> Self {
        Self::start_with(Choices::of(internet)).await
    }

    /// A system of one's choice.
    pub async fn start_with(choices: Choices) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            remotes: NonZeroUsize::new(choices.remotes).unwrap(),
            coordinators: NonZeroUsize::new(choices.coordinators).unwrap(),
            internet: Internet::Loopback(choices.internet.into_table()),
            policy: Policy::of(Profile::Strict),
            bus_port: None,
            traces: choices.traces.clone(),
            gateway: choices.gateway.then(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        };
        let fleet = Fleet::plan(dir.path(), options).unwrap();
        fleet.write(SystemClock.now()).unwrap();
        let nats = NatsServer::start_in(fleet.layout()).await;
        stream::provision(&nats.jetstream().await, choices.stream_octets_max, 1).await.unwrap();
        let recipes = BTreeMap::new();
        let mut cluster = Self { processes: BTreeMap::new(), nats, recipes, fleet, dir };
        cluster.start_all(&choices.absent).await;
        cluster
    }

    async fn start_all(&mut self, absent: &[String]) {
        let internet = Recipe::of(&self.fleet.internet().unwrap());
        self.recipes.insert(internet.name.clone(), internet);
        self.start_process("internet").await;
        let said = &self.process("internet").said;
        let addresses: InternetAddresses = serde_json::from_str(said).unwrap();
        self.fleet.connect(self.nats.url(), &Network::Loopback(addresses)).unwrap();
        let init = Recipe::of(&self.fleet.audit_init().unwrap());
        Process::start(self.layout(), &init).await;
        let fleet = &self.fleet;
        let first: Vec<_> = fleet.agents().iter().chain([&fleet.audit()]).map(Recipe::of).collect();
        let coordinators = fleet.coordinator_processes().iter().map(Recipe::of).collect();
        let gateway = fleet.gateway().iter().map(Recipe::of).collect();
        for stage in [first, coordinators, gateway] {
            let names: Vec<_> = stage.iter().map(|recipe| recipe.name.clone()).collect();
            self.recipes.extend(stage.into_iter().map(|recipe| (recipe.name.clone(), recipe)));
            self.start_processes(names.iter().filter(|name| !absent.contains(name))).await;
        }
    }

    async fn start_processes<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        let (layout, recipes) = (self.fleet.layout(), &self.recipes);
        let starting = names.map(|name| Process::start(layout, &recipes[name]));
        let started = join_all(starting).await;
        for process in started {
            self.processes.insert(process.name().to_owned(), process);
        }
    }

    /// Where the gateway listens, and an API key of it.
    pub fn gateway(&self) -> (SocketAddr, String) {
        let key = std::fs::read_to_string(self.layout().api_key()).unwrap();
        (self.process(GATEWAY).said.parse().unwrap(), key)
    }

    /// Starts a process that does not run, and waits until it is ready.
    pub async fn start_process(&mut self, name: &str) {
        let process = Process::start(self.layout(), &self.recipes[name]).await;
        self.processes.insert(name.to_owned(), process);
    }

    /// Starts a process that does not run with more arguments, and does not wait.
    pub fn start_unready(&mut self, name: &str, more: &[&str]) {
        let recipe = &self.recipes[name];
        let more = more.iter().map(PathBuf::from);
        let arguments = recipe.arguments.iter().cloned().chain(more).collect();
        let recipe = Recipe { arguments, name: name.to_owned(), ..*recipe };
        let process = Process::start_unready(self.layout(), &recipe);
        self.processes.insert(name.to_owned(), process);
    }

    /// Starts one more agent of a perspective, under the name that is given back.
    pub async fn add_agent(&mut self, perspective: &str) -> String {
        let first = &self.recipes[&agent(perspective)];
        let name = (1..).map(|number| format!("{}-{number}", first.name));
        let name = name.into_iter().find(|name| !self.recipes.contains_key(name)).unwrap();
        let recipe = Recipe { name: name.clone(), arguments: first.arguments.clone(), ..*first };
        self.recipes.insert(name.clone(), recipe);
        self.start_process(&name).await;
        name
    }

    /// Kills a process as a power cut would.
    pub async fn kill(&mut self, name: &str) {
        let process = self.processes.remove(name).unwrap_or_else(|| panic!("{name} runs"));
        process.kill().await;
    }

    /// Asks a process to end, as a service manager does, and waits; it must end well.
    pub async fn terminate(&mut self, name: &str) {
        let process = self.processes.remove(name).unwrap_or_else(|| panic!("{name} runs"));
        let status = process.terminate().await;
        assert!(status.success(), "{name} ended with {status}");
    }

    /// Waits until a process ends by itself.
    pub async fn ended(&mut self, name: &str) -> std::process::ExitStatus {
        let mut process = self.processes.remove(name).unwrap_or_else(|| panic!("{name} runs"));
        process.ended().await
    }

    /// Stops a process where it is: it keeps its connections and says nothing.
    pub fn freeze(&self, name: &str) {
        let process = self.process(name);
        process.signal(Signal::STOP);
        // It goes on until each of its threads was scheduled once.
        while !process.is_stopped() {
            std::thread::yield_now();
        }
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self, name: &str) {
        self.process(name).signal(Signal::CONT);
    }

    /// A process that runs.
    pub fn process(&self, name: &str) -> &Process {
        self.processes.get(name).unwrap_or_else(|| panic!("{name} runs"))
    }

    /// Name to process id of everything that runs, the bus as `nats-server`.
    pub fn pids(&self) -> BTreeMap<String, u32> {
        let nats = ("nats-server".to_owned(), self.nats.process().pid());
        let pid = |(name, process): (&String, &Process)| (name.clone(), process.pid());
        self.processes.iter().map(pid).chain([nats]).collect()
    }

    /// The bus.
    pub fn nats(&mut self) -> &mut NatsServer {
        &mut self.nats
    }

    /// Where clients reach the bus.
    pub fn bus_url(&self) -> &str {
        self.nats.url()
    }

    /// From its next start on a process reaches the bus at `url`.
    pub fn reroute(&self, name: &str, url: &str) {
        self.configure(name, |config| {
            let bus = config["bus"].as_table_mut().unwrap();
            bus.insert("servers".to_owned(), vec![url].into());
        });
    }

    /// Changes what a process reads at its next start.
    pub fn configure(&self, name: &str, change: impl FnOnce(&mut toml::Table)) {
        let path = self.layout().config(name);
        let mut config = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        change(&mut config);
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// What a process has said so far.
    pub fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.layout().output(name)).unwrap()
    }

    /// How to reach the bus as one who may do anything.
    pub fn bus(&self) -> &mpic_runtime::config::BusConfig {
        self.nats.bus()
    }

    /// A client of the bus that may do anything.
    pub async fn client(&self) -> async_nats::Client {
        self.nats.client().await
    }

    /// The streams of the bus.
    pub async fn jetstream(&self) -> jetstream::Context {
        self.nats.jetstream().await
    }

    /// What the system consists of.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        self.fleet.layout()
    }

    /// How a client reaches the system.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::load(&self.layout().client()).unwrap()
    }

    /// The directory document.
    pub fn directory(&self) -> Directory {
        self.client_config().directory().unwrap()
    }

    /// The code of the primary perspective.
    pub fn primary(&self) -> PerspectiveId {
        self.fleet.primary().code.clone()
    }

    /// The codes of the remote perspectives.
    pub fn remotes(&self) -> Vec<PerspectiveId> {
        self.fleet.remotes().iter().map(|member| member.code.clone()).collect()
    }

    /// The key that the agents of a perspective sign with.
    pub fn agent_key(&self, perspective: &PerspectiveId) -> SigningKey {
        self.key(&agent(perspective.as_str()))
    }

    /// The key that a coordinator signs with.
    pub fn coordinator_key(&self, coordinator: &CoordinatorId) -> SigningKey {
        self.key(coordinator.as_str())
    }

    fn key(&self, name: &str) -> SigningKey {
        keys::load(&self.layout().key(name)).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
        }
    }
}

/// The process name of a perspective's agent.
pub fn agent(perspective: &str) -> String {
    format!("agent-{perspective}")
}
