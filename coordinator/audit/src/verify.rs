//! Checks a log directory with nothing but its files and its key (checks V1 to V8).

mod claims;
#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod tests;
mod tiles;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mpic_common::octets::Hash;
use thiserror::Error;

use self::claims::Claims;
use self::tiles::Tiles;
use crate::finding::{Head, Report, Severity};
use crate::log::{Disk, Storage};
use crate::note::{Checkpoint, LogPublicKey};
use crate::replay::Shard;
use crate::tree::{Edge, Reader, TILE_WIDTH, TileName, leaf_hash};
use crate::work::{Work, side_by_side};

/// What an auditor brings along from earlier visits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Checkpoints kept from earlier visits: each must be a prefix of this log.
    pub old_checkpoints: Vec<PathBuf>,
    /// Inclusion proofs: each must be valid, and its checkpoint a prefix of this log.
    pub proofs: Vec<PathBuf>,
}

/// The check could not be made.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// A file or directory cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks the log in this directory, a live one too.
pub fn verify(
    directory: &Path,
    key: &LogPublicKey,
    options: &Options,
) -> Result<Report, VerifyError> {
    let (directory, key, kept) = (directory.to_owned(), key.clone(), options.clone());
    let mut report = Report::default();
    let shard = Shard { directory, key, kept };
    verify_each(&shard, Work::default(), &mut report, |_, _, _, _| ())?;
    Ok(report)
}

/// The same, and hands all entries and their leaf hashes in order to `each`, some bundles at a
/// time, with the index of the first. Gives the head, if it is valid.
pub(crate) fn verify_each(
    shard: &Shard,
    work: Work<'_>,
    report: &mut Report,
    each: impl FnMut(u64, &[Bytes], &[Hash], &mut Report),
) -> Result<Option<Checkpoint>, VerifyError> {
    let Shard { directory, key, kept } = shard;
    let disk = Disk::new(directory);
    let Some(head) = read_head(&disk, key, report)? else { return Ok(None) };
    let mut claims = Claims::default();
    claims.add_commits(&disk, key, &head, report)?;
    claims.add_kept(key, &head, kept, report)?;
    let tiles = Tiles::list(&disk, &head, report)?;
    let mut walk = Walk { key, head: &head, tiles: &tiles, claims, report, work, each };
    walk.run()?;
    Ok(Some(head))
}

/// V1: the checkpoint.
fn read_head(
    disk: &Disk,
    key: &LogPublicKey,
    report: &mut Report,
) -> Result<Option<Checkpoint>, VerifyError> {
    let note = disk.read(CHECKPOINT).map_err(cannot_read(disk.root(), CHECKPOINT))?;
    let reason = match key.open(&note) {
        Ok(head) if head.size > 0 => {
            let Checkpoint { origin, size, root } = head.clone();
            report.heads.push(Head { origin, size, root: root.to_string() });
            return Ok(Some(head));
        }
        Ok(_) => "it is of a log without entries".to_owned(),
        Err(error) => error.to_string(),
    };
    report.add_general(Severity::Error, "V1", format!("checkpoint: {reason}"));
    Ok(None)
}

/// The way through all entries, in order.
struct Walk<'a, E> {
    key: &'a LogPublicKey,
    head: &'a Checkpoint,
    tiles: &'a Tiles<'a>,
    claims: Claims,
    report: &'a mut Report,
    work: Work<'a>,
    each: E,
}

impl<E: FnMut(u64, &[Bytes], &[Hash], &mut Report)> Walk<'_, E> {
    /// Ends at a bundle that cannot be read: behind it nothing can be said.
    fn run(&mut self) -> Result<(), VerifyError> {
        let mut edge = Edge::default();
        while edge.size() < self.head.size {
            let entries = self.read(edge.size())?;
            let leaves = side_by_side(&entries, HASHED_AT_ONCE, self.work.threads, |entries| {
                entries.iter().map(|entry| leaf_hash(entry)).collect()
            });
            (self.each)(edge.size(), &entries, &leaves, self.report);
            let before = edge.size();
            for leaves in leaves.chunks(TILE_WIDTH_ENTRIES) {
                self.claims.meet_leaves(self.key, edge.size(), leaves, self.report);
                edge = self.grow(edge, leaves)?;
            }
            if edge.size() < self.head.size.min(before + self.bundles() * TILE_WIDTH) {
                self.claims.report_broken(false, self.report);
                return Ok(());
            }
            self.work.watch.advanced(&self.head.origin, edge.size(), self.head.size);
        }
        self.tiles.compare_edge(&edge, self.report)?;
        self.check_root(&edge);
        self.claims.report_broken(edge.root() == self.head.root, self.report);
        std::mem::take(&mut self.claims).report_rest(self.report);
        Ok(())
    }

    /// The entries of some bundles, as far as they can be read.
    fn read(&mut self, first: u64) -> Result<Vec<Bytes>, VerifyError> {
        let mut read = Vec::new();
        let bundles = first / TILE_WIDTH..self.head.size.div_ceil(TILE_WIDTH);
        for bundle in bundles.take(usize::try_from(self.bundles()).unwrap_or(1)) {
            let Some(entries) = self.tiles.entries(bundle, self.report)? else { break };
            read.extend(entries);
        }
        Ok(read)
    }

    /// How many bundles are held at one time: one for every thread.
    fn bundles(&self) -> u64 {
        self.work.threads.get().min(BUNDLES_MAX) as u64
    }

    /// Adds leaves, with a stop at each size whose root somebody has claimed.
    fn grow(&mut self, mut edge: Edge, leaves: &[Hash]) -> Result<Edge, VerifyError> {
        let end = edge.size() + leaves.len() as u64;
        let mut rest = leaves;
        for size in self.claims.sizes(edge.size() + 1..end).into_iter().chain([end]) {
            let count = usize::try_from(size - edge.size()).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            // Too large for tiles, which the edge of the head's size would have been too.
            let Ok(appended) = edge.append(now) else { break };
            for (name, octets) in appended.tiles.iter().filter(|(name, _)| name.is_full()) {
                self.tiles.compare(*name, octets, self.report)?;
            }
            (edge, rest) = (appended.edge, later);
            self.claims.meet_root(edge.size(), edge.root());
        }
        Ok(edge)
    }

    /// V4: the root of the entries, and that of the tiles as they are on the disk.
    fn check_root(&mut self, edge: &Edge) {
        let Checkpoint { size, root, .. } = *self.head;
        if edge.root() != root {
            let text = format!("the entries have the root {}, the checkpoint {root}", edge.root());
            self.report.add_general(Severity::Error, "V4", text);
        }
        let fetch = |name: TileName| match self.tiles.read(name) {
            Ok(octets) => octets.ok_or_else(|| format!("{name} is absent")),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = Reader::new(size, root, fetch) {
            self.report.add_general(Severity::Error, "V4", error.to_string());
        }
    }
}

fn cannot_read(directory: &Path, path: &str) -> impl FnOnce(io::Error) -> VerifyError + use<> {
    let path = directory.join(path);
    move |source| VerifyError::Read { path, source }
}

/// Enough to be worth a thread's while.
const HASHED_AT_ONCE: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// As many entries as a tile has hashes.
const TILE_WIDTH_ENTRIES: usize = 256;

/// Bundles in memory: each may have 16 MiB.
const BUNDLES_MAX: usize = 16;

const CHECKPOINT: &str = "checkpoint";
