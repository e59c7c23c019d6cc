//! The fleet of `deploy/config/fleet.toml`: `mpic init` writes it for hosts at hand, and each
//! process is started from the files that were written.

mod description;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use async_nats::Client;
use async_nats::jetstream;
use mpic_cli::client::ClientConfig;
use mpic_cli::fleet::layout::Layout;
use mpic_cli::fleet::party::Party;
use mpic_cli::fleet::{InternetAddresses, ReadyWhen};
use mpic_common::subject;
use mpic_runtime::nats::{self, Role};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::certification_authority::CertificationAuthority;
use crate::internet::Content;
use crate::log::{Log, LogPlace};
use crate::network::Network;
use crate::process::{Process, Recipe, arguments, eventually};

/// The perspectives of the description, the primary first.
pub const PERSPECTIVES: [&str; 7] =
    ["eu-central", "us-east", "sa-east", "af-south", "ap-south", "ap-northeast", "us-west"];
/// Every host of such a fleet; the tests are on the last, as the CA.
pub const HOSTS: [&str; 17] = [
    "internet",
    "bus-0",
    "bus-1",
    "bus-2",
    "agent-eu-central",
    "agent-us-east",
    "agent-sa-east",
    "agent-af-south",
    "agent-ap-south",
    "agent-ap-northeast",
    "agent-us-west",
    "coordinator-0",
    "coordinator-1",
    "coordinator-2",
    "audit",
    "spare",
    "ca",
];

/// Where the processes are.
#[derive(Debug)]
pub enum Hosts {
    /// All on loopback.
    Loopback,
    /// Each on a host of its own.
    Network(Network),
}

/// What to choose of a fleet.
#[derive(Debug)]
pub struct Shape {
    /// Of the three servers of the bus.
    pub servers: usize,
    /// Coordinators; on hosts of their own three at most.
    pub coordinators: usize,
    /// Processes that are not started.
    pub absent: &'static [&'static str],
    /// Perspectives whose agents are behind a leaf node of their own.
    pub leaves: &'static [&'static str],
    /// What the small Internet holds.
    pub internet: Content,
}

/// A running fleet. Its processes are killed with it.
#[derive(Debug)]
pub struct GeneratedFleet {
    /// Killed first.
    processes: BTreeMap<String, Process>,
    recipes: BTreeMap<String, Recipe>,
    layout: Layout,
    hosts: Hosts,
    /// Kept for people where the test fails.
    dir: TempDir,
}

impl Hosts {
    /// Where a host's own sockets are.
    pub fn address(&self, host: &str) -> Ipv4Addr {
        match self {
            Self::Network(network) => network.address(&of_region(host)),
            Self::Loopback if host == "internet" => Ipv4Addr::new(127, 0, 3, 1),
            Self::Loopback => {
                let is_agent = |code: &&str| host.strip_prefix("agent-") == Some(code);
                let number = (1..).zip(&PERSPECTIVES).find(|(_, code)| is_agent(code));
                number.map_or(Ipv4Addr::LOCALHOST, |(number, _)| Ipv4Addr::new(127, 0, 1, number))
            }
        }
    }

    /// A port for a server: the given one where the host is its own.
    fn port(&self, usual: u16) -> u16 {
        match self {
            Self::Network(_) => usual,
            Self::Loopback => {
                TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
            }
        }
    }

    fn inside(&self, host: &str) -> Option<u32> {
        match self {
            Self::Network(network) => Some(network.inside(&of_region(host))),
            Self::Loopback => None,
        }
    }
}

/// A leaf node is on the host of its agents.
fn of_region(host: &str) -> String {
    host.strip_prefix("leaf-").map_or(host.to_owned(), |code| format!("agent-{code}"))
}

