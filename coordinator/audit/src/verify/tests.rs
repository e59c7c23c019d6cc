//! Logs made, damaged and checked.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::log::{Shard, ShardOptions, Steps};
use crate::note::LogKey;
use crate::proof::Proof;

pub(super) fn key() -> LogKey {
    LogKey::new("log.example", &[1; 32]).expect("a valid origin")
}

fn open(directory: &Path) -> Shard<Disk> {
    let io_threads = NonZeroUsize::MIN;
    let options = ShardOptions { key: key(), io_threads, steps: Steps::default() };
    Shard::open(Disk::new(directory), options).expect("opened")
}

fn entry(index: u64) -> Bytes {
    format!("entry {index}").into()
}

/// A log committed at each of these sizes.
pub(super) fn log_of(ends: &[u64]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    append(directory.path(), ends, entry);
    directory
}

fn append(directory: &Path, ends: &[u64], entry: impl Fn(u64) -> Bytes) {
    let mut shard = open(directory);
    for end in ends {
        let entries: Vec<_> = (shard.size()..*end).map(&entry).collect();
        shard = shard.commit(&entries).expect("committed").publish().expect("published");
    }
}

pub(super) fn check(directory: &Path, options: &Options) -> Report {
    verify(directory, key().public(), options).expect("readable")
}

/// The checks that failed.
fn failures(directory: &Path) -> Vec<&'static str> {
    let findings = check(directory, &Options::default()).findings.into_iter();
    findings.filter(|f| f.severity == Severity::Error).map(|f| f.check).collect()
}

