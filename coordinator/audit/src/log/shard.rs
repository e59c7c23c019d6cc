//! One log directory and the commit protocol: tiles first, then the signed checkpoint over them.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use mpic_common::octets::Hash;

use super::files::Files;
use super::tidy::Tidy;
use super::{LogError, Step, Storage};
use crate::bundle::{self, EntryTooLong};
use crate::genesis::{Genesis, OwnEntry};
use crate::note::LogKey;
use crate::tree::{Edge, Kind, ReadError, Reader, TILE_WIDTH, TileName, Tiles, leaf_hash};

/// An open shard, held by its lock. An operation that fails consumes it.
#[derive(Debug)]
pub struct Shard<S: Storage> {
    pub(super) files: Files<S>,
    pub(super) key: LogKey,
    pub(super) edge: Edge,
    /// The last bundle, if it is not full.
    pub(super) bundle: Vec<u8>,
    pub(super) head: Option<Head>,
    pub(super) tidy: Tidy,
    pub(super) _lock: S::Lock,
}

/// The checkpoint of the shard's size.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) note: Vec<u8>,
    pub(super) is_published: bool,
}

/// A batch in memory.
struct Built {
    edge: Edge,
    bundle: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
}

impl<S: Storage> Shard<S> {
    /// The number of entries; 0 only before genesis.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// The right edge of the tree.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The signed checkpoint of the present size; `None` before genesis.
    pub fn head(&self) -> Option<&[u8]> {
        self.head.as_ref().map(|head| head.note.as_slice())
    }

    /// Whether readers find the head under `checkpoint`.
    pub fn is_published(&self) -> bool {
        self.head.as_ref().is_none_or(|head| head.is_published)
    }

    /// Commits entries: returns once a signed checkpoint over them is durable.
    pub fn commit(mut self, entries: &[Bytes]) -> Result<Self, LogError> {
        let built = self.build(entries)?;
        self.files.reached(Step::Built)?;
        let temporaries = self.files.write(&built.files)?;
        self.files.reached(Step::Written)?;
        self.files.link(&temporaries)?;
        self.files.reached(Step::Linked)?;
        self.files.sync_names(built.files.iter().map(|(name, _)| name.as_str()))?;
        self.files.reached(Step::Synced)?;
        let note = self.commit_checkpoint(&built.edge)?;
        self.tidy.grown(self.edge.size(), built.edge.size());
        (self.edge, self.bundle) = (built.edge, built.bundle);
        self.head = Some(Head { note, is_published: false });
        Ok(self)
    }

    /// Puts the head where readers look for it.
    pub fn publish(mut self) -> Result<Self, LogError> {
        if let Some(head) = &mut self.head {
            self.files.replace(CHECKPOINT, &head.note)?;
            head.is_published = true;
        }
        self.files.reached(Step::Published)?;
        Ok(self)
    }

    /// Removes what the published head no longer needs, some of it at a time.
    pub fn tidy(mut self) -> Result<Self, LogError> {
        self.tidy.remove(&self.files)?;
        self.files.reached(Step::Tidied)?;
        Ok(self)
    }

    /// Makes the names of checkpoints durable that a killed run may have left without.
    pub fn sync_checkpoints(self) -> Result<Self, LogError> {
        self.files.sync_directory(CHECKPOINTS)?;
        Ok(self)
    }

    /// Leaf hashes of committed entries, out of authenticated tiles.
    pub fn leaves(&self, indices: Range<u64>) -> Result<Vec<Hash>, LogError> {
        let reader = self.reader();
        let mut leaves = Vec::new();
        for bundle in indices.start / TILE_WIDTH..indices.end.div_ceil(TILE_WIDTH) {
            let first = bundle * TILE_WIDTH;
            let of_bundle = reader.bundle_leaves(bundle).map_err(self.damaged())?;
            let wanted = (first..).zip(of_bundle).filter(|(index, _)| indices.contains(index));
            leaves.extend(wanted.map(|(_, leaf)| leaf));
        }
        Ok(leaves)
    }

