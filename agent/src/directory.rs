//! Holds the directory document in force; SIGHUP brings a higher one.

use std::sync::{Arc, PoisonError, RwLock};

use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::perspective::Perspective;
use mpic_common::time::UnixMs;
use mpic_runtime::directory::{LoadError, Source};

/// The document in force, and where the next one comes from.
#[derive(Debug)]
pub struct Directories {
    source: Source,
    perspective: PerspectiveId,
    current: RwLock<Arc<Directory>>,
}

/// Why a document is of no use to this agent.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It is not taken.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The agent's perspective is not in it.
    #[error("the directory document lists no perspective `{0}` in force")]
    OwnPerspective(PerspectiveId),
}

impl Directories {
    /// Reads the document of `source`, which must list `perspective`, as of `now`.
    pub fn load(source: Source, perspective: PerspectiveId, now: UnixMs) -> Result<Self, OwnError> {
        let current = RwLock::new(source.load(now)?.directory);
        let directories = Self { source, perspective, current };
        directories.own(now)?;
        Ok(directories)
    }

    /// The document in force.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The agent's own entry, as of `now`.
    pub fn own(&self, now: UnixMs) -> Result<Perspective, OwnError> {
        self.listed_in(&self.current(), now)
    }

    fn listed_in(&self, directory: &Directory, now: UnixMs) -> Result<Perspective, OwnError> {
        let code = &self.perspective;
        let own = directory.perspective(code, now).cloned();
        own.ok_or_else(|| OwnError::OwnPerspective(code.clone()))
    }

    /// Reads the document again and takes it if its serial is higher; gives the serial in force.
    pub fn reload(&self, now: UnixMs) -> Result<u64, OwnError> {
        let next = self.source.load(now)?.directory;
        self.listed_in(&next, now)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if next.serial() > current.serial() {
            *current = next;
        }
        Ok(current.serial())
    }
}
