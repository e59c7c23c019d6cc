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
    /// The stream has a higher one, or another of the same serial.
    #[error("the stream has another directory document, of serial {stream}; the file has {file}")]
    NotNewer {
        /// In the stream.
        stream: u64,
        /// In the file.
        file: u64,
    },
}

/// How long the document may take to be recorded.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);
/// Before it is looked at again which document the stream has.
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);

impl Candidates {
    /// Reads the document, as of `now`, and warns of the day on which it falls short.
    pub fn load(&self, now: UnixMs) -> Result<Document, UseError> {
        let document = self.source.load(now)?;
        self.check(&document.directory, now)?;
        Ok(document)
    }

    fn check(&self, directory: &Directory, now: UnixMs) -> Result<(), UseError> {
        directory.policy().check(now.date())?;
        for warning in outlook(directory, &self.primary, now)? {
            tracing::warn!("{warning}");
        }
        Ok(())
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

    /// Reads the document again: the next one, where its serial is higher.
    ///
    /// What it revokes, ends or leaves out is dropped at once, also where the document can provide
    /// no cohort and whatever comes of publishing it: a key that its root has revoked counts no
    /// more, even if that leaves too few.
    pub fn read_again(&self, now: UnixMs) -> Result<Option<Document>, UseError> {
        let document = self.candidates.source.load(now)?;
        let current = self.current();
        if document.directory.serial() <= current.serial() {
            return Ok(None);
        }
        self.replace(Arc::new(current.restricted_by(&document.directory)));
        self.candidates.check(&document.directory, now)?;
        Ok(Some(document))
    }

    /// Puts the next document into the log; then it holds.
    pub async fn take(&self, next: Document, recorder: &Recorder) -> Result<(), PublishError> {
        publish(&next, recorder).await?;
        self.replace(next.directory);
        Ok(())
    }

    fn replace(&self, directory: Arc<Directory>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = directory;
    }
}

/// Puts the document into the log, unless it is the last one there.
///
/// The stream takes it only right after the last one that was seen here: of two coordinators that
/// publish at once, the one with the lower serial learns of the higher.
async fn publish(document: &Document, recorder: &Recorder) -> Result<(), PublishError> {
    let give_up = Instant::now() + PUBLISH_WAIT;
    loop {
        let last = recorder.last(subject::AUDIT_DIRECTORY).await?;
        if last.as_ref().is_some_and(|(_, last)| *last == document.octets) {
            return Ok(());
        }
        if let Some((_, last)) = &last {
            precedes(last, document)?;
        }
        let publication = Publication {
            subject: subject::AUDIT_DIRECTORY.to_owned(),
            id: subject::payload_id(&Hash::of(&document.octets)),
            octets: document.octets.clone(),
            after: Some(last.map_or(0, |(seq, _)| seq)),
        };
        match recorder.record(&publication, give_up).await {
            Err(RecordError::Overtaken(why)) if Instant::now() < give_up => {
                tracing::info!(why, "another directory document came first");
                tokio::time::sleep(PUBLISH_PAUSE).await;
            }
            other => return Ok(other.map(|_| ())?),
        }
    }
}

/// Errs unless the stream's last document has a lower serial.
fn precedes(last: &[u8], document: &Document) -> Result<(), PublishError> {
    let file = document.directory.serial();
    match Directory::open(last, &document.directory.root()) {
        Ok(last) if last.serial() >= file => {
            Err(PublishError::NotNewer { stream: last.serial(), file })
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "the stream's last directory document is not ours");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
