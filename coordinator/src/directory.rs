//! Holds the current directory document; it is in the log before anything that it lists is used.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::{Directory, DirectoryError, Owner};
use mpic_common::octets::Hash;
use mpic_common::policy::Looser;
use mpic_common::signature::{KeyError, PublicKey};
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_runtime::config::{ConfigError, read};

use crate::recorder::{Publication, RecordError, Recorder};
use crate::selection::{SelectionError, outlook};

/// A document and its exact octets.
#[derive(Debug, Clone)]
pub struct Document {
    /// The document.
    pub directory: Arc<Directory>,
    /// The envelope.
    pub octets: Bytes,
}

/// Where the document comes from, and whom it must list.
#[derive(Debug, Clone)]
pub struct Source {
    /// The signed document.
    pub file: PathBuf,
    /// Who signs it, `ed25519:` and base64.
    pub root: String,
    /// The coordinator.
    pub code: CoordinatorId,
    /// The key that signs its records.
    pub key: PublicKey,
    /// The perspective that makes the primary determination.
    pub primary: PerspectiveId,
}

/// The document in force: it is in the log.
#[derive(Debug)]
pub struct Directories {
    source: Source,
    current: RwLock<Arc<Directory>>,
}

/// Why a document cannot be used.
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
    /// The policy is looser than the Baseline Requirements.
    #[error("directory document")]
    Policy(#[from] Looser),
    /// It can provide no cohort.
    #[error("directory document")]
    NoCohort(#[from] SelectionError),
    /// The coordinator's own key is not in it.
    #[error("the directory document lists no key {key} in force for coordinator `{code}`")]
    OwnKey {
        /// The key, as configured.
        key: String,
        /// The coordinator.
        code: CoordinatorId,
    },
}

/// Why a document cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The stream could not be asked for the last one.
    #[error("cannot read the last directory document of the stream")]
    Last(#[from] async_nats::jetstream::stream::LastRawMessageError),
    /// It could not be recorded.
    #[error("cannot record the directory document")]
    Record(#[from] RecordError),
    /// The stream has a higher one.
    #[error("the stream has the directory document with serial {stream}, the file has {file}")]
    Older {
        /// In the stream.
        stream: u64,
        /// In the file.
        file: u64,
    },
}

/// Why the document in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The next one cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The next one cannot be put into the log.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// How long the document may take to be recorded.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);

impl Source {
    /// Reads the document, as of `now`.
    pub fn load(&self, now: UnixMs) -> Result<Document, LoadError> {
        let octets = Bytes::from(read(&self.file)?);
        let directory = Directory::open(&octets, &self.root.parse()?)?;
        directory.policy().check(now.date())?;
        for warning in outlook(&directory, &self.primary, now)? {
            tracing::warn!("{warning}");
        }
        let own = directory.key(self.key.id(), now);
        if own.is_none_or(|own| own.owner != Owner::Coordinator(self.code.clone())) {
            return Err(LoadError::OwnKey { key: self.key.to_string(), code: self.code.clone() });
        }
        Ok(Document { directory: Arc::new(directory), octets })
    }
}

impl Directories {
    /// Puts the first document into the log and holds it.
    pub async fn hold(
        source: Source,
        document: Document,
        recorder: &Recorder,
    ) -> Result<Self, PublishError> {
        publish(&document, recorder).await?;
        Ok(Self { source, current: RwLock::new(document.directory) })
    }

    /// The document in force; a job holds on to the one that it began with.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the document again; one of a higher serial is put into the log and then holds.
    pub async fn reload(&self, recorder: &Recorder, now: UnixMs) -> Result<(), ReloadError> {
        let document = self.source.load(now)?;
        if document.directory.serial() <= self.current().serial() {
            return Ok(());
        }
        publish(&document, recorder).await?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = document.directory;
        Ok(())
    }
}

/// Puts the document into the log, unless it is the last one there.
async fn publish(document: &Document, recorder: &Recorder) -> Result<(), PublishError> {
    let serial = document.directory.serial();
    if let Some(last) = recorder.last(subject::AUDIT_DIRECTORY).await? {
        if last == document.octets {
            return Ok(());
        }
        let root = document.directory.root();
        match Directory::open(&last, &root) {
            Ok(last) if last.serial() > serial => {
                return Err(PublishError::Older { stream: last.serial(), file: serial });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the stream's last directory document is not ours");
            }
        }
    }
    let publication = Publication {
        subject: subject::AUDIT_DIRECTORY.to_owned(),
        id: subject::payload_id(&Hash::of(&document.octets)),
        octets: document.octets.clone(),
    };
    recorder.record(&publication, Instant::now() + PUBLISH_WAIT).await?;
    Ok(())
}
