//! Commits cut at every call, and started again.

use std::num::NonZeroUsize;

use bytes::Bytes;
use mpic_common::octets::Hash;

use super::storage::memory::{Call, Flavour, Memory};
use super::*;
use crate::note::LogKey;
use crate::tree::{Edge, leaf_hash};

pub(super) fn options(io_threads: usize) -> ShardOptions {
    ShardOptions {
        key: LogKey::new("log.example", &[1; 32]).expect("a valid origin"),
        io_threads: NonZeroUsize::new(io_threads).expect("not zero"),
        steps: Steps::default(),
    }
}

pub(super) fn entries(count: usize) -> Vec<Bytes> {
    (0..count).map(|i| Bytes::from(format!("entry {i} {}", "x".repeat(i % 7)))).collect()
}

pub(super) fn root_of(entries: &[Bytes]) -> Hash {
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    Edge::default().append(&leaves).expect("a small tree").edge.root()
}

/// Goes on where the shard is, in batches that end at these sizes. Tells each size committed.
fn write(
    disk: &Memory,
    entries: &[Bytes],
    ends: &[usize],
    mut committed: impl FnMut(u64),
) -> Result<Shard<Memory>, LogError> {
    let mut shard = Shard::open(disk.clone(), options(1))?;
    if !shard.is_published() {
        shard = shard.sync_checkpoints()?.publish()?;
    }
    for end in ends {
        let start = usize::try_from(shard.size()).expect("small");
        if start < *end {
            shard = shard.commit(&entries[start..*end])?;
            committed(shard.size());
            shard = shard.publish()?.tidy()?;
        }
    }
    Ok(shard)
}

/// Cuts the writing of a log at its n-th call, restarts, and compares with the plain list.
/// `None` once there are fewer calls than that.
fn cut_and_restart(
    before: &Memory,
    call: usize,
    flavour: Flavour,
    mut choose: impl FnMut(usize) -> usize,
) -> Option<Memory> {
    const ENDS: [usize; 5] = [1, 2, 5, 256, 260];
    let entries = entries(260);
    let (disk, mut committed) = (before.clone(), 0);
    disk.fail_at(call, flavour);
    write(&disk, &entries, &ENDS, |size| committed = size).err()?;
    assert_eq!(disk.calls().len(), call + 1, "nothing is done after a call that failed");
    let after_cut = disk.cut(&mut choose);
    let recovered = Shard::open(after_cut.clone(), options(1)).expect("recovered");
    assert!(recovered.size() >= committed, "{} < {committed}", recovered.size());
    let size = usize::try_from(recovered.size()).expect("small");
    assert_eq!(recovered.root(), root_of(&entries[..size]));
    let again = after_cut.cut(&mut choose);
    let whole = write(&again, &entries, &ENDS, |_| ()).expect("no further failure");
    assert_eq!(whole.root(), root_of(&entries));
    Some(after_cut)
}

/// Keeps what was not synced, or loses it, or both in turns.
fn choices(kind: usize) -> impl FnMut(usize) -> usize {
    let mut state = kind;
    move |below| match kind {
        0 => 0,
        1 => below - 1,
        _ => {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            (state >> 33) % below
        }
    }
}

#[test]
fn a_cut_at_any_call_loses_nothing_committed_and_ends_in_the_same_tree() {
    for flavour in [Flavour::Persisted, Flavour::NotPersisted] {
        for kind in 0..4 {
            let cut = |call| cut_and_restart(&Memory::new(), call, flavour, choices(kind));
            let calls = (0..1_000).take_while(|call| cut(*call).is_some()).count();
            assert!(calls > 120, "{calls}");
        }
    }
}

#[test]
fn a_call_that_fails_while_the_machine_goes_on_loses_nothing_committed() {
    const ENDS: [usize; 5] = [1, 2, 5, 256, 260];
    let entries = entries(260);
    for flavour in [Flavour::Persisted, Flavour::NotPersisted] {
        let fails = |call: usize| {
            let (disk, mut committed) = (Memory::new(), 0);
            disk.fail_at(call, flavour);
            let failed = write(&disk, &entries, &ENDS, |size| committed = size).is_err();
            let again = disk.copy();
            let recovered = Shard::open(again.clone(), options(1)).expect("recovered");
            assert!(recovered.size() >= committed, "{call} {flavour:?}");
            let whole = write(&again, &entries, &ENDS, |_| ()).expect("no further failure");
            assert_eq!(whole.root(), root_of(&entries), "{call} {flavour:?}");
            failed
        };
        let calls = (0..1_000).take_while(|call| fails(*call)).count();
        assert!(calls > 120, "{calls}");
    }
}

#[test]
fn a_cut_during_the_recovery_from_a_cut_loses_nothing_either() {
    for first in (0..120).step_by(9) {
        let start = || {
            let flavour = Flavour::Persisted;
            cut_and_restart(&Memory::new(), first, flavour, choices(5)).expect("a first cut")
        };
        for second in (0..40).step_by(3) {
            cut_and_restart(&start(), second, Flavour::NotPersisted, choices(7));
        }
    }
}

#[test]
fn a_commit_syncs_each_file_and_directory_once_and_four_times_for_the_notes() {
    let disk = Memory::new();
    let entries = entries(700);
    let shard = write(&disk, &entries, &[1, 10], |_| ()).expect("written");
    disk.reset();
    shard.commit(&entries[10..700]).expect("committed").publish().expect("published");
    let count = |wanted| disk.calls().into_iter().filter(|call| *call == wanted).count();
    let files = 3 + 3 + 1; // two full ones and a partial one of hashes and entries, and level 1
    let directories = 4 + 2 + 1 + 1; // "", tile, tile/0, tile/entries; 002.p twice; level 1
    assert_eq!(count(Call::SyncFile), files + 2);
    assert_eq!(count(Call::SyncDirectory), directories + 2);
    assert_eq!(count(Call::Create), files + 2);
}

#[test]
fn an_exit_code_tells_full_from_broken_and_from_evidence() {
    let io = |kind: std::io::ErrorKind| LogError::Io {
        operation: "write",
        path: String::new(),
        source: kind.into(),
    };
    assert_eq!(io(std::io::ErrorKind::StorageFull).exit_code(), 75);
    assert_eq!(io(std::io::ErrorKind::QuotaExceeded).exit_code(), 75);
    assert_eq!(io(std::io::ErrorKind::PermissionDenied).exit_code(), 74);
    let sync =
        |kind: std::io::ErrorKind| LogError::Sync { path: String::new(), source: kind.into() };
    assert_eq!(sync(std::io::ErrorKind::StorageFull).exit_code(), 74);
    assert_eq!(LogError::Locked.exit_code(), 75);
    assert_eq!(LogError::Fork { size: 1 }.exit_code(), 70);
}
