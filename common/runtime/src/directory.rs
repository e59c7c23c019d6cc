//! Reads the directory document that a process goes by.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use mpic_common::directory::{Directory, DirectoryError, Owner};
use mpic_common::signature::{KeyError, PublicKey};
use mpic_common::time::UnixMs;

use crate::config::{ConfigError, read};

/// Where the document comes from, and whom it must list.
#[derive(Debug, Clone)]
pub struct Source {
    /// The signed document.
    pub file: PathBuf,
    /// Who signs it, `ed25519:` and base64.
    pub root: String,
    /// Whom the process speaks for.
    pub owner: Owner,
    /// The key that it signs with.
    pub key: PublicKey,
}

/// A document and its exact octets.
#[derive(Debug, Clone)]
pub struct Document {
    /// The document.
    pub directory: Arc<Directory>,
    /// The envelope.
    pub octets: Bytes,
}

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// The pinned root is no key.
    #[error("directory_root")]
    Root(#[from] KeyError),
    /// The document is not good.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The process's own key is not in it.
    #[error("the directory document lists no key {key} in force for {owner}")]
    OwnKey {
        /// The key, as configured.
        key: String,
        /// Whose it is to be.
        owner: String,
    },
}

impl Source {
    /// Reads the document, as of `now`.
    pub fn load(&self, now: UnixMs) -> Result<Document, LoadError> {
        let octets = Bytes::from(read(&self.file)?);
        let directory = Directory::open(&octets, &self.root.parse()?)?;
        let own = directory.key(self.key.id(), now);
        if own.is_none_or(|own| own.owner != self.owner) {
            let (key, owner) = (self.key.to_string(), self.owner.to_string());
            return Err(LoadError::OwnKey { key, owner });
        }
        Ok(Document { directory: Arc::new(directory), octets })
    }
}
