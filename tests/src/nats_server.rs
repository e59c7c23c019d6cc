//! A real nats-server on a free port, restarted on the same port and store.

use async_nats::jetstream;
use mpic_cli::fleet::ReadyWhen;
use mpic_cli::fleet::layout::Layout;
use tempfile::TempDir;

use crate::process::{Process, Recipe, arguments};

/// A nats-server. It is killed with its value.
#[derive(Debug)]
pub struct NatsServer {
    process: Option<Process>,
    layout: Layout,
    url: String,
    _dir: Option<TempDir>,
}

impl NatsServer {
    /// A server of one's own with JetStream, its store in a temporary directory.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        for dir in [layout.configs(), layout.streams(), layout.outputs(), layout.run()] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let config = format!(
            "{LISTEN}
ports_file_dir: \"{}\"
max_payload: 262144
\
             jetstream {{ store_dir: \"{}\" }}
",
            layout.run().display(),
            layout.streams().display(),
        );
        std::fs::write(layout.bus_config(), config).unwrap();
        Self { _dir: Some(dir), ..Self::start_in(&layout).await }
    }

    /// The server that the configuration in `layout` describes.
    pub async fn start_in(layout: &Layout) -> Self {
        let process = Process::start(layout, &recipe(layout)).await;
        let url = process.said.clone();
        Self { process: Some(process), layout: layout.clone(), url, _dir: None }
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

    /// A client with no settings of ours.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::connect(&self.url).await.unwrap()
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
    }
}
