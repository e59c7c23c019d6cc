//! A shard on a file system that is full.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tests::{entries, options, root_of};
use super::*;

/// Where the small file system is, set for the run of a test that has one.
const SMALL: &str = "MPIC_TEST_SMALL_FILE_SYSTEM";

/// Ends of the batches: the first entry, a few, a full bundle and one more.
const ENDS: [usize; 5] = [1, 2, 5, 256, 300];

#[test]
fn a_log_that_has_no_octets_or_names_left_at_any_write_loses_nothing_and_goes_on() {
    let name = "a_log_that_has_no_octets_or_names_left_at_any_write_loses_nothing_and_goes_on";
    let Some(small) = small_file_system(name) else { return };
    let full_of_octets = fill_each_time(&small, Ballast::Octets);
    assert!(full_of_octets.len() >= 12, "{full_of_octets:?}");
    let full_of_names = fill_each_time(&small, Ballast::Names);
    for operation in ["create", "lock", "write", "link"] {
        let is_met = full_of_names.iter().any(|failure| failure.starts_with(operation));
        assert!(is_met, "{operation} is none of {full_of_names:?}");
    }
}

/// The directory of a tmpfs that ends with the test, in the run of the test that has it; runs the
/// test again in a mount namespace where there is none yet.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn small_file_system(test: &str) -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os(SMALL) {
        return Some(directory.into());
    }
    let module = module_path!().split_once("::").map(|(_, module)| module).expect("a module");
    let directory = tempfile::tempdir().expect("a directory");
    let run_mounted = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "--propagation", "private", "sh", "-c"]);
        let mount = "mount -t tmpfs -o size=320k,nr_inodes=160 none \"$0\"";
        command.arg(format!("{mount} && {script}")).arg(directory.path());
        command
    };
    let can_mount = run_mounted("true").output();
    if !can_mount.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a file system cannot be mounted here: {can_mount:?}");
        return None;
    }
    let mut command = run_mounted("exec \"$@\"");
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
    let output = command.env(SMALL, directory.path()).output().expect("run");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    None
}

/// What the rest of the file system is taken by.
#[derive(Clone, Copy, Debug)]
enum Ballast {
    Octets,
    Names,
}

/// Leaves room for one write more each time, until all have room. Gives what failed.
fn fill_each_time(small: &Path, ballast: Ballast) -> BTreeSet<String> {
    let mut failures = BTreeSet::new();
    for room in 0..400 {
        let (log, filler) = (small.join("log"), small.join("filler"));
        fs::create_dir(&log).expect("made");
        fs::create_dir(&filler).expect("made");
        fill(&filler, ballast, room);
        let mut committed = 0;
        let written = write(&log, &mut committed);
        let has_restarted = restart_while_full(&log, committed);
        fs::remove_dir_all(&filler).expect("removed");
        check_and_finish(&log, committed);
        fs::remove_dir_all(&log).expect("removed");
        match written {
            Ok(()) => return failures,
            Err(error) => failures.insert(describe(&error)),
        };
        assert!(has_restarted || committed == 0, "{ballast:?} {room}: a start needs no room");
    }
    panic!("it never fits: {failures:?}");
}

/// Takes all octets, or all names, but `room` pages of 4 KiB, or names.
fn fill(filler: &Path, ballast: Ballast, room: u64) {
    let is_full = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::StorageFull);
    match ballast {
        Ballast::Octets => {
            let mut file = File::create(filler.join("octets")).expect("made");
            let mut pages = 0_u64;
            while file.write_all(&[0; 4096]).map_err(is_full).is_ok() {
                pages += 1;
            }
            file.set_len(pages.saturating_sub(room) * 4096).expect("cut");
        }
        Ballast::Names => {
            let path = |number| filler.join(format!("{number}"));
            let mut names = 0_u64;
            while File::create_new(path(names)).map_err(is_full).is_ok() {
                names += 1;
            }
            for number in names.saturating_sub(room)..names {
                fs::remove_file(path(number)).expect("removed");
            }
        }
    }
}

/// Goes on where the log is, as the process does; counts what it would acknowledge.
fn write(log: &Path, committed: &mut u64) -> Result<(), LogError> {
    let all = entries(*ENDS.last().expect("an end"));
    let mut shard = Shard::open(Disk::new(log), options(1))?;
    if !shard.is_published() {
        shard = shard.sync_checkpoints()?.publish()?;
    }
    for end in ENDS {
        let start = usize::try_from(shard.size()).expect("small");
        if start < end {
            shard = shard.commit(&all[start..end])?;
            *committed = shard.size();
            shard = shard.publish()?.tidy()?;
        }
    }
    Ok(())
}

/// A start on the full file system either finds all that was committed, or says that it is full.
fn restart_while_full(log: &Path, committed: u64) -> bool {
    match Shard::open(Disk::new(log), options(1)) {
        Ok(shard) => {
            assert!(shard.size() >= committed);
            true
        }
        Err(error) => {
            describe(&error);
            false
        }
    }
}

/// With room again: all that was committed is there, the rest is added, and the log verifies.
fn check_and_finish(log: &Path, committed: u64) {
    let all = entries(*ENDS.last().expect("an end"));
    let shard = Shard::open(Disk::new(log), options(1)).expect("there is room");
    let size = usize::try_from(shard.size()).expect("small");
    assert!(shard.size() >= committed, "{size} < {committed}");
    assert_eq!(shard.root(), root_of(&all[..size]));
    drop(shard);
    write(log, &mut 0).expect("there is room");
    let key = options(1).key.public().clone();
    let report = crate::verify::verify(log, &key, &crate::verify::Options::default());
    let report = report.expect("readable");
    assert_eq!(report.findings, []);
    assert_eq!(report.heads[0].root, root_of(&all).to_string());
}

/// What failed, which is that there was no room: the service manager is to try again later.
fn describe(error: &LogError) -> String {
    assert_eq!(error.exit_code(), 75, "{error}: {error:?}");
    match error {
        LogError::Io { operation, path, source } => {
            assert_eq!(source.kind(), ErrorKind::StorageFull, "{error}");
            format!("{operation} {path}")
        }
        other => panic!("{other:?}"),
    }
}
