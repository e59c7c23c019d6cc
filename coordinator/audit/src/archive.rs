//! Copies a log, live or finished, to where its files are kept: only what is new, verified before
//! and after.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::finding::{Report, Severity};
use crate::log::{Copy, Disk, LogError, commits};
use crate::note::{Checkpoint, LogPublicKey};
use crate::reader::{LogReadError, LogReader};
use crate::tree::{Kind, TILE_WIDTH, TileName};
use crate::verify::{self, VerifyError, verify};

/// What an archive run did.
#[derive(Debug)]
pub struct Archived {
    /// The head of the copy.
    pub head: Checkpoint,
    /// Files that were added.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
}

/// Why a log is not archived.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The log, or the copy, does not verify.
    #[error("{} does not verify: {}", .directory.display(), first(.report))]
    Damaged {
        /// Which.
        directory: PathBuf,
        /// What was found.
        report: Box<Report>,
    },
    /// It cannot be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The log cannot be read.
    #[error("cannot read the log")]
    Source(#[from] LogReadError),
    /// Its checkpoints cannot be read.
    #[error("cannot read the checkpoints of the log")]
    Commits(#[source] io::Error),
    /// The copy cannot be written, or holds something else under a name.
    #[error("cannot write the copy")]
    Copy(#[from] LogError),
}

fn first(report: &Report) -> String {
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).next().unwrap_or_default()
}

/// Adds to `destination` what it lacks of the log in `source`, which must verify and go on from
/// the copy's own head; then the copy must verify. Nothing that is there is touched but the head.
pub fn archive(
    source: &Path,
    destination: &Path,
    key: &LogPublicKey,
) -> Result<Archived, ArchiveError> {
    let copied_head = destination.join("checkpoint");
    let kept = copied_head.exists().then_some(copied_head);
    let options =
        verify::Options { old_checkpoints: kept.into_iter().collect(), ..Default::default() };
    demand_valid(source, key, &options)?;
    let log = LogReader::open(source, key)?;
    let copy = Copy::open(destination)?;
    let (mut files, mut octets) = (0, 0);
    let mut batch = Vec::new();
    for name in names(log.head().size) {
        let path = name.to_string();
        if !copy.has(&path)? {
            let tile = log.file(name)?;
            (files, octets) = (files + 1, octets + tile.len() as u64);
            batch.push((path, tile));
        }
        if batch.len() == BATCH {
            copy.add(&std::mem::take(&mut batch))?;
        }
    }
    copy.add(&batch)?;
    for commit in commits(&Disk::new(source), log.head().size).map_err(ArchiveError::Commits)? {
        if !copy.has(&commit.0)? {
            (files, octets) = (files + 1, octets + commit.1.len() as u64);
            copy.add(&[commit])?;
        }
    }
    copy.publish(log.head().size, log.note())?;
    drop(copy);
    demand_valid(destination, key, &verify::Options::default())?;
    Ok(Archived { head: log.head().clone(), files, octets })
}

fn demand_valid(
    directory: &Path,
    key: &LogPublicKey,
    options: &verify::Options,
) -> Result<(), ArchiveError> {
    let report = verify(directory, key, options)?;
    if report.errors == 0 {
        return Ok(());
    }
    Err(ArchiveError::Damaged { directory: directory.to_owned(), report: Box::new(report) })
}

/// Every tile and bundle of a log of this size.
fn names(size: u64) -> impl Iterator<Item = TileName> {
    let bundles = (0..size.div_ceil(TILE_WIDTH)).map(move |index| (Kind::Entries, index, size));
    let levels = (0_u8..).map(move |level| (level, size.checked_shr(8 * u32::from(level))));
    let levels = levels.map_while(|(level, count)| Some((level, count.filter(|n| *n > 0)?)));
    let tiles = levels.flat_map(|(level, count)| {
        (0..count.div_ceil(TILE_WIDTH)).map(move |index| (Kind::Hashes { level }, index, count))
    });
    bundles.chain(tiles).filter_map(|(kind, index, count)| {
        TileName::new(kind, index, (count - index * TILE_WIDTH).min(TILE_WIDTH))
    })
}

/// Files in memory at one time: at most 16 MB each.
const BATCH: usize = 16;
