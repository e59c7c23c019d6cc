//! Why a log cannot go on, and the exit code that tells the service manager what to do.

use std::io;

use thiserror::Error;

use super::fenced::FenceError;
use crate::bundle::{BundleError, EntryTooLong};
use crate::note::NoteError;
use crate::tree::EdgeError;

/// Any of these ends the process; nothing is retried in place.
#[derive(Debug, Error)]
pub enum LogError {
    /// A system call failed.
    #[error("cannot {operation} {path:?}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file of the shard.
        path: String,
        /// How it failed.
        source: io::Error,
    },
    /// A sync failed: what is on the disk is unknown.
    #[error("cannot sync {path:?}")]
    Sync {
        /// The file or directory.
        path: String,
        /// How it failed.
        source: io::Error,
    },
    /// Another process has the shard.
    #[error("another process holds the lock of the shard")]
    Locked,
    /// A name is taken by other octets than the tree's.
    #[error("{path:?} exists with other octets than those of the stream")]
    Conflict {
        /// The file.
        path: String,
    },
    /// A checkpoint that is not this log's.
    #[error("{path:?} is not a checkpoint of this log")]
    Note {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: NoteError,
    },
    /// A name in `checkpoints/` that no commit has.
    #[error("{path:?} is not the name of a checkpoint")]
    NoCommit {
        /// The file.
        path: String,
    },
    /// A checkpoint under the wrong name.
    #[error("{path:?} is not named after the size of its checkpoint, {size}")]
    NoteName {
        /// The file.
        path: String,
        /// The size that it has.
        size: u64,
    },
    /// Two signed checkpoints of one size and two roots.
    #[error("two signed checkpoints of size {size} have different roots")]
    Fork {
        /// Their size.
        size: u64,
    },
    /// Tiles are there, and no checkpoint.
    #[error("there is no checkpoint, but {path:?}")]
    NoCheckpoint {
        /// A file that a log without entries would not have.
        path: String,
    },
    /// What the head's tiles say is not what the head says.
    #[error("the tiles do not fit the checkpoint of size {size}: {reason}")]
    Damaged {
        /// The head's size.
        size: u64,
        /// Which tile, and how.
        reason: String,
    },
    /// An entry does not fit a bundle.
    #[error(transparent)]
    Entry(#[from] EntryTooLong),
    /// The tree cannot take the batch.
    #[error(transparent)]
    Tree(#[from] EdgeError),
    /// The last bundle is damaged.
    #[error("the last bundle cannot be read")]
    Bundle(#[from] BundleError),
    /// A checkpoint could not be made.
    #[error("cannot sign a checkpoint")]
    Sign(#[source] NoteError),
    /// An entry of the writer's own could not be made.
    #[error("cannot encode an entry")]
    Encode(#[source] rmp_serde::encode::Error),
    /// Another writer is ahead.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// An earlier error, or a panic, has ended the log.
    #[error("the log has ended")]
    Ended,
}

impl LogError {
    /// 70 evidence conflict, 74 I/O, 75 temporary: the codes of the operator's guide.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Locked => 75,
            Self::Io { source, .. } if is_full(source) => 75,
            Self::Io { .. } | Self::Sync { .. } | Self::Ended => 74,
            _ => 70,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
