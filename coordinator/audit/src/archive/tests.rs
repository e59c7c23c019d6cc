use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;

use super::*;
use crate::log::{Shard, ShardOptions, Steps};
use crate::note::LogKey;

fn key() -> LogKey {
    LogKey::new("log.example", &[1; 32]).expect("a valid origin")
}

/// Commits entries up to a size, and tidies as the writer does.
fn grow(directory: &Path, size: u64) {
    let options =
        ShardOptions { key: key(), io_threads: NonZeroUsize::MIN, steps: Steps::default() };
    let mut shard = Shard::open(Disk::new(directory), options).expect("opened");
    while shard.size() < size {
        let end = size.min(shard.size() + 200);
        let entries: Vec<_> =
            (shard.size()..end).map(|index| format!("entry {index}").into()).collect();
        shard = shard.commit(&entries).expect("committed").publish().expect("published");
        shard = shard.tidy().expect("tidied");
    }
}

/// Every file that readers look at, and its octets.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(directory).expect("below it").to_owned();
            if name.starts_with(".state") {
            } else if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

#[test]
fn a_copy_grows_with_its_log_and_nothing_in_it_ever_changes_but_the_head() {
    let (log, copy) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let destination = copy.path().join("copy");
    let mut before = BTreeMap::new();
    for size in [1, 300, 700, 1_100] {
        grow(log.path(), size);
        let archived = archive(log.path(), &destination, key().public()).expect("archived");
        assert_eq!(archived.head.size, size);
        let after = files(&destination);
        for (name, octets) in before {
            assert!(name == Path::new("checkpoint") || after[&name] == octets, "{name:?}");
        }
        let again = archive(log.path(), &destination, key().public()).expect("archived");
        assert_eq!((again.files, again.octets), (0, 0), "only what is new");
        assert_eq!(files(&destination), after);
        before = after;
    }
}

#[test]
fn a_log_that_is_damaged_or_of_another_history_is_not_archived() {
    let (log, copy) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let destination = copy.path().join("copy");
    grow(log.path(), 300);
    archive(log.path(), &destination, key().public()).expect("archived");
    let whole = files(&destination);
    // A history that is shorter, by the same key.
    let other = tempfile::tempdir().expect("three");
    grow(other.path(), 200);
    let refused = archive(other.path(), &destination, key().public()).expect_err("rolled back");
    assert!(refused.to_string().contains("ROLLBACK"), "{refused}");
    let bundle = log.path().join("tile/entries/000");
    let octets = fs::read(&bundle).expect("a bundle");
    fs::remove_file(&bundle).expect("removed");
    fs::write(&bundle, &octets[1..]).expect("written");
    let refused = archive(log.path(), &destination, key().public()).expect_err("damaged");
    assert!(matches!(refused, ArchiveError::Damaged { .. }), "{refused}");
    assert_eq!(files(&destination), whole);
    // A copy that rots is noticed by the next run.
    fs::write(&bundle, &octets).expect("written");
    let rotten = destination.join("tile/0/000");
    fs::remove_file(&rotten).expect("removed");
    fs::write(&rotten, [0; 8_192]).expect("written");
    let refused = archive(log.path(), &destination, key().public()).expect_err("rotten");
    assert!(refused.to_string().contains("copy"), "{refused}");
}
