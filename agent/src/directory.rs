//! Holds the directory document in force; SIGHUP brings a higher one.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use mpic_common::code::PerspectiveId;
use mpic_common::directory::{Directory, DirectoryError, Owner};
use mpic_common::perspective::Perspective;
use mpic_common::signature::{KeyError, PublicKey};
use mpic_common::time::UnixMs;
use mpic_runtime::config::{ConfigError, read};

/// The document in force, and where the next one comes from.
#[derive(Debug)]
pub struct Directories {
    source: Source,
    current: RwLock<Arc<Directory>>,
}

/// Where the document comes from, and whom it must list.
#[derive(Debug, Clone)]
pub struct Source {
    /// The signed document.
    pub file: PathBuf,
    /// Who signs it, `ed25519:` and base64.
    pub root: String,
    /// The agent's perspective.
    pub perspective: PerspectiveId,
    /// The key that signs its replies.
    pub key: PublicKey,
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
    /// The agent's own key is not in it.
    #[error("the directory document lists no key {key} in force for perspective `{code}`")]
    OwnKey {
        /// The key.
        key: String,
        /// The perspective.
        code: PerspectiveId,
    },
    /// The agent's perspective is not in it.
    #[error("the directory document lists no perspective `{0}` in force")]
    OwnPerspective(PerspectiveId),
}

impl Directories {
    /// Reads the document of `source`, as of `now`.
    pub fn load(source: Source, now: UnixMs) -> Result<Self, LoadError> {
        let current = RwLock::new(Arc::new(source.load(now)?));
        Ok(Self { source, current })
    }

    /// The document in force.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The agent's own entry, as of `now`.
    pub fn own(&self, now: UnixMs) -> Result<Perspective, LoadError> {
        let code = &self.source.perspective;
        let own = self.current().perspective(code, now).cloned();
        own.ok_or_else(|| LoadError::OwnPerspective(code.clone()))
    }

    /// Reads the document again and takes it if its serial is higher; gives the serial in force.
    pub fn reload(&self, now: UnixMs) -> Result<u64, LoadError> {
        let next = self.source.load(now)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if next.serial() > current.serial() {
            *current = Arc::new(next);
        }
        Ok(current.serial())
    }
}

impl Source {
    fn load(&self, now: UnixMs) -> Result<Directory, LoadError> {
        let directory = Directory::open(&read(&self.file)?, &self.root.parse()?)?;
        let own = directory.key(self.key.id(), now);
        if own.is_none_or(|own| own.owner != Owner::Agent(self.perspective.clone())) {
            return Err(LoadError::OwnKey {
                key: self.key.to_string(),
                code: self.perspective.clone(),
            });
        }
        if directory.perspective(&self.perspective, now).is_none() {
            return Err(LoadError::OwnPerspective(self.perspective.clone()));
        }
        Ok(directory)
    }
}