    /// The root of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        self.reader().root_at(size).map_err(self.damaged())
    }

    /// The inclusion proof of an entry, its leaf's sibling first.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, LogError> {
        self.reader().inclusion(index).map_err(self.damaged())
    }

    /// What entry 0 says.
    pub fn genesis(&self) -> Result<Genesis, LogError> {
        let damaged = |reason: &str| LogError::Damaged { size: self.size(), reason: reason.into() };
        let width = self.size().min(TILE_WIDTH);
        let name = TileName::new(Kind::Entries, 0, width).ok_or(LogError::Ended)?;
        let octets = self.files.read(&name.to_string())?;
        let entries = bundle::entries(&octets, width)?;
        let first = entries.first().copied().unwrap_or_default();
        if self.leaves(0..1)? != [leaf_hash(first)] {
            return Err(damaged("entry 0 is not the one of the tree"));
        }
        match OwnEntry::decode(first) {
            Ok(OwnEntry::Genesis(genesis)) => Ok(genesis),
            _ => Err(damaged("entry 0 is not a genesis entry")),
        }
    }

    /// Step 2: every tile and bundle that the larger tree has and the present one has not.
    fn build(&self, entries: &[Bytes]) -> Result<Built, LogError> {
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = self.edge.append(&leaves)?;
        let (bundles, bundle) = self.build_bundles(entries)?;
        let files = appended.tiles.into_iter().chain(bundles);
        let files = files.map(|(name, octets)| (name.to_string(), octets)).collect();
        Ok(Built { edge: appended.edge, bundle, files })
    }

    /// The new bundles, and the octets of the last one if it is not full.
    fn build_bundles(&self, entries: &[Bytes]) -> Result<(Tiles, Vec<u8>), EntryTooLong> {
        let mut bundles = Tiles::new();
        let mut bundle = self.bundle.clone();
        let mut size = self.size();
        for entry in entries {
            bundle::push(&mut bundle, entry)?;
            size += 1;
            if size.is_multiple_of(TILE_WIDTH) {
                let full = TileName::new(Kind::Entries, size / TILE_WIDTH - 1, TILE_WIDTH);
                bundles.extend(full.map(|name| (name, std::mem::take(&mut bundle))));
            }
        }
        let last = TileName::new(Kind::Entries, size / TILE_WIDTH, size % TILE_WIDTH);
        bundles.extend(last.map(|name| (name, bundle.clone())));
        Ok((bundles, bundle))
    }

    /// Step 6, whose end is the commit point. Gives the note.
    fn commit_checkpoint(&self, edge: &Edge) -> Result<Vec<u8>, LogError> {
        let note = self.key.sign(edge.size(), edge.root()).map_err(LogError::Sign)?;
        let file = self.files.write_one(&checkpoint_name(edge.size()), &note)?;
        self.files.reached(Step::Signed)?;
        self.files.link_one(&file)?;
        self.files.sync_directory(CHECKPOINTS)?;
        self.files.reached(Step::Committed)?;
        Ok(note)
    }

    fn reader(&self) -> Reader<impl Fn(TileName) -> Result<Vec<u8>, LogError>> {
        Reader::below(self.edge.clone(), |name| self.files.read(&name.to_string()))
    }

    fn damaged(&self) -> impl Fn(ReadError<LogError>) -> LogError {
        damaged(self.size())
    }
}

/// The name in `checkpoints/` of the checkpoint of this size.
pub(super) fn checkpoint_name(size: u64) -> String {
    format!("{CHECKPOINTS}/{size:012}")
}

/// A tile that is absent or of another tree is damage; one that cannot be read is an I/O error.
pub(super) fn damaged(size: u64) -> impl Fn(ReadError<LogError>) -> LogError {
    move |error| match error {
        ReadError::Fetch(error) => absence_is_damage(size)(error),
        other => LogError::Damaged { size, reason: other.to_string() },
    }
}

/// What a signed checkpoint covers must be there.
pub(super) fn absence_is_damage(size: u64) -> impl Fn(LogError) -> LogError {
    move |error| match error {
        LogError::Io { path, source, .. } if source.kind() == io::ErrorKind::NotFound => {
            LogError::Damaged { size, reason: format!("{path} is absent") }
        }
        other => other,
    }
}

/// The head that readers look for.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The directory of the checkpoints of all commits.
pub(super) const CHECKPOINTS: &str = "checkpoints";
