//! A fleet from a description, as `mpic init` writes it, with its server running.

use std::net::TcpListener;

use mpic_cli::fleet::ReadyWhen;
use mpic_cli::fleet::generated::Generated;
use mpic_cli::fleet::layout::Layout;
use mpic_cli::fleet::store::Mode;
use mpic_runtime::clock::{Clock, SystemClock};
use tempfile::TempDir;

use crate::process::{Process, Recipe, arguments, eventually};

/// The fleet. Its server is killed with it.
#[derive(Debug)]
pub struct Described {
    server: Option<Process>,
    layout: Layout,
    address: String,
    description: String,
    dir: TempDir,
}

/// What `tests/bus` describes; `PORT`, `LEAVES`, `MONITOR` and `STREAMS` are filled in.
const SERVER: &str = r#"
[bus]
release = "2.9"
streams = "STREAMS"
streams_max = "10GB"
decisions_per_day = 1000

[[server]]
name = "bus-0"
names = ["127.0.0.1", "localhost"]
listen = "127.0.0.1:PORT"
leaves = "127.0.0.1:LEAVES"
monitor = "127.0.0.1:MONITOR"
"#;

impl Described {
    /// Generates the fleet that `description` tells, but for its bus, and starts that.
    pub async fn start(description: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("out")).unwrap();
        let (port, monitor) = (free_port(), free_port());
        let bus = SERVER
            .replace("PORT", &port.to_string())
            .replace("LEAVES", &free_port().to_string())
            .replace("MONITOR", &monitor.to_string())
            .replace("STREAMS", dir.path().to_str().unwrap());
        let address = format!("127.0.0.1:{port}");
        let description = format!("{description}\n{bus}");
        let mut described = Self { server: None, layout, address, description, dir };
        described.generate();
        for dir in [described.layout.outputs(), described.layout.run()] {
            std::fs::create_dir_all(dir).unwrap();
        }
        described.start_server().await;
        described
    }

    /// What `mpic init` does.
    fn generate(&self) {
        let path = self.dir.path().join("fleet.toml");
        std::fs::write(&path, &self.description).unwrap();
        let fleet = Generated::read(&path, self.layout.dir()).unwrap();
        fleet.apply(Mode::Write, SystemClock.now()).unwrap();
    }

    async fn start_server(&mut self) {
        let config = self.layout.configs().join("bus-0.conf");
        let recipe = Recipe {
            name: "bus-0".to_owned(),
            program: "nats-server",
            arguments: arguments([std::ffi::OsStr::new("--config"), config.as_os_str()]),
            ready_when: ReadyWhen::PortsFile,
            host: None,
        };
        self.server = Some(Process::start_unready(&self.layout, &recipe));
        let connects = || std::net::TcpStream::connect(&self.address).ok();
        eventually("the server listens", connects).await;
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the server listens.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// A port that nothing listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