pub(super) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(directory).expect("below").display().to_string();
            if path.is_dir() {
                directories.push(path);
            } else if !name.starts_with(".state") {
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

pub(super) fn put(path: &Path, octets: &[u8]) {
    fs::remove_file(path).expect("removed");
    fs::write(path, octets).expect("written");
}

#[test]
fn a_log_as_it_was_written_passes() {
    for ends in [&[1][..], &[5], &[1, 2, 5], &[256], &[1, 255, 256, 257, 300], &[512, 700]] {
        let log = log_of(ends);
        let report = check(log.path(), &Options::default());
        assert_eq!(report.findings, [], "{ends:?}");
        assert_eq!(report.heads[0].size, ends[ends.len() - 1]);
        assert!(report.has_passed(Severity::Warning));
    }
}

#[test]
fn any_octet_of_any_file_of_a_small_log_changed_is_found() {
    let log = log_of(&[1, 3, 5]);
    for (name, octets) in files(log.path()) {
        let path = log.path().join(&name);
        for place in 0..octets.len() {
            let mut changed = octets.clone();
            changed[place] ^= 1 << (place % 8);
            put(&path, &changed);
            assert!(!failures(log.path()).is_empty(), "{name}, octet {place}");
        }
        put(&path, &octets);
    }
    assert!(failures(log.path()).is_empty());
}

#[test]
fn damage_anywhere_in_a_larger_log_is_found_by_the_check_that_is_for_it() {
    let log = log_of(&[1, 200, 300]);
    let expected = |name: &str| match name.split('/').next() {
        Some("checkpoint") => "V1",
        Some("checkpoints") => "V6",
        _ if name == "tile/entries/000" || name == "tile/entries/001.p/44" => "V2",
        _ if name.ends_with("000") || name.ends_with(".p/44") || name == "tile/1/000.p/1" => "V3",
        _ => "V5",
    };
    for (name, octets) in files(log.path()) {
        let path = log.path().join(&name);
        let last = octets.len() - 1;
        for place in (0..octets.len()).step_by(97).chain([last]) {
            let mut changed = octets.clone();
            changed[place] ^= 0x10;
            put(&path, &changed);
            assert!(!failures(log.path()).is_empty(), "{name}, octet {place}");
        }
        let longer = [octets.as_slice(), &[0]].concat();
        for damaged in [&octets[..last], &longer, &[]] {
            put(&path, damaged);
            let found = failures(log.path());
            assert!(found.contains(&expected(&name)), "{name}: {found:?}");
        }
        put(&path, &octets);
    }
}

#[test]
fn files_that_are_missing_or_swapped_are_found() {
    let log = log_of(&[300, 600]);
    let path = |name: &str| log.path().join(name);
    for (name, check) in [
        ("tile/0/000", "V3"),
        ("tile/0/002.p/88", "V3"),
        ("tile/1/000.p/2", "V3"),
        ("tile/entries/001", "V2"),
        ("tile/entries/002.p/88", "V2"),
    ] {
        let octets = fs::read(path(name)).expect("a file");
        fs::remove_file(path(name)).expect("removed");
        assert!(failures(log.path()).contains(&check), "{name}");
        fs::write(path(name), octets).expect("written");
    }
    fs::rename(path("tile/entries/000"), path("swap")).expect("renamed");
    fs::rename(path("tile/entries/001"), path("tile/entries/000")).expect("renamed");
    fs::rename(path("swap"), path("tile/entries/001")).expect("renamed");
    assert!(failures(log.path()).contains(&"V4"));
}

#[test]
fn what_killed_runs_leave_is_worth_a_note_and_passes() {
    let log = log_of(&[3]);
    let entries: Vec<_> = (3..7).map(entry).collect();
    drop(open(log.path()).commit(&entries).expect("committed, not published"));
    fs::write(log.path().join("tile/stray"), b"").expect("written");
    let report = check(log.path(), &Options::default());
    assert!(report.has_passed(Severity::Warning));
    let of = |check| report.findings.iter().filter(|f| f.check == check).count();
    assert_eq!((of("V5"), of("V6")), (3, 1), "{:?}", report.findings);
}

#[test]
fn a_partial_tile_that_was_collected_is_read_from_the_full_one() {
    let log = log_of(&[100]);
    let head = fs::read(log.path().join("checkpoint")).expect("a checkpoint");
    append(log.path(), &[300], entry);
    fs::remove_dir_all(log.path().join("tile/0/000.p")).expect("removed");
    fs::remove_dir_all(log.path().join("tile/entries/000.p")).expect("removed");
    put(&log.path().join("checkpoint"), &head);
    assert!(failures(log.path()).is_empty());
}

#[test]
fn an_old_checkpoint_shows_a_fork_and_a_rollback_that_the_log_alone_does_not() {
    let log = log_of(&[1, 4, 6]);
    let kept = tempfile::tempdir().expect("a directory");
    let old = kept.path().join("old");
    fs::copy(log.path().join("checkpoint"), &old).expect("copied");
    let options = Options { old_checkpoints: vec![old], proofs: Vec::new() };
    assert!(check(log.path(), &options).has_passed(Severity::Warning));

    let forked = tempfile::tempdir().expect("a directory");
    append(forked.path(), &[4, 8], |index| if index == 3 { "other".into() } else { entry(index) });
    assert!(failures(forked.path()).is_empty(), "the honest limit: its key's holder signed it");
    let findings = check(forked.path(), &options).findings;
    assert!(findings.iter().any(|f| f.check == "V7" && f.text.starts_with("FORK")));

    let damaged = log_of(&[1, 4, 6]);
    let bundle = damaged.path().join("tile/entries/000.p/6");
    let mut octets = fs::read(&bundle).expect("a bundle");
    octets[3] ^= 1;
    fs::remove_file(&bundle).expect("removed");
    fs::write(&bundle, octets).expect("written");
    let findings = check(damaged.path(), &options).findings;
    assert!(findings.iter().any(|f| f.check == "V7"), "{findings:?}");
    assert!(!findings.iter().any(|f| f.text.contains("FORK")), "{findings:?}");

    let cut_back = log_of(&[1, 4]);
    let findings = check(cut_back.path(), &options).findings;
    assert!(findings.iter().any(|f| f.check == "V7" && f.text.starts_with("ROLLBACK")));
}

#[test]
fn a_kept_proof_holds_for_the_log_that_gave_it_only() {
    let log = log_of(&[10]);
    let kept = tempfile::tempdir().expect("a directory");
    let shard = open(log.path());
    let checkpoint = String::from_utf8(shard.head().expect("a head").to_vec()).expect("text");
    let proof = Proof { index: 7, path: shard.inclusion(7).expect("in the log"), checkpoint };
    drop(shard);
    let path = kept.path().join("proof");
    fs::write(&path, proof.to_string()).expect("written");
    let options = Options { old_checkpoints: Vec::new(), proofs: vec![path] };
    assert!(check(log.path(), &options).has_passed(Severity::Warning));
    append(log.path(), &[20], entry);
    assert!(check(log.path(), &options).has_passed(Severity::Warning));
    let other = tempfile::tempdir().expect("a directory");
    append(other.path(), &[20], |index| if index == 7 { "other".into() } else { entry(index) });
    let findings = check(other.path(), &options).findings;
    assert!(findings.iter().any(|f| f.check == "V8" && f.index == Some(7)));
}

#[test]
fn a_log_under_another_key_is_refused() {
    let log = log_of(&[2]);
    let other = LogKey::new("log.example", &[2; 32]).expect("a valid origin");
    let report = verify(log.path(), other.public(), &Options::default()).expect("readable");
    assert_eq!(report.findings[0].check, "V1");
    assert!(report.heads.is_empty());
}
