//! The append-only log: an entry is durable, under a signed checkpoint, when `append` returns.

mod copy;
#[cfg(test)]
mod disk_tests;
mod error;
mod fenced;
mod files;
#[cfg(test)]
mod full_tests;
mod open;
mod shard;
mod step;
mod storage;
#[cfg(test)]
mod tests;
mod tidy;

pub use self::copy::Copy;
pub(crate) use self::copy::commits;
pub use self::error::LogError;
pub use self::fenced::{Fence, FenceError, FencedLog};
pub use self::open::ShardOptions;
pub use self::shard::Shard;
pub use self::step::{Step, Steps, UnknownStep};
#[cfg(any(test, feature = "testing"))]
pub use self::storage::memory;
pub use self::storage::{Disk, Storage};

use std::ops::Range;

use bytes::Bytes;
use mpic_common::octets::Hash;

/// What the appender needs of a log.
pub trait Log: Send + 'static {
    /// The number of entries.
    fn size(&self) -> u64;

    /// The leaf hashes of entries that it has.
    fn leaves(
        &mut self,
        indices: Range<u64>,
    ) -> impl Future<Output = Result<Vec<Hash>, LogError>> + Send;

    /// Appends entries as one batch and gives the index of the first.
    ///
    /// After an error nothing more can be appended: the process ends, and recovery is its next
    /// start.
    fn append(&mut self, entries: Vec<Bytes>)
    -> impl Future<Output = Result<u64, LogError>> + Send;

    /// Removes what is no longer needed; called between two appends.
    fn tidy(&mut self) -> impl Future<Output = Result<(), LogError>> + Send;
}
