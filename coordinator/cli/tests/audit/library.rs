//! Logs as the transparency log library of the Go project sees them, which shares nothing with
//! ours (`tests/tlog/main.go`): note, root, inclusion of every entry, consistency of every
//! checkpoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mpic_audit::testing::{key, write};
use tempfile::TempDir;

const ORIGIN: &str = "log.example/1";

/// The program, built; `None` where this machine has no Go or not its library.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn library(desk: &TempDir) -> Option<PathBuf> {
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go || !Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog").exists() {
        eprintln!("skipped: golang-go and golang-golang-x-mod-dev are not here");
        return None;
    }
    let (program, tmp) = (desk.path().join("library"), env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tlog/main.go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(source);
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", Path::new(tmp).join("go")).env("GOFLAGS", "");
    let built = go.output().unwrap();
    assert!(built.status.success(), "{built:?}");
    fs::write(desk.path().join("vkey"), key(ORIGIN).public().to_string()).unwrap();
    Some(program)
}

fn check(program: &Path, desk: &TempDir, log: &str) -> Output {
    let mut command = Command::new(program);
    command.arg(desk.path().join(log)).arg(desk.path().join("vkey")).output().unwrap()
}

/// A log committed at each of these sizes, `seed` in every entry.
fn log_of(desk: &TempDir, name: &str, ends: &[usize], seed: &str) -> PathBuf {
    let directory = desk.path().join(name);
    fs::create_dir(&directory).unwrap();
    let mut size = 0;
    for end in ends {
        let entry = |index| format!("{seed} {index}").into_bytes();
        write(&directory, ORIGIN, &(size..*end).map(entry).collect::<Vec<_>>());
        size = *end;
    }
    directory
}

#[test]
fn the_library_of_another_language_accepts_logs_of_every_shape() {
    let desk = tempfile::tempdir().unwrap();
    let Some(program) = library(&desk) else { return };
    let logs: [&[usize]; 6] =
        [&[1], &[1, 2, 3], &[255, 256], &[1, 257], &[256, 512, 513], &[300, 65_537, 65_800]];
    for (which, ends) in logs.iter().enumerate() {
        let name = format!("log{which}");
        log_of(&desk, &name, ends, "entry");
        let output = check(&program, &desk, &name);
        let said = String::from_utf8(output.stdout).unwrap();
        let (size, kept) = (ends.last().unwrap(), ends.len());
        let expected = format!("{size} entries and {kept} checkpoints hold under the root ");
        assert!(output.status.success() && said.starts_with(&expected), "{ends:?}: {said}");
    }
}

#[test]
fn the_library_of_another_language_refuses_what_was_damaged_or_forked() {
    let desk = tempfile::tempdir().unwrap();
    let Some(program) = library(&desk) else { return };
    let flip = |path: PathBuf| {
        let mut octets = fs::read(&path).unwrap();
        octets[8] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(path, octets).unwrap();
    };
    for (which, damaged) in
        ["tile/entries/000", "tile/entries/001.p/44", "tile/0/000", "tile/1/000.p/1", "checkpoint"]
            .into_iter()
            .enumerate()
    {
        let name = format!("damaged{which}");
        flip(log_of(&desk, &name, &[100, 300], "entry").join(damaged));
        assert_eq!(check(&program, &desk, &name).status.code(), Some(1), "{damaged}");
    }
    let forked = log_of(&desk, "forked", &[100, 300], "entry");
    assert!(check(&program, &desk, "forked").status.success());
    let other = log_of(&desk, "other", &[100], "other");
    let note = "checkpoints/000000000100";
    fs::remove_file(forked.join(note)).unwrap();
    fs::copy(other.join(note), forked.join(note)).unwrap();
    assert_eq!(check(&program, &desk, "forked").status.code(), Some(1));
}
