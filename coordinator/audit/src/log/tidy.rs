//! What a shard no longer needs: partial tiles whose full one is committed, most old checkpoints.
//!
//! Nothing here is synced: a file that comes back after a loss of power is harmless.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use super::files::{Files, io_error};
use super::shard::checkpoint_name;
use super::{LogError, Storage};
use crate::tree::{Kind, TILE_WIDTH, TileName};

/// What is left to remove.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    /// Directories of partial tiles of which the full one is committed.
    collected: VecDeque<String>,
    /// The sizes of the checkpoints that are kept.
    commits: BTreeSet<u64>,
}

impl Tidy {
    /// After a start at this size: a killed run may have left what it was about to remove.
    pub(super) fn at_start(size: u64, commits: BTreeSet<u64>) -> Self {
        let mut tidy = Self { collected: VecDeque::new(), commits };
        for (kind, full) in full_tiles(size) {
            tidy.collect(kind, full.saturating_sub(LOOKED_AT)..full);
        }
        tidy
    }

    /// After a commit.
    pub(super) fn grown(&mut self, old_size: u64, size: u64) {
        for ((kind, from), (_, to)) in full_tiles(old_size).zip(full_tiles(size)) {
            self.collect(kind, from..to);
        }
        self.commits.insert(size);
    }

    fn collect(&mut self, kind: Kind, full: std::ops::Range<u64>) {
        let names = full.filter_map(|index| TileName::new(kind, index, TILE_WIDTH));
        self.collected.extend(names.map(|name| format!("{name}.p")));
    }

    /// Removes some of it, so that a commit never waits long.
    pub(super) fn remove<S: Storage>(&mut self, files: &Files<S>) -> Result<(), LogError> {
        let mut left = REMOVED_MAX;
        while let Some(directory) = self.collected.front() {
            left = remove_files(files, directory, left)?;
            if left == 0 {
                return Ok(());
            }
            self.collected.pop_front();
        }
        for size in self.obsolete().into_iter().take(left) {
            remove(files, &checkpoint_name(size))?;
            self.commits.remove(&size);
        }
        Ok(())
    }

    /// All checkpoints but the newest, and the smallest of each block of sizes.
    fn obsolete(&self) -> Vec<u64> {
        let mut last_block = None;
        let mut obsolete = Vec::new();
        let older = self.commits.len().saturating_sub(NEWEST_KEPT);
        for size in self.commits.iter().take(older) {
            let block = Some(size / BLOCK);
            if block == last_block {
                obsolete.push(*size);
            }
            last_block = block;
        }
        obsolete
    }
}

/// Of each kind of tile, how many are full in a tree of this size.
fn full_tiles(size: u64) -> impl Iterator<Item = (Kind, u64)> {
    let levels = (0_u8..6).map(move |level| (Kind::Hashes { level }, size >> (8 * (level + 1))));
    levels.chain([(Kind::Entries, size / TILE_WIDTH)])
}

/// Removes the files of a directory, and then itself; gives how many more may be removed.
fn remove_files<S: Storage>(
    files: &Files<S>,
    directory: &str,
    left: usize,
) -> Result<usize, LogError> {
    let names = match files.storage.list(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
        Err(error) => return Err(io_error("list", directory)(error)),
    };
    let count = names.len();
    for (name, _) in names.into_iter().take(left) {
        remove(files, &format!("{directory}/{name}"))?;
    }
    if count >= left {
        return Ok(0);
    }
    files.storage.remove_directory(directory).map_err(io_error("remove", directory))?;
    Ok(left - count)
}

fn remove<S: Storage>(files: &Files<S>, path: &str) -> Result<(), LogError> {
    match files.storage.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("remove", path)),
    }
}

/// Files removed after one commit.
const REMOVED_MAX: usize = 1_024;

/// Full tiles of each level that a start looks at.
const LOOKED_AT: u64 = 2;

/// Enough for a start to see the commits of a run that was killed before it published.
const NEWEST_KEPT: usize = 64;

/// One checkpoint is kept of so many sizes.
const BLOCK: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_checkpoints_and_the_smallest_of_each_block_are_kept() {
        let commits = (1..=100).chain([4_096, 4_097, 8_192]).chain(10_000..10_063).collect();
        let tidy = Tidy::at_start(10_062, commits);
        let expected: Vec<_> = (2..=100).chain([4_097]).collect();
        assert_eq!(tidy.obsolete(), expected);
    }

    #[test]
    fn a_start_looks_at_the_last_full_tiles_of_each_level() {
        let tidy = Tidy::at_start(256 * 257 + 5, BTreeSet::new());
        let expected = [
            "tile/0/255.p",
            "tile/0/256.p",
            "tile/1/000.p",
            "tile/entries/255.p",
            "tile/entries/256.p",
        ];
        assert_eq!(tidy.collected, expected);
    }
}