impl GeneratedFleet {
    /// Writes the fleet and starts it, in the order of OPERATING.md.
    pub async fn start(hosts: Hosts, shape: Shape) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("fleet")).unwrap();
        for made in [layout.outputs(), layout.run(), dir.path().join("log")] {
            std::fs::create_dir_all(made).unwrap();
        }
        let (processes, recipes) = (BTreeMap::new(), BTreeMap::new());
        let mut fleet = Self { processes, recipes, layout, hosts, dir };
        let internet = description::internet(&fleet.hosts, &shape.internet);
        let config = fleet.written("internet.toml", &internet);
        fleet.add("internet", "mpic-internet", &["--config"], &config, ReadyWhen::Line);
        fleet.start_process("internet").await;
        let addresses = serde_json::from_str(&fleet.process("internet").said).unwrap();
        fleet.init(&addresses, &shape).await;
        fleet.start_servers(&shape).await;
        fleet.provision().await;
        fleet.start_rest(&shape).await;
        fleet
    }

    /// `mpic init`.
    async fn init(&mut self, addresses: &InternetAddresses, shape: &Shape) {
        let described = description::fleet(&self.hosts, addresses, shape, self.dir.path());
        let description = self.written("fleet.toml", &described);
        let out = self.layout.dir().to_owned();
        let words = ["init".as_ref(), description.as_os_str(), "--out".as_ref(), out.as_os_str()];
        self.run("mpic", arguments(words)).await;
    }

    async fn start_servers(&mut self, shape: &Shape) {
        let servers = (0..shape.servers).map(|number| format!("bus-{number}"));
        for name in servers.chain(shape.leaves.iter().map(|code| format!("leaf-{code}"))) {
            let config = self.server_config(&name);
            self.add_server(&name, &config);
            self.start_server(&name).await;
        }
    }

    /// The configuration of a server or leaf node.
    pub fn server_config(&self, name: &str) -> PathBuf {
        self.layout.configs().join(format!("{name}.conf"))
    }

    /// Adds a nats-server that can be started, with a configuration of its own.
    pub fn add_server(&mut self, name: &str, config: &Path) {
        self.add(name, "nats-server", &["--config"], config, ReadyWhen::Notified);
    }

    /// Starts a server of the bus or a leaf node, and waits until it listens.
    pub async fn start_server(&mut self, name: &str) {
        let process = Process::start_unready(&self.layout, &self.recipes[name]);
        self.processes.insert(name.to_owned(), process);
        let config = self.recipes[name].arguments.last().unwrap();
        let config = std::fs::read_to_string(config).unwrap();
        let listen = config.lines().find_map(|line| line.strip_prefix("listen: ")).unwrap();
        let address = listen.trim_matches('"');
        eventually("the server listens", || std::net::TcpStream::connect(address).ok()).await;
    }

    /// `mpic provision`, again until the servers of a cluster have a leader.
    async fn provision(&mut self) {
        let config = self.layout.config("provisioning");
        let words = ["provision".as_ref(), "--config".as_ref(), config.as_os_str()];
        let recipe = Self::once("mpic", arguments(words));
        let trying = async {
            while !Process::start_unready(&self.layout, &recipe).ended().await.success() {}
        };
        tokio::time::timeout(PATIENCE, trying).await.expect("the streams are made");
    }

    async fn start_rest(&mut self, shape: &Shape) {
        let (ready, config) = (ReadyWhen::Notified, self.layout.config("audit"));
        let words = ["init".as_ref(), "--config".as_ref(), config.as_os_str()];
        self.run("mpic-audit", arguments(words)).await;
        self.add("audit", "mpic-audit", &["run", "--config"], &config, ready);
        let mut names = vec!["audit".to_owned()];
        for code in PERSPECTIVES {
            let name = format!("agent-{code}");
            self.add(&name, "mpic-agent", &["--config"], &self.layout.config(&name), ready);
            names.push(name);
        }
        for number in 0..shape.coordinators {
            let name = format!("coordinator-{number}");
            self.add(&name, "mpic-coordinator", &["--config"], &self.layout.config(&name), ready);
            names.push(name);
        }
        for name in names.iter().filter(|name| !shape.absent.contains(&name.as_str())) {
            self.start_process(name).await;
        }
    }

    fn add(
        &mut self,
        name: &str,
        program: &'static str,
        before: &[&str],
        config: &Path,
        ready_when: ReadyWhen,
    ) {
        let arguments = before.iter().map(PathBuf::from).chain([config.to_owned()]).collect();
        let (host, name) = (self.hosts.inside(name), name.to_owned());
        self.recipes.insert(name.clone(), Recipe { name, program, arguments, ready_when, host });
    }

    fn once(program: &'static str, arguments: Vec<PathBuf>) -> Recipe {
        let ready_when = ReadyWhen::Ended;
        Recipe { name: format!("{program}-once"), program, arguments, ready_when, host: None }
    }

    async fn run(&self, program: &'static str, arguments: Vec<PathBuf>) {
        Process::start(&self.layout, &Self::once(program, arguments)).await;
    }

    fn written(&self, name: &str, table: &toml::Table) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, table.to_string()).unwrap();
        path
    }

    /// Starts a process that does not run, and waits until it is ready.
    pub async fn start_process(&mut self, name: &str) {
        let process = Process::start(&self.layout, &self.recipes[name]).await;
        self.processes.insert(name.to_owned(), process);
    }

    /// Starts one more of a process, on the same host, under another name.
    pub async fn start_another(&mut self, name: &str, other: &str) {
        let first = &self.recipes[name];
        let recipe =
            Recipe { name: other.to_owned(), arguments: first.arguments.clone(), ..*first };
        self.recipes.insert(other.to_owned(), recipe);
        self.start_process(other).await;
    }

    /// Kills a process as a power cut would.
    pub async fn kill(&mut self, name: &str) {
        self.taken(name).kill().await;
    }

    /// Asks a process to end, as a service manager does, and waits.
    pub async fn terminate(&mut self, name: &str) -> ExitStatus {
        self.taken(name).terminate().await
    }

    /// Sends a signal to a process.
    pub fn signal(&self, name: &str, signal: Signal) {
        self.process(name).signal(signal);
    }

    /// What a process has said so far.
    pub fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.layout.output(name)).unwrap()
    }

    fn taken(&mut self, name: &str) -> Process {
        self.processes.remove(name).unwrap_or_else(|| panic!("{name} runs"))
    }

    fn process(&self, name: &str) -> &Process {
        self.processes.get(name).unwrap_or_else(|| panic!("{name} runs"))
    }

    /// The network between the hosts.
    pub fn network(&self) -> &Network {
        match &self.hosts {
            Hosts::Network(network) => network,
            Hosts::Loopback => panic!("there is no network"),
        }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the stream and the accounts of a server lie.
    pub fn streams_of(&self, server: &str) -> PathBuf {
        self.dir.path().join("streams").join(server)
    }

    /// How a client reaches the fleet.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::load(&self.layout.client()).unwrap()
    }

    /// Its CA.
    pub async fn ca(&self) -> CertificationAuthority {
        CertificationAuthority::connect(&self.client_config()).await
    }

    /// A connection as one of the parties, with the inbox prefix of that party.
    pub async fn connected(&self, party: &Party, inbox: &str) -> Client {
        let config = self.layout.bus(&party.name(), self.client_config().bus.servers);
        let role = Role {
            name: party.name(),
            inbox_prefix: inbox.to_owned(),
            subscription_capacity: 1_024,
            client_capacity: 64,
        };
        nats::connect(&config, role).await.unwrap().0
    }

    /// The stream of records, as the audit consumer may see it.
    pub async fn records(&self) -> jetstream::stream::Stream {
        let client = self.connected(&Party::Audit, subject::AUDIT_INBOX).await;
        jetstream::new(client).get_stream(subject::AUDIT_STREAM).await.unwrap()
    }

    /// Audits the log, see [`LogPlace::audited`].
    pub async fn audited(&self, ca: &CertificationAuthority) -> Log {
        let key = std::fs::read_to_string(self.layout.log_public_key()).unwrap();
        let place = LogPlace {
            log: self.dir.path().join("log").join(description::SHARD),
            key: key.trim().parse().unwrap(),
            directory_file: self.layout.directory_file(),
        };
        place.audited(&self.records().await, ca).await
    }

    /// Where sites of the small Internet are served.
    pub fn web(hosts: &Hosts) -> IpAddr {
        hosts.address("internet").into()
    }
}

/// Longer than a cluster takes to elect.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

impl Drop for GeneratedFleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
        }
    }
}
