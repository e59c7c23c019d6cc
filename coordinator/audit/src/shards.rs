//! Several shards of one history, each of which names the one before it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::finding::Report;
use crate::genesis::{Genesis, OwnEntry};
use crate::log::{Disk, Storage};
use crate::note::read_unverified;
use crate::replay::{Shard, begins};
use crate::tree::{Kind, TILE_WIDTH, TileName};
use crate::verify::{VerifyError, verify_each};
use crate::work::Work;

/// Verifies shards in their order, and that each names the final head of the one before.
pub fn verify_shards(shards: &[Shard], work: Work<'_>) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let mut previous = None;
    for shard in shards {
        previous = verify_each(shard, work, &mut report, |first, entries, _, report| {
            if first == 0 {
                let begun = begins(shard.key.origin(), previous.as_ref(), entries.first());
                for finding in begun {
                    report.add(finding);
                }
            }
        })?;
    }
    Ok(report)
}

/// The logs in a directory: itself, or where it is none those right below it, each after the one
/// that its first entry names.
pub fn find(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if directory.join("checkpoint").exists() {
        return Ok(vec![directory.to_owned()]);
    }
    let mut logs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.join("checkpoint").exists() {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(in_order(logs))
}

/// Whom a log claims to go on from, and its own name; nothing is verified yet.
fn in_order(logs: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut after: BTreeMap<Option<String>, Vec<(String, PathBuf)>> = BTreeMap::new();
    let named: Vec<_> =
        logs.into_iter().map(|path| (origin(&path), genesis(&path), path)).collect();
    let known: Vec<_> = named.iter().filter_map(|(origin, ..)| origin.clone()).collect();
    for (origin, genesis, path) in named {
        let previous = genesis.and_then(|genesis| genesis.previous).map(|before| before.origin);
        let previous = previous.filter(|before| known.contains(before));
        after.entry(previous).or_default().push((origin.unwrap_or_default(), path));
    }
    let mut ordered = Vec::new();
    let mut next = after.remove(&None).unwrap_or_default();
    next.reverse();
    while let Some((origin, path)) = next.pop() {
        ordered.push(path);
        next.extend(after.remove(&Some(origin)).into_iter().flatten());
    }
    // What names itself or goes in circles is shown to be wrong by a replay.
    ordered.extend(after.into_values().flatten().map(|(_, path)| path));
    ordered
}

/// The name that a log's checkpoint says.
pub fn origin(directory: &Path) -> Option<String> {
    let note = fs::read(directory.join("checkpoint")).ok()?;
    Some(read_unverified(&note).ok()?.origin)
}

fn genesis(directory: &Path) -> Option<Genesis> {
    let disk = Disk::new(directory);
    let size = read_unverified(&disk.read("checkpoint").ok()?).ok()?.size;
    let name = TileName::new(Kind::Entries, 0, size.min(TILE_WIDTH))?;
    let octets = disk.read(&name.to_string()).ok()?;
    let (length, rest) = octets.split_first_chunk::<2>()?;
    match OwnEntry::decode(rest.get(..u16::from_be_bytes(*length).into())?) {
        Ok(OwnEntry::Genesis(genesis)) => Some(genesis),
        _ => None,
    }
}
