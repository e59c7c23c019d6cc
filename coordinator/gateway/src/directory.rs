//! The directory document in force, read again on SIGHUP.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use mpic_common::code::CaId;
use mpic_common::directory::{Ca, Directory, DirectoryError};
use mpic_common::perspective::Place;
use mpic_common::signature::{KeyError, PublicKey};
use mpic_runtime::config::{ConfigError, read};

/// The document, and where it comes from.
#[derive(Debug)]
pub struct Directories {
    file: PathBuf,
    root: PublicKey,
    cas: Vec<CaId>,
    current: RwLock<Arc<Directory>>,
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
    #[error("cannot use the directory document")]
    Directory(#[from] DirectoryError),
    /// It lacks a CA.
    #[error("the directory document has no CA `{0}`")]
    NoCa(CaId),
    /// The remotes must be distinct from the CA's primary, so its place must be known.
    #[error("the directory document does not say where the primary perspective of CA `{0}` is")]
    NoPrimary(CaId),
    /// It is older than the one in force.
    #[error("serial {found} is older than {current}, which is in force")]
    Older {
        /// Its serial.
        found: u64,
        /// That of the one in force.
        current: u64,
    },
}

impl Directories {
    /// Reads the document at `file`, signed by `root`, which must list `cas`.
    pub fn load(file: PathBuf, root: &str, cas: Vec<CaId>) -> Result<Self, LoadError> {
        let root = root.parse()?;
        let directory = open(&file, &root, &cas)?;
        Ok(Self { file, root, cas, current: RwLock::new(Arc::new(directory)) })
    }

    /// The document in force.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again; what was in force stays so where it cannot be used.
    pub fn reload(&self) -> Result<u64, LoadError> {
        let directory = open(&self.file, &self.root, &self.cas)?;
        let (found, current) = (directory.serial(), self.current().serial());
        if found < current {
            return Err(LoadError::Older { found, current });
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
        Ok(found)
    }
}

fn open(file: &std::path::Path, root: &PublicKey, cas: &[CaId]) -> Result<Directory, LoadError> {
    let directory = Directory::open(&read(file)?, root)?;
    for code in cas {
        registration(&directory, code)?;
    }
    Ok(directory)
}

/// A CA's entry, and the place of its primary perspective.
pub fn registration<'a>(
    directory: &'a Directory,
    code: &CaId,
) -> Result<(&'a Ca, Place), LoadError> {
    let ca = directory.ca(code).ok_or_else(|| LoadError::NoCa(code.clone()))?;
    let primary = ca.primary.ok_or_else(|| LoadError::NoPrimary(code.clone()))?;
    Ok((ca, primary))
}
