//! What the log of records costs on this machine: durable entries a second by batch, their octets,
//! verifying, and opening a log of many entries.
//!
//! Numbers are for reading beside one another, taken in one run; nothing is asserted.
//!
//! ```text
//! cargo bench -p mpic-tests --bench log -- [ENTRIES]
//! ```
//!
//! `ENTRIES` is the size of the log that is opened and verified, a million unless it is given.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken benchmark should panic"
)]
#![expect(clippy::cast_precision_loss, reason = "rates are estimates")]

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;

use bytes::Bytes;
use mpic_audit::log::{Disk, Shard, ShardOptions, Steps};
use mpic_audit::note::LogKey;
use mpic_audit::reader::LogReader;
use mpic_audit::verify::{Options, verify};
use mpic_common::testing::examples;
use mpic_common::wire::Kind;
use tokio::time::Instant;

const ORIGIN: &str = "bench.example/log";
const BATCHES: [usize; 4] = [1, 16, 256, 1_000];
/// Enough for a stable rate, few enough for a slow disk.
const COMMITS: usize = 40;

fn main() {
    // The harness adds `--bench`.
    let size = std::env::args().find_map(|argument| argument.parse().ok());
    commits();
    many(size.unwrap_or(1_000_000));
}

fn key() -> LogKey {
    LogKey::new(ORIGIN, &[1; 32]).unwrap()
}

fn open(directory: &Path) -> Shard<Disk> {
    let io_threads = NonZeroUsize::new(8).unwrap();
    let options = ShardOptions { key: key(), io_threads, steps: Steps::default() };
    Shard::open(Disk::new(directory), options).unwrap()
}

/// As the appender commits, without the fence and the stream.
fn commit(shard: Shard<Disk>, entries: &[Bytes]) -> Shard<Disk> {
    shard.commit(entries).unwrap().publish().unwrap().tidy().unwrap()
}

/// A decision of one primary and five remotes.
fn decision() -> Bytes {
    let found = examples().into_iter().find(|(kind, _)| *kind == Kind::Decision);
    found.unwrap().1.into()
}

fn commits() {
    println!(
        "{:>6} {:>12} {:>12} {:>12} {:>7}",
        "batch", "entries/s", "commit ms", "bare ms", "ratio"
    );
    for batch in BATCHES {
        let directory = tempfile::tempdir().unwrap();
        let entries = vec![decision(); batch];
        let mut shard = commit(open(directory.path()), &entries);
        let began = Instant::now();
        for _ in 0..COMMITS {
            shard = commit(shard, &entries);
        }
        let each = began.elapsed().as_secs_f64() / COMMITS as f64;
        let bare = bare(batch * entries[0].len());
        println!(
            "{batch:>6} {:>12.0} {:>12.2} {:>12.2} {:>7.2}",
            batch as f64 / each,
            each * 1e3,
            bare * 1e3,
            bare / each
        );
    }
}

/// Seconds to write and sync what one commit must at least: a bundle of these octets, a tile, two
/// notes, and the directories of their names, one after the other.
fn bare(octets: usize) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    for commit in 0..COMMITS {
        for (name, length) in [("bundle", octets), ("tile", 4_096), ("commit", 200), ("head", 200)]
        {
            let mut file = File::create(directory.path().join(format!("{name}{commit}"))).unwrap();
            file.write_all(&vec![0; length]).unwrap();
            file.sync_all().unwrap();
            File::open(directory.path()).unwrap().sync_all().unwrap();
        }
    }
    began.elapsed().as_secs_f64() / COMMITS as f64
}

fn many(size: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut shard = open(directory.path());
    let entry = |index: usize| Bytes::from(format!("entry {index} of a log that is long"));
    let began = Instant::now();
    for first in (0..size).step_by(25_600) {
        let entries: Vec<_> = (first..size.min(first + 25_600)).map(entry).collect();
        shard = commit(shard, &entries);
    }
    drop(shard);
    println!("\n{size} entries: built in {:.1} s", began.elapsed().as_secs_f64());
    let octets: usize = (0..size).map(|index| entry(index).len()).sum();
    let tree = octets_below(directory.path()) - octets as u64;
    println!("octets on the disk beside an entry's own: {:.1}", tree as f64 / size as f64);
    let began = Instant::now();
    drop(open(directory.path()));
    println!("opened by the writer in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    let reader = LogReader::open(directory.path(), key().public()).unwrap();
    let proof = reader.prove(size as u64 / 2).unwrap();
    println!(
        "a proof of {} hashes read in {:.1} ms",
        proof.path.len(),
        began.elapsed().as_secs_f64() * 1e3
    );
    let began = Instant::now();
    let report = verify(directory.path(), key().public(), &Options::default()).unwrap();
    println!(
        "verified at {:.0} entries/s, {} errors",
        size as f64 / began.elapsed().as_secs_f64(),
        report.errors
    );
}

fn octets_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let octets = entries.map(|entry| match entry.metadata().unwrap() {
        found if found.is_dir() => octets_below(&entry.path()),
        found => found.len(),
    });
    octets.sum()
}
