//! Where everything of a local fleet lies below its directory.

use std::path::{Path, PathBuf};

use mpic_runtime::config::{BusConfig, TlsConfig};

/// The directory of a local fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(PathBuf);

/// The name of the log.
pub(super) const ORIGIN: &str = "audit.example/mpic/local";
/// The last element of it, and so the log's directory.
pub(super) const SHARD: &str = "local";

impl Layout {
    /// The layout below `dir`, made absolute so that no process depends on where it is started.
    pub fn new(dir: &Path) -> std::io::Result<Self> {
        std::path::absolute(dir).map(Self)
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Private keys, each readable by its owner alone.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> PathBuf {
        self.keys().join(format!("{name}.key"))
    }

    /// The API key of the gateway's clients.
    pub fn api_key(&self) -> PathBuf {
        self.key("api")
    }

    /// The nkey that the bus knows this party by.
    pub fn nkey(&self, party: &str) -> PathBuf {
        self.keys().join(format!("{party}.nk"))
    }

    /// The public nkeys that the bus knows this party by until its rotation is over.
    pub fn retiring_nkey(&self, party: &str) -> PathBuf {
        self.keys().join(format!("{party}.nk.retiring"))
    }

    /// Certificates and their keys.
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The certificate of this party; `ca` is the authority's.
    pub fn tls_certificate(&self, party: &str) -> PathBuf {
        self.tls().join(format!("{party}.pem"))
    }

    /// Its key.
    pub fn tls_key(&self, party: &str) -> PathBuf {
        self.tls().join(format!("{party}.key"))
    }

    /// How this party reaches the bus at `servers`.
    pub fn bus(&self, party: &str, servers: Vec<String>) -> BusConfig {
        BusConfig {
            servers,
            nkey_file: Some(self.nkey(party)),
            tls: Some(TlsConfig {
                ca: self.tls_certificate("ca"),
                certificate: self.tls_certificate(party),
                key: self.tls_key(party),
            }),
        }
    }

    /// What the processes are configured with.
    pub fn configs(&self) -> PathBuf {
        self.0.join("config")
    }

    /// The configuration of this process.
    pub fn config(&self, process: &str) -> PathBuf {
        self.configs().join(format!("{process}.toml"))
    }

    /// The bus has a syntax of its own.
    pub fn bus_config(&self) -> PathBuf {
        self.configs().join("nats-server.conf")
    }

    /// The signed directory document.
    pub fn directory_file(&self) -> PathBuf {
        self.0.join("directory.mpic")
    }

    /// What the log's checkpoints are verified with, as text.
    pub fn log_public_key(&self) -> PathBuf {
        self.0.join("log.vkey")
    }

    /// Where logs are kept, one directory a shard.
    pub fn log_data(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The log: what auditors read.
    pub fn log(&self) -> PathBuf {
        self.log_data().join(SHARD)
    }

    /// The streams of the bus.
    pub fn streams(&self) -> PathBuf {
        self.0.join("jetstream")
    }

    /// What the processes said.
    pub fn outputs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// What this process said.
    pub fn output(&self, process: &str) -> PathBuf {
        self.outputs().join(format!("{process}.log"))
    }

    /// Sockets and port files of a running system.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// Name to process id of each process, while the system runs.
    pub fn run_file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Locked while the system runs.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// How a client reaches the system.
    pub fn client(&self) -> PathBuf {
        self.0.join("client.toml")
    }

    /// How the operator signs notes and sends them.
    pub fn operator(&self) -> PathBuf {
        self.0.join("operator.toml")
    }
}
