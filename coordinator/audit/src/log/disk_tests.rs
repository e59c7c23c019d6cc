//! A shard in a directory of the file system.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::tests::{entries, options, root_of};
use super::*;
use crate::tree::leaf_hash;

fn open(directory: &Path) -> Result<Shard<Disk>, LogError> {
    Shard::open(Disk::new(directory), options(8))
}

fn write(directory: &Path, ends: &[usize]) {
    let mut shard = open(directory).expect("opened");
    let entries = entries(*ends.last().expect("an end"));
    for end in ends {
        let start = usize::try_from(shard.size()).expect("small");
        shard = shard.commit(&entries[start..*end]).expect("committed");
        shard = shard.publish().expect("published");
    }
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(directory).expect("below").display().to_string();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

#[test]
fn any_split_into_batches_gives_the_same_full_tiles_bundles_and_checkpoint() {
    let one = tempfile::tempdir().expect("a directory");
    write(one.path(), &[600]);
    let one = files(one.path());
    for ends in [&[1, 2, 3, 255, 256, 257, 599, 600][..], &[300, 600], &[512, 600], &[88, 600]] {
        let many = tempfile::tempdir().expect("a directory");
        write(many.path(), ends);
        let many = files(many.path());
        for (name, octets) in &one {
            assert_eq!(many.get(name), Some(octets), "{name} of {ends:?}");
        }
        for (name, octets) in many.iter().filter(|(name, _)| name.contains(".p/")) {
            let (place, _) = name.split_once(".p/").expect("partial");
            let covers = |(other, octets_of_one): (&String, &Vec<u8>)| {
                other.starts_with(place) && octets_of_one.starts_with(octets)
            };
            assert!(one.iter().any(covers), "{name} of {ends:?} is a prefix");
        }
    }
}

#[test]
fn partial_tiles_go_once_the_full_one_is_committed_and_the_log_still_verifies() {
    let directory = tempfile::tempdir().expect("a directory");
    let entries = entries(600);
    let mut shard = open(directory.path()).expect("opened");
    for end in (7..600).step_by(7) {
        let start = usize::try_from(shard.size()).expect("small");
        shard = shard.commit(&entries[start..end]).expect("committed");
        shard = shard.publish().expect("published").tidy().expect("tidied");
    }
    let exists = |path: &str| directory.path().join(path).exists();
    for collected in ["tile/0/000.p", "tile/0/001.p", "tile/entries/000.p", "tile/entries/001.p"] {
        assert!(!exists(collected), "{collected}");
    }
    assert!(exists("tile/0/002.p/6") && exists("tile/entries/002.p/83"));
    let kept = fs::read_dir(directory.path().join("checkpoints")).expect("a directory").count();
    assert_eq!(kept, 65, "the newest 64, and the smallest of the only block");
    drop(shard);
    let key = options(1).key.public().clone();
    let report = crate::verify::verify(directory.path(), &key, &crate::verify::Options::default());
    assert_eq!(report.expect("readable").findings, []);
}

#[test]
fn a_shard_that_is_open_is_not_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let shard = open(directory.path()).expect("opened");
    assert!(matches!(open(directory.path()), Err(LogError::Locked)));
    drop(shard);
    assert!(open(directory.path()).is_ok());
}

#[test]
fn files_are_read_only_and_temporaries_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), &[1, 3]);
    let mode = |path: &str| {
        fs::metadata(directory.path().join(path)).expect(path).permissions().mode() & 0o222
    };
    for path in ["checkpoint", "checkpoints/000000000003", "tile/0/000.p/3"] {
        assert_eq!(mode(path), 0, "{path}");
    }
    let temporary = directory.path().join(".state/tmp");
    fs::write(temporary.join("left"), b"by a killed run").expect("written");
    open(directory.path()).expect("opened");
    assert_eq!(fs::read_dir(temporary).expect("a directory").count(), 0);
}

