//! Holds the current directory document; it is in the log before anything that it lists is used.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::octets::Hash;
use mpic_common::policy::Looser;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_runtime::directory::{Document, LoadError, Source};

use crate::recorder::{Publication, RecordError, Recorder};
use crate::records::ReadError;
use mpic_common::selection::{SelectionError, outlook};

/// Where documents come from that this coordinator can use.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The file.
    pub source: Source,
    /// The perspective that makes the primary determination.
    pub primary: PerspectiveId,
}

/// The document in force: it is in the log.
#[derive(Debug)]
pub struct Directories {
    candidates: Candidates,
    current: RwLock<Arc<Directory>>,
}

/// Why a document is of no use to this coordinator.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// It is not taken.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The policy is looser than the Baseline Requirements.
    #[error("directory document")]
    Policy(#[from] Looser),
    /// It can provide no cohort.
    #[error("directory document")]
    NoCohort(#[from] SelectionError),
}

/// Why a document cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The stream could not be asked for the last one.
    #[error("cannot read the last directory document of the stream")]
    Last(#[from] ReadError),
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
    Use(#[from] UseError),
    /// The next one cannot be put into the log.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// How long the document may take to be recorded.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);

impl Candidates {
    /// Reads the document, as of `now`, and warns of the day on which it falls short.
    pub fn load(&self, now: UnixMs) -> Result<Document, UseError> {
        let document = self.source.load(now)?;
        document.directory.policy().check(now.date())?;
        for warning in outlook(&document.directory, &self.primary, now)? {
            tracing::warn!("{warning}");
        }
        Ok(document)
    }
}

impl Directories {
    /// Puts the first document into the log and holds it.
    pub async fn hold(
        candidates: Candidates,
        document: Document,
        recorder: &Recorder,
    ) -> Result<Self, PublishError> {
        publish(&document, recorder).await?;
        Ok(Self { candidates, current: RwLock::new(document.directory) })
    }

    /// The document in force; a job holds on to the one that it began with.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the document again; one of a higher serial is put into the log and then holds.
    pub async fn reload(&self, recorder: &Recorder, now: UnixMs) -> Result<(), ReloadError> {
        let document = self.candidates.load(now)?;
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
