//! Reads single entries of a log directory, each authenticated against the head.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::bundle::{self, BundleError};
use crate::genesis::{Genesis, OwnEntry};
use crate::log::{Disk, Storage};
use crate::note::{Checkpoint, LogPublicKey, NoteError};
use crate::prefix;
use crate::proof::Proof;
use crate::tree::{Kind, ReadError, Reader, TILE_WIDTH, TileName, leaf_hash};
use crate::work::Watch;

/// A log under its published checkpoint, a live one too.
#[derive(Debug)]
pub struct LogReader {
    disk: Disk,
    note: String,
    head: Checkpoint,
    watcher: Watcher,
}

/// Who is told how far a long read is.
#[derive(Clone, Default)]
struct Watcher(Option<Arc<dyn Watch + Send + Sync>>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// Why an entry cannot be read.
#[derive(Debug, Error)]
pub enum LogReadError {
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// Which, below the log's directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The checkpoint is not this log's.
    #[error("the checkpoint is not one of this log")]
    Checkpoint(#[from] NoteError),
    /// The log has no such entry.
    #[error("the log has {size} entries, none with the index {index}")]
    NoSuchEntry {
        /// Its size.
        size: u64,
        /// The index asked for.
        index: u64,
    },
    /// A bundle cannot be parsed.
    #[error("bundle {bundle} is damaged")]
    Bundle {
        /// Which.
        bundle: u64,
        /// How.
        source: BundleError,
    },
    /// The files are not of the head's tree.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}

impl LogReadError {
    /// Whether what was read is not what was logged, other than where nothing could be read.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Checkpoint(_) | Self::Bundle { .. } | Self::Damaged(_))
    }
}

impl LogReader {
    /// Reads the published checkpoint.
    pub fn open(directory: &Path, key: &LogPublicKey) -> Result<Self, LogReadError> {
        let disk = Disk::new(directory);
        let octets = disk.read("checkpoint").map_err(cannot_read("checkpoint"))?;
        let head = key.open(&octets)?;
        let note = String::from_utf8(octets).map_err(|_| NoteError::Malformed)?;
        Ok(Self { disk, note, head, watcher: Watcher::default() })
    }

    /// The same log; `watch` is told how far it was read.
    #[must_use]
    pub fn watched(self, watch: Arc<dyn Watch + Send + Sync>) -> Self {
        Self { watcher: Watcher(Some(watch)), ..self }
    }

    /// The published checkpoint.
    pub fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The signed note of the published checkpoint.
    pub fn note(&self) -> &[u8] {
        self.note.as_bytes()
    }

    /// A tile or bundle as it is on the disk, not authenticated.
    pub(crate) fn file(&self, name: TileName) -> Result<Vec<u8>, LogReadError> {
        self.read(name)
    }

    /// One entry.
    pub fn entry(&self, index: u64) -> Result<Bytes, LogReadError> {
        let absent = LogReadError::NoSuchEntry { size: self.head.size, index };
        if index >= self.head.size {
            return Err(absent);
        }
        let entries = self.bundle(index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).ok();
        place.and_then(|place| entries.into_iter().nth(place)).ok_or(absent)
    }

    /// The entries of a bundle: those from `256 * bundle` on, at most 256.
    pub fn bundle(&self, bundle: u64) -> Result<Vec<Bytes>, LogReadError> {
        let first = bundle * TILE_WIDTH;
        let absent = || LogReadError::NoSuchEntry { size: self.head.size, index: first };
        let width = self.head.size.saturating_sub(first).min(TILE_WIDTH);
        let name = TileName::new(Kind::Entries, bundle, width).ok_or_else(absent)?;
        let octets = Bytes::from(self.read(name)?);
        let damaged = |source| LogReadError::Bundle { bundle, source };
        let entries = bundle::entries(&octets, width).map_err(damaged)?;
        let leaves = self.tree()?.bundle_leaves(bundle).map_err(tree_error)?;
        if !entries.iter().map(|entry| leaf_hash(entry)).eq(leaves) {
            let text = format!("bundle {bundle} holds other entries than the tree");
            return Err(LogReadError::Damaged(text));
        }
        if let Watcher(Some(watch)) = &self.watcher {
            watch.advanced(&self.head.origin, first + width, self.head.size);
        }
        Ok(entries.into_iter().map(|entry| octets.slice_ref(entry)).collect())
    }

    /// All entries and their indices, in order; ends at the first bundle that cannot be read.
    pub fn entries(&self) -> impl Iterator<Item = Result<(u64, Bytes), LogReadError>> {
        self.entries_from(0)
    }

    /// The same from the first entry of a bundle on.
    pub fn entries_from(
        &self,
        bundle: u64,
    ) -> impl Iterator<Item = Result<(u64, Bytes), LogReadError>> {
        let mut is_readable = true;
        let bundles = bundle..self.head.size.div_ceil(TILE_WIDTH);
        let bundles = bundles.map(|bundle| self.bundle(bundle).map(|entries| (bundle, entries)));
        let until_damage =
            move |read: &Result<_, _>| std::mem::replace(&mut is_readable, read.is_ok());
        bundles.take_while(until_damage).flat_map(|read| {
            let (first, entries, error) = match read {
                Ok((bundle, entries)) => (bundle * TILE_WIDTH, entries, None),
                Err(error) => (0, Vec::new(), Some(Err(error))),
            };
            (first..).zip(entries).map(Ok).chain(error)
        })
    }

    /// What entry 0 says.
    pub fn genesis(&self) -> Result<Genesis, LogReadError> {
        match OwnEntry::decode(&self.entry(0)?) {
            Ok(OwnEntry::Genesis(genesis)) => Ok(genesis),
            _ => Err(LogReadError::Damaged("entry 0 is not a genesis entry".to_owned())),
        }
    }

    /// The inclusion proof of an entry, over the published checkpoint.
    pub fn prove(&self, index: u64) -> Result<Proof, LogReadError> {
        let path = self.tree()?.inclusion(index).map_err(tree_error)?;
        Ok(Proof { index, path, checkpoint: self.note.clone() })
    }

    fn tree(&self) -> Result<Tree<'_>, LogReadError> {
        let Checkpoint { size, root, .. } = self.head;
        let fetch: Fetch<'_> = Box::new(|name| self.read(name));
        Reader::new(size, root, fetch).map_err(tree_error)
    }

    /// A tile or bundle; a partial one that was collected is the beginning of the full one.
    fn read(&self, name: TileName) -> Result<Vec<u8>, LogReadError> {
        let path = name.to_string();
        match self.disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !name.is_full() => {
                self.read_prefix(name).map_err(|_| cannot_read(&path)(error))
            }
            read => read.map_err(cannot_read(&path)),
        }
    }

    fn read_prefix(&self, name: TileName) -> Result<Vec<u8>, LogReadError> {
        let absent = || LogReadError::Damaged(format!("{name} is absent"));
        let full = name.with_width(TILE_WIDTH).ok_or_else(absent)?.to_string();
        let octets = self.disk.read(&full).map_err(cannot_read(&full))?;
        prefix::of_full(name, &octets).ok_or_else(absent)
    }
}

