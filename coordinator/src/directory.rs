//! Holds the current directory document; it is in the log before anything that it lists is used.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use mpic_common::code::CoordinatorId;
use mpic_common::directory::{Directory, DirectoryError, Owner};
use mpic_common::octets::Hash;
use mpic_common::policy::Looser;
use mpic_common::signature::{KeyError, PublicKey};
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_runtime::config::{ConfigError, read};

use crate::recorder::{Publication, RecordError, Recorder};

/// A document and its exact octets.
#[derive(Debug, Clone)]
pub struct Published {
    /// The document.
    pub directory: Arc<Directory>,
    /// The envelope.
    pub octets: Bytes,
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

/// How long the document may take to be recorded.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);

/// Reads the document at `path`, which `root` signed.
pub fn load(
    path: &Path,
    root: &str,
    (code, key): (&CoordinatorId, PublicKey),
    now: UnixMs,
) -> Result<Published, LoadError> {
    let octets = Bytes::from(read(path)?);
    let directory = Directory::open(&octets, &root.parse()?)?;
    directory.policy().check(now.date())?;
    let own = directory.key(key.id(), now);
    if own.is_none_or(|own| own.owner != Owner::Coordinator(code.clone())) {
        return Err(LoadError::OwnKey { key: key.to_string(), code: code.clone() });
    }
    Ok(Published { directory: Arc::new(directory), octets })
}

/// Puts the document into the log, unless it is the last one there.
pub async fn publish(published: &Published, recorder: &Recorder) -> Result<(), PublishError> {
    let serial = published.directory.serial();
    if let Some(last) = recorder.last(subject::AUDIT_DIRECTORY).await? {
        if last == published.octets {
            return Ok(());
        }
        let root = published.directory.root();
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
        id: subject::payload_id(&Hash::of(&published.octets)),
        octets: published.octets.clone(),
    };
    recorder.record(&publication, Instant::now() + PUBLISH_WAIT).await?;
    Ok(())
}
