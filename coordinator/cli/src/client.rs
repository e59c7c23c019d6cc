//! How a client reaches a system: the bus, the CA that it asks as, and whom it believes.

use std::path::{Path, PathBuf};

use mpic_common::code::CaId;
use mpic_common::directory::{Directory, DirectoryError};
use mpic_common::signature::{PublicKey, SigningKey};
use mpic_runtime::config::{self, BusConfig, ConfigError, LogConfig, TracesConfig};
use mpic_runtime::keys::{self, KeyFileError};
use mpic_runtime::telemetry;
use serde::{Deserialize, Serialize};

/// What `client.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The CA to ask as. Required.
    pub ca: CaId,
    /// The names that it looks for in CAA records. Required.
    pub issuer_domains: Vec<String>,
    /// The key that signs its jobs. Default none: they are not signed.
    pub key_file: Option<PathBuf>,
    /// The signed directory document. Required.
    pub directory_file: PathBuf,
    /// The key that signs it, `ed25519:` and base64. Required: it pins the document.
    pub directory_root: String,
    /// The log, where it is on this machine. Default none.
    pub log: Option<PathBuf>,
    /// The file with the key that the log's checkpoints are verified with. Default none.
    pub log_key_file: Option<PathBuf>,
    /// The bus, as the CA. Required.
    pub bus: BusConfig,
    /// The bus, as who looks from outside: `mpic status`. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ops: Option<BusConfig>,
    /// Where traces go. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesConfig>,
}

/// What `mpic provision` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionConfig {
    /// The stream is to hold six days of them, so that there is time to repair the audit consumer.
    /// Required.
    pub decisions_per_day: u32,
    /// Copies of each record: 3 in production, over three failure domains. Required.
    pub replicas: usize,
    /// The bus, as provisioning. Required.
    pub bus: BusConfig,
}

/// Why a client cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file is not what it should be.
    #[error("cannot use the client's configuration, which `mpic up` writes into its --dir")]
    Config(#[from] ConfigError),
    /// The directory document cannot be believed.
    #[error("cannot use the directory document")]
    Directory(#[from] DirectoryError),
    /// The CA's key cannot be used.
    #[error("cannot sign jobs")]
    Key(#[from] KeyFileError),
}

impl ClientConfig {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ClientError> {
        Ok(config::load(path)?)
    }

    /// The directory, signed by the pinned root.
    pub fn directory(&self) -> Result<Directory, ClientError> {
        let root: PublicKey = self
            .directory_root
            .parse()
            .map_err(|error| ConfigError::key("directory_root", &self.directory_root, error))?;
        Ok(Directory::open(&config::read(&self.directory_file)?, &root)?)
    }

    /// Has traces sent where they are to go, while `telemetry::during` runs; called once.
    pub fn trace(&self) -> Result<(), ConfigError> {
        let errors = LogConfig { filter: "error".to_owned(), ..LogConfig::default() };
        match &self.traces {
            Some(traces) => telemetry::init(&errors, Some(traces), "mpic"),
            None => Ok(()),
        }
    }

    /// The key that signs jobs, if there is one.
    pub fn key(&self) -> Result<Option<SigningKey>, ClientError> {
        Ok(self.key_file.as_deref().map(keys::load).transpose()?)
    }
}