type Fetch<'a> = Box<dyn Fn(TileName) -> Result<Vec<u8>, LogReadError> + 'a>;
type Tree<'a> = Reader<Fetch<'a>>;

fn tree_error(error: ReadError<LogReadError>) -> LogReadError {
    match error {
        ReadError::Fetch(error) => error,
        ReadError::NoSuchEntry { size, index } => LogReadError::NoSuchEntry { size, index },
        other => LogReadError::Damaged(other.to_string()),
    }
}

fn cannot_read(path: &str) -> impl FnOnce(io::Error) -> LogReadError {
    move |source| LogReadError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::log::{Shard, ShardOptions, Steps};
    use crate::note::LogKey;

    fn key() -> LogKey {
        LogKey::new("log.example", &[1; 32]).expect("a valid origin")
    }

    fn entry(index: u64) -> Bytes {
        format!("entry {index}").into()
    }

    fn append(directory: &Path, end: u64) {
        let options =
            ShardOptions { key: key(), io_threads: NonZeroUsize::MIN, steps: Steps::default() };
        let shard = Shard::open(Disk::new(directory), options).expect("opened");
        let entries: Vec<_> = (shard.size()..end).map(entry).collect();
        shard.commit(&entries).expect("committed").publish().expect("published");
    }

    #[test]
    fn entries_and_their_proofs_are_read_under_the_head() {
        let log = tempfile::tempdir().expect("a directory");
        append(log.path(), 100);
        let old = LogReader::open(log.path(), key().public()).expect("opened");
        append(log.path(), 600);
        let new = LogReader::open(log.path(), key().public()).expect("opened");
        // What the writer collects once the full files are there.
        fs::remove_dir_all(log.path().join("tile/0/000.p")).expect("removed");
        fs::remove_dir_all(log.path().join("tile/entries/000.p")).expect("removed");
        for (reader, index) in [(&old, 0), (&old, 99), (&new, 99), (&new, 255), (&new, 599)] {
            assert_eq!(reader.entry(index).expect("an entry"), entry(index));
            let proof = reader.prove(index).expect("a proof");
            assert!(proof.check(key().public(), leaf_hash(&entry(index))).is_ok());
        }
        let all: Result<Vec<_>, _> = new.entries().collect();
        assert_eq!(all.expect("readable"), (0..600).map(|i| (i, entry(i))).collect::<Vec<_>>());
        for (reader, index) in [(&old, 100), (&new, 600), (&new, 10_000)] {
            let refused = reader.entry(index).expect_err("absent");
            assert!(matches!(refused, LogReadError::NoSuchEntry { .. }), "{refused}");
            assert!(reader.prove(index).is_err());
        }
    }

    #[test]
    fn an_entry_that_was_changed_is_not_read() {
        let log = tempfile::tempdir().expect("a directory");
        append(log.path(), 10);
        let path = log.path().join("tile/entries/000.p/10");
        let mut octets = fs::read(&path).expect("a bundle");
        fs::remove_file(&path).expect("removed");
        octets[5] ^= 1;
        fs::write(&path, octets).expect("written");
        let reader = LogReader::open(log.path(), key().public()).expect("opened");
        assert!(matches!(reader.entry(7), Err(LogReadError::Damaged(_))));
        let read: Vec<_> = reader.entries().collect();
        assert!(matches!(read.as_slice(), [Err(LogReadError::Damaged(_))]), "{read:?}");
    }
}
