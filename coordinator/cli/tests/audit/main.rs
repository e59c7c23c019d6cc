//! The auditor's commands as processes: what they do with their streams.
#![cfg(test)]

mod library;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mpic_audit::testing::{fleet, genesis, job, key, sign_decision, unanimous, write};
use tempfile::TempDir;

const ORIGIN: &str = "log.example/1";

/// A directory with a log of one decision in `log`, its key, the directory document, the record
/// and a proof of it.
fn desk() -> TempDir {
    let desk = tempfile::tempdir().unwrap();
    let record = sign_decision(&unanimous(&fleet(), &job(0)), &job(0));
    let entries = [genesis(ORIGIN, None), fleet().document(), record.clone()];
    fs::create_dir(desk.path().join("log")).unwrap();
    write(&desk.path().join("log"), ORIGIN, &entries);
    fs::write(desk.path().join("vkey"), key(ORIGIN).public().to_string()).unwrap();
    fs::write(desk.path().join("directory"), fleet().document()).unwrap();
    fs::write(desk.path().join("record"), record).unwrap();
    let proof = mpic(desk.path(), "audit prove log --log-key vkey 2", Stdio::piped()).stdout;
    fs::write(desk.path().join("proof"), proof).unwrap();
    desk
}

/// Runs a line in a directory; standard error is no terminal.
fn mpic(desk: &Path, line: &str, stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpic"));
    command.args(line.split_whitespace()).current_dir(desk).stdin(Stdio::null());
    command.stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

const PRINTING: [&str; 16] = [
    "audit verify log --log-key vkey",
    "audit verify log --log-key vkey --json",
    "audit replay log --log-key vkey --directory directory --deep",
    "audit replay log --log-key vkey --directory directory --one-by-one --json",
    "audit show log --log-key vkey 2",
    "audit prove log --log-key vkey 2",
    "audit check-receipt proof --record record --log-key vkey",
    "audit search log --log-key vkey",
    "audit export log --log-key vkey --directory directory",
    "audit report log --log-key vkey --directory directory",
    "audit report log --log-key vkey --directory directory --format csv",
    "audit report log --log-key vkey --directory directory --format json",
    "audit report log --log-key vkey --directory directory --format html",
    "audit report log --log-key vkey --directory directory --rates",
    "perspectives directory",
    "explain --date 2026-12-15 --remotes 5 --profile strict --failing 1",
];

#[test]
fn whoever_has_seen_enough_ends_a_command_quietly() {
    let desk = desk();
    for line in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = mpic(desk.path(), line, writer.into());
        // What a shell says of a process that SIGPIPE ended.
        assert_eq!(output.status.code(), Some(141), "{line}: {output:?}");
        assert_eq!(output.stderr, b"", "{line}: {output:?}");
    }
}

#[test]
fn no_progress_is_drawn_where_standard_error_is_no_terminal() {
    let desk = desk();
    for line in PRINTING {
        let output = mpic(desk.path(), line, Stdio::piped());
        assert!(output.status.code().is_some_and(|code| code < 2), "{line}: {output:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{line}: {output:?}");
    }
}
