//! Opening a shard, whatever ended the process before: the largest valid checkpoint is the head.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroUsize;

use mpic_common::octets::Hash;

use super::files::{Files, TEMPORARY, io_error};
use super::shard::{CHECKPOINT, CHECKPOINTS, Head, absence_is_damage, checkpoint_name, damaged};
use super::tidy::Tidy;
use super::{LogError, Shard, Steps, Storage};
use crate::bundle;
use crate::note::{Checkpoint, LogKey};
use crate::tree::{Edge, Kind, Reader, TILE_WIDTH, TileName, leaf_hash};

/// How to open a shard.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// The key that signs its checkpoints; its origin is the log's.
    pub key: LogKey,
    /// Threads for blocking calls; with one, calls happen in order.
    pub io_threads: NonZeroUsize,
    /// Is told of the steps of each commit.
    pub steps: Steps,
}

impl<S: Storage> Shard<S> {
    /// Takes the lock, removes what killed runs left, and authenticates the right edge.
    ///
    /// A shard without entries is one in which genesis has yet to be committed.
    pub fn open(storage: S, options: ShardOptions) -> Result<Self, LogError> {
        let ShardOptions { key, io_threads, steps } = options;
        let files = Files::new(storage, steps, io_threads);
        let lock = prepare(&files)?;
        let commits = list_commits(&files)?;
        let Some((checkpoint, head)) = read_head(&files, &key, &commits)? else {
            refuse_orphans(&files)?;
            let (edge, bundle, tidy) = (Edge::default(), Vec::new(), Tidy::default());
            return Ok(Self { files, key, edge, bundle, head: None, tidy, _lock: lock });
        };
        let Checkpoint { size, root, .. } = checkpoint;
        let fetch = |name: TileName| files.read(&name.to_string());
        let reader = Reader::new(size, root, fetch).map_err(damaged(size))?;
        let last_leaves = reader.bundle_leaves((size - 1) / TILE_WIDTH).map_err(damaged(size))?;
        let edge = reader.into_edge();
        let bundle = read_last_bundle(&files, size, &last_leaves)?;
        let tidy = Tidy::at_start(size, commits);
        Ok(Self { files, key, edge, bundle, head: Some(head), tidy, _lock: lock })
    }
}

/// Makes the directories that no commit makes, and takes the lock.
pub(super) fn prepare<S: Storage>(files: &Files<S>) -> Result<S::Lock, LogError> {
    files.create_directory(".state", 0o700)?;
    let lock = files.storage.lock(LOCK).map_err(io_error("lock", LOCK))?;
    let lock = lock.ok_or(LogError::Locked)?;
    files.create_directory(TEMPORARY, 0o700)?;
    files.create_directory(CHECKPOINTS, 0o755)?;
    files.remove_temporaries()?;
    files.sync_directory("")?;
    Ok(lock)
}

/// The sizes that the names in `checkpoints/` say.
fn list_commits<S: Storage>(files: &Files<S>) -> Result<BTreeSet<u64>, LogError> {
    let names = files.storage.list(CHECKPOINTS).map_err(io_error("list", CHECKPOINTS))?;
    let commits = names.into_iter().map(|(name, _)| {
        let path = format!("{CHECKPOINTS}/{name}");
        let size = name.parse().ok().filter(|size| checkpoint_name(*size) == path);
        size.ok_or(LogError::NoCommit { path })
    });
    commits.collect()
}

/// The largest of `checkpoint` and the newest in `checkpoints/`, each of which must be valid.
fn read_head<S: Storage>(
    files: &Files<S>,
    key: &LogKey,
    commits: &BTreeSet<u64>,
) -> Result<Option<(Checkpoint, Head)>, LogError> {
    let mut heads = BTreeMap::new();
    let published = match files.storage.read(CHECKPOINT) {
        Ok(note) => Some(add_head(&mut heads, key, CHECKPOINT, note)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_error("read", CHECKPOINT)(error)),
    };
    for named in commits.iter().rev().take(HEADS_MAX) {
        let path = checkpoint_name(*named);
        let size = add_head(&mut heads, key, &path, files.read(&path)?)?;
        if size != *named {
            return Err(LogError::NoteName { path, size });
        }
    }
    Ok(heads.pop_last().map(|(size, (checkpoint, note))| {
        (checkpoint, Head { note, is_published: published == Some(size) })
    }))
}

/// Adds a checkpoint under its size, where no other may be. Gives the size.
fn add_head(
    heads: &mut BTreeMap<u64, (Checkpoint, Vec<u8>)>,
    key: &LogKey,
    path: &str,
    note: Vec<u8>,
) -> Result<u64, LogError> {
    let invalid = |source| LogError::Note { path: path.to_owned(), source };
    let checkpoint = key.public().open(&note).map_err(invalid)?;
    let size = checkpoint.size;
    let is_fork = heads.get(&size).is_some_and(|(other, _)| other.root != checkpoint.root);
    if is_fork {
        return Err(LogError::Fork { size });
    }
    if size == 0 {
        return Err(LogError::NoteName { path: path.to_owned(), size });
    }
    heads.insert(size, (checkpoint, note));
    Ok(size)
}

/// Without a checkpoint there may be nothing but what a killed `init` leaves.
fn refuse_orphans<S: Storage>(files: &Files<S>) -> Result<(), LogError> {
    let mut directories = vec!["tile".to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = match files.storage.list(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error("list", &directory)(error)),
        };
        for (name, is_directory) in entries {
            let path = format!("{directory}/{name}");
            if is_directory {
                directories.push(path);
            } else if !["tile/0/000.p/1", "tile/entries/000.p/1"].contains(&path.as_str()) {
                return Err(LogError::NoCheckpoint { path });
            }
        }
    }
    Ok(())
}

/// The octets to which the next entry is added: those of the last bundle, unless it is full.
fn read_last_bundle<S: Storage>(
    files: &Files<S>,
    size: u64,
    leaves: &[Hash],
) -> Result<Vec<u8>, LogError> {
    let width = (size - 1) % TILE_WIDTH + 1;
    let name = TileName::new(Kind::Entries, (size - 1) / TILE_WIDTH, width);
    let name = name.ok_or(LogError::Ended)?.to_string();
    let octets = files.read(&name).map_err(absence_is_damage(size))?;
    let found = bundle::entries(&octets, width)?;
    if !found.into_iter().map(leaf_hash).eq(leaves.iter().copied()) {
        let reason = format!("{name} holds other entries");
        return Err(LogError::Damaged { size, reason });
    }
    Ok(if width == TILE_WIDTH { Vec::new() } else { octets })
}

const LOCK: &str = ".state/lock";

/// Enough to see the commits of a run that was killed before it published.
const HEADS_MAX: usize = 64;