#[test]
fn the_largest_checkpoint_is_the_head_and_any_invalid_one_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), &[1, 3]);
    let path = |name: &str| directory.path().join(name);
    fs::remove_file(path("checkpoint")).expect("removed");
    fs::copy(path("checkpoints/000000000001"), path("checkpoint")).expect("copied");
    let shard = open(directory.path()).expect("opened");
    assert_eq!((shard.size(), shard.is_published()), (3, false));
    assert_eq!(shard.root(), root_of(&entries(3)));
    drop(shard);
    fs::copy(path("checkpoints/000000000001"), path("checkpoints/000000000002")).expect("copied");
    assert!(matches!(open(directory.path()), Err(LogError::NoteName { size: 1, .. })));
    fs::remove_file(path("checkpoints/000000000002")).expect("removed");
    fs::write(path("checkpoints/000000000002"), b"no note").expect("written");
    assert!(matches!(open(directory.path()), Err(LogError::Note { .. })));
    fs::rename(path("checkpoints/000000000002"), path("checkpoints/stray")).expect("renamed");
    assert!(matches!(open(directory.path()), Err(LogError::NoCommit { .. })));
}

#[test]
fn two_checkpoints_of_one_size_are_a_fork() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), &[1, 3]);
    let note = options(1).key.sign(3, root_of(&entries(2))).expect("a note");
    let path = directory.path().join("checkpoint");
    fs::remove_file(&path).expect("removed");
    fs::write(path, note).expect("written");
    assert!(matches!(open(directory.path()), Err(LogError::Fork { size: 3 })));
}

#[test]
fn a_damaged_right_edge_is_refused() {
    let damage = ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"];
    for name in damage {
        for remove in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            write(directory.path(), &[300]);
            let path = directory.path().join(name);
            let mut octets = fs::read(&path).expect("a tile");
            fs::remove_file(&path).expect("removed");
            octets[5] ^= 1;
            if !remove {
                fs::write(&path, octets).expect("written");
            }
            let refused = open(directory.path()).expect_err("damaged");
            assert_eq!(refused.exit_code(), 70, "{name}: {refused}");
        }
    }
}

#[test]
fn tiles_without_a_checkpoint_are_refused_unless_init_was_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let shard = open(directory.path()).expect("opened");
    shard.commit(&entries(1)).expect("committed");
    fs::remove_file(directory.path().join("checkpoints/000000000001")).expect("removed");
    let shard = open(directory.path()).expect("as after a killed init");
    let shard = shard.commit(&entries(1)).expect("the same files");
    shard.commit(&entries(3)[1..]).expect("committed");
    for size in [1, 3] {
        let name = format!("checkpoints/{size:012}");
        fs::remove_file(directory.path().join(name)).expect("removed");
    }
    let refused = open(directory.path()).expect_err("orphans");
    assert!(matches!(refused, LogError::NoCheckpoint { .. }), "{refused}");
}

#[test]
fn a_name_taken_by_other_octets_stops_the_commit() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), &[1]);
    fs::write(directory.path().join("tile/0/000.p/2"), [7; 64]).expect("written");
    let shard = open(directory.path()).expect("opened");
    let refused = shard.commit(&entries(2)[1..]).expect_err("taken");
    assert!(matches!(refused, LogError::Conflict { ref path } if path == "tile/0/000.p/2"));
    assert_eq!(open(directory.path()).expect("opened").size(), 1);
}

#[test]
fn committed_leaves_old_roots_and_genesis_are_read_from_the_tiles() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut entries = entries(600);
    let genesis = crate::genesis::Genesis {
        origin: "log.example".to_owned(),
        stream: "S".to_owned(),
        stream_created_ns: 1,
        base_seq: 1,
        previous: None,
    };
    let own = crate::genesis::OwnEntry::Genesis(genesis.clone());
    entries[0] = own.encode().expect("encoded").into();
    let shard = open(directory.path()).expect("opened").commit(&entries).expect("committed");
    let leaves = shard.leaves(250..520).expect("read");
    let expected: Vec<_> = entries[250..520].iter().map(|e| leaf_hash(e)).collect();
    assert_eq!(leaves, expected);
    assert_eq!(shard.root_at(300).expect("read"), root_of(&entries[..300]));
    assert_eq!(shard.genesis().expect("read"), genesis);
}
