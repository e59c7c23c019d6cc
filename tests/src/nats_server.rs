//! A real nats-server on a free port, restarted on the same port and store.

use async_nats::jetstream;
use mpic_cli::fleet::ReadyWhen;
use mpic_cli::fleet::layout::Layout;
use mpic_cli::fleet::party::Party;
use mpic_runtime::config::BusConfig;
use mpic_runtime::keys;
use mpic_runtime::nats::{self, Role};

use crate::process::{Process, Recipe, arguments};

/// A nats-server. It is killed with its value.
#[derive(Debug)]
pub struct NatsServer {
    process: Option<Process>,
    layout: Layout,
    url: String,
    /// How the tests themselves reach it.
    bus: BusConfig,
}

impl NatsServer {
    /// The server that the configuration in `layout` describes, with one user more: the tests, who
    /// may do anything.
    pub async fn start_in(layout: &Layout) -> Self {
        let nkey_file = layout.nkey("tests");
        let nkey = keys::create_nkey(&nkey_file).unwrap().public_key();
        let config = std::fs::read_to_string(layout.bus_config()).unwrap();
        let (before, after) = config.split_once("users: [").unwrap();
        let config = format!("{before}users: [ {{ nkey: {nkey} }}{after}");
        std::fs::write(layout.bus_config(), config).unwrap();
        let process = Process::start(layout, &recipe(layout)).await;
        let url = process.said.clone();
        let bus = layout.bus(&Party::Ops.name(), vec![url.clone()]);
        let bus = BusConfig { nkey_file: Some(nkey_file), ..bus };
        Self { process: Some(process), layout: layout.clone(), url, bus }
    }

    /// How the tests reach it.
    pub fn bus(&self) -> &BusConfig {
        &self.bus
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// Kills it as a power cut would.
    pub async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }

    /// Starts it again after `kill`, on the same port and store.
    pub async fn restart(&mut self) {
        let port = self.url.rsplit_once(':').expect("a URL ends with a port").1;
        let config = std::fs::read_to_string(self.layout.bus_config()).unwrap();
        let config = config.replace(LISTEN, &format!("listen: \"127.0.0.1:{port}\""));
        std::fs::write(self.layout.bus_config(), config).unwrap();
        self.process = Some(Process::start(&self.layout, &recipe(&self.layout)).await);
    }

    /// A client that may do anything.
    pub async fn client(&self) -> async_nats::Client {
        let role = Role {
            name: "tests".to_owned(),
            inbox_prefix: "_INBOX".to_owned(),
            subscription_capacity: 65_536,
            client_capacity: 2_048,
        };
        nats::connect(&self.bus, role).await.unwrap().0
    }

    /// Its streams.
    pub async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client().await)
    }
}

/// Where generated configurations listen: on a free port.
const LISTEN: &str = "listen: \"127.0.0.1:-1\"";

fn recipe(layout: &Layout) -> Recipe {
    Recipe {
        name: "nats-server".to_owned(),
        program: "nats-server",
        arguments: arguments([std::ffi::OsStr::new("--config"), layout.bus_config().as_os_str()]),
        ready_when: ReadyWhen::PortsFile,
        host: None,
    }
}
