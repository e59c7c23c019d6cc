//! How an operator signs notes and reaches the stream of records.

use std::path::{Path, PathBuf};

use mpic_common::directory::{Directory, DirectoryError};
use mpic_common::signature::{PublicKey, SigningKey};
use mpic_runtime::config::{self, BusConfig, ConfigError};
use mpic_runtime::keys::{self, KeyFileError};
use serde::{Deserialize, Serialize};

/// What `operator.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// The name of the person, as the directory document lists it. Required.
    pub operator: String,
    /// The key that signs notes, mode 0600. Required to sign, not to send what is signed.
    pub key_file: Option<PathBuf>,
    /// The signed directory document. Required.
    pub directory_file: PathBuf,
    /// The key that signs it, `ed25519:` and base64. Required: it pins the document.
    pub directory_root: String,
    /// The bus. Required to publish.
    pub bus: Option<BusConfig>,
}

/// Why an operator cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The file is not what it should be.
    #[error("cannot use the operator's configuration")]
    Config(#[from] ConfigError),
    /// The directory document cannot be believed.
    #[error("cannot use the directory document")]
    Directory(#[from] DirectoryError),
    /// The key cannot be used.
    #[error("cannot sign")]
    Key(#[from] KeyFileError),
}

impl OperatorConfig {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, OperatorError> {
        Ok(config::load(path)?)
    }

    /// The directory, signed by the pinned root.
    pub fn directory(&self) -> Result<Directory, OperatorError> {
        let root: PublicKey = self
            .directory_root
            .parse()
            .map_err(|error| ConfigError::key("directory_root", &self.directory_root, error))?;
        Ok(Directory::open(&config::read(&self.directory_file)?, &root)?)
    }

    /// The key that signs notes.
    pub fn key(&self) -> Result<SigningKey, OperatorError> {
        let path = self.key_file.as_deref();
        let path =
            path.ok_or_else(|| ConfigError::key("key_file", "", "it is required to sign"))?;
        Ok(keys::load(path)?)
    }

    /// How to reach the bus.
    pub fn bus(&self) -> Result<&BusConfig, OperatorError> {
        let bus = self.bus.as_ref();
        Ok(bus.ok_or_else(|| ConfigError::key("bus", "", "it is required to publish"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let sample = include_str!("../../../deploy/config/operator.toml");
        let config: OperatorConfig = toml::from_str(sample).unwrap();
        assert!(config.key_file.is_some() && config.bus.is_some());
    }
}
