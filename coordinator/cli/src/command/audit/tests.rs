//! The auditor's commands as they are typed, on a small log.

use std::fs;

use clap::Parser;
use mpic_audit::genesis::Previous;
use mpic_audit::testing::{genesis, key, write};
use mpic_common::testing::examples;
use mpic_common::wire::Kind;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    audit: Audit,
}

/// A directory with a log of all kinds of record in `log`, and its key in `vkey`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("log", "log.example", None);
        desk
    }

    /// A log of this name, of all kinds of record.
    fn write(&self, directory: &str, origin: &str, previous: Option<Previous>) -> Previous {
        let records = examples().into_iter().filter(|(kind, _)| is_entry(*kind));
        let records = records.map(|(_, octets)| octets);
        let entries: Vec<_> = [genesis(origin, previous)].into_iter().chain(records).collect();
        fs::create_dir_all(self.path(directory)).unwrap();
        let mut keys = fs::read_to_string(self.path("vkey")).unwrap_or_default();
        keys += &key(origin).public().to_string();
        keys.push('\n');
        fs::write(self.path("vkey"), keys).unwrap();
        write(Path::new(&self.path(directory)), origin, &entries)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command; `@` before a word makes it a path on this desk.
    fn ended(&self, line: &str) -> (Result<Exit, Failure>, String) {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        };
        let words = std::iter::once("audit".to_owned()).chain(line.split_whitespace().map(word));
        let mut out = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let audit = Typed::try_parse_from(words).unwrap().audit;
        let ended = runtime.block_on(audit.run(&mut out));
        (ended, String::from_utf8(out).unwrap())
    }

    /// How it ends, or why it could not be carried out; and what it printed.
    fn run(&self, line: &str) -> (Result<Exit, String>, String) {
        let (ended, out) = self.ended(line);
        (ended.map_err(|failure| failure.error.to_string()), out)
    }

    /// How it ends, also where it could not be carried out.
    fn exit(&self, line: &str) -> Exit {
        self.ended(line).0.unwrap_or_else(|failure| failure.exit)
    }

    fn fine(&self, line: &str) -> String {
        let (exit, out) = self.run(line);
        assert_eq!(exit, Ok(Exit::Fine), "{line}: {out}");
        out
    }
}

fn is_entry(kind: Kind) -> bool {
    use Kind::{Decision, Directory, Late, Note, Refusal, Superseded};
    matches!(kind, Decision | Directory | Late | Note | Refusal | Superseded)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_receipt_is_checked_without_the_log_and_is_of_its_record_only() {
    let desk = Desk::new();
    let prove = |index| format!("prove @log --log-key @vkey {index} --record @record{index}");
    for index in [1, 2] {
        let proof = desk.fine(&prove(index));
        fs::write(desk.path(&format!("proof{index}")), proof).unwrap();
    }
    fs::remove_dir_all(desk.path("log")).unwrap();
    let check = |proof, record| {
        desk.run(&format!("check-receipt @{proof} --record @{record} --log-key @vkey"))
    };
    let (exit, out) = check("proof1", "record1");
    assert_eq!(exit, Ok(Exit::Fine));
    assert!(out.starts_with("valid: the record is entry 1 of log.example\n"), "{out}");
    assert_eq!(check("proof1", "record2").0, Ok(Exit::Refused));
    assert_ne!(check("record1", "record1").0, Ok(Exit::Fine));
    assert!(check("absent", "record1").0.is_err());
}

#[test]
fn an_entry_is_named_by_its_index_or_by_the_job_that_it_decides_on() {
    let desk = Desk::new();
    // The examples do not belong together, so that not every signature of theirs holds here.
    let shown = |flags: &str| {
        let (exit, out) = desk.run(&format!("show @log --log-key @vkey {flags}"));
        let shown = json(&out);
        let signatures = shown["signatures"].as_array().unwrap();
        let all_hold = signatures.iter().all(|signature| signature["valid"] == true);
        assert_eq!(exit, Ok(if all_hold { Exit::Fine } else { Exit::Refused }), "{out}");
        assert!(signatures.iter().all(|it| it["valid"] == true || it["why"].is_string()), "{out}");
        shown
    };
    let all = (1..=6).map(|index| shown(&index.to_string()));
    let decision = all.into_iter().find(|shown| shown["type"] == "decision").unwrap();
    assert!(!decision["signatures"].as_array().unwrap().is_empty(), "{decision}");
    let octets = decision["body"]["job"].as_str().unwrap();
    let octets: [u8; 16] =
        data_encoding::HEXLOWER.decode(octets.as_bytes()).unwrap().try_into().unwrap();
    let job = uuid::Uuid::from_bytes(octets);
    assert_eq!(shown(&format!("--json --job {job}")), decision);
    let unknown = uuid::Uuid::from_bytes(
        [[0x01; 6].as_slice(), &[0x70, 0, 0x80], &[0; 7]].concat().try_into().unwrap(),
    );
    let (exit, _) = desk.run(&format!("prove @log --log-key @vkey --job {unknown}"));
    assert!(exit.unwrap_err().contains("no entry of the log decides on"));
}

#[test]
fn the_log_is_searched_by_what_entries_are_about() {
    let desk = Desk::new();
    let found = |flags: &str| -> Vec<u64> {
        let out = desk.fine(&format!("search @log --log-key @vkey{flags}"));
        out.lines().map(|line| line.parse().unwrap()).collect()
    };
    assert_eq!(found("").len(), 7);
    let of_ca = found(" --ca ca1");
    assert_eq!(of_ca.len(), 4);
    assert_eq!(found(" --ca ca2"), Vec::<u64>::new());
    assert!(found(" --identifier *.example").iter().all(|index| of_ca.contains(index)));
    assert_eq!(found(" --from 2100-01-01T00:00:00Z"), Vec::<u64>::new());
    assert_eq!(found(" --from 2001-01-01T00:00:00Z --to 2100-01-01T00:00:00Z").len(), 6);
}

#[test]
fn every_entry_is_exported_with_what_is_wrong_with_it() {
    let desk = Desk::new();
    let (exit, out) = desk.run("export @log --log-key @vkey");
    assert_eq!(exit, Ok(Exit::Refused), "the examples are of different fleets");
    let lines: Vec<_> = out.lines().map(json).collect();
    assert_eq!(lines.len(), 7);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["index"], index);
        let is_doubted = line["signature"] == "unproven";
        assert!(!is_doubted || !line["findings"].as_array().unwrap().is_empty(), "{line}");
    }
    assert_eq!((&lines[0]["type"], &lines[0]["signature"]), (&"genesis".into(), &().into()));
    let of_span = desk.run("export @log --log-key @vkey --from 2100-01-01T00:00:00Z");
    assert_eq!(of_span, (Ok(Exit::Fine), String::new()));
}

#[test]
fn a_report_has_the_same_attempts_in_every_form() {
    let desk = Desk::new();
    let report = |flags: &str| desk.run(&format!("report @log --log-key @vkey {flags}")).1;
    let attempt = json(report("--format json").trim_end());
    let perspectives = attempt["perspectives"].as_array().unwrap().len();
    let checks = attempt["checks"].as_object().unwrap().len();
    assert_eq!(report("--format csv").lines().count(), 1 + perspectives * checks);
    assert!(report("").contains(attempt["identifier"].as_str().unwrap()));
    assert_eq!(report("--ca ca2"), "");
    let page = report("--format html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("log.example: 7 entries"));
    assert!(report("--rates --format csv").starts_with("from,perspective,check,asked,"));
}

#[test]
fn shards_are_found_in_a_directory_and_read_in_the_order_in_which_they_name_each_other() {
    let desk = Desk::new();
    let first = desk.write("all/z-first", "log.example/1", None);
    desk.write("all/a-second", "log.example/2", Some(first.clone()));
    let out = desk.fine("verify @all --log-key @vkey");
    let (one, two) = (out.find("log.example/1").unwrap(), out.find("log.example/2").unwrap());
    assert!(one < two, "{out}");
    assert_eq!(desk.fine("search @all --log-key @vkey").lines().count(), 14);
    assert_eq!(desk.run("verify @all/a-second @all/z-first --log-key @vkey").0, Ok(Exit::Refused));
    let kept = "verify @all --log-key @vkey --old-checkpoint @all/z-first/checkpoint";
    assert!(desk.fine(kept).starts_with("verify passed"));
    let cut = Previous { size: 3, ..first };
    desk.write("cut/one", "log.example/3", None);
    desk.write(
        "cut/two",
        "log.example/4",
        Some(Previous { origin: "log.example/3".into(), ..cut }),
    );
    assert!(desk.run("verify @cut --log-key @vkey").1.contains("R1"));
    assert!(desk.run("verify @absent --log-key @vkey").0.is_err());
}

#[test]
fn a_log_is_archived_once_and_then_only_what_is_new() {
    let desk = Desk::new();
    let line = "archive @log @copy --log-key @vkey";
    assert!(desk.fine(line).starts_with("archived: "));
    assert!(desk.fine(line).starts_with("archived: 0 new files"));
    assert!(desk.fine("verify @copy --log-key @vkey").starts_with("verify passed"));
    fs::remove_file(desk.path("log/tile/0/000.p/7")).unwrap();
    assert_eq!(desk.run(line).0, Ok(Exit::Refused));
}

#[test]
fn what_cannot_be_read_is_named() {
    let desk = Desk::new();
    let why = |line: &str| desk.run(line).0.unwrap_err();
    for command in ["show", "prove"] {
        let why = why(&format!("{command} @log --log-key @vkey 99999"));
        assert!(why.contains("none with the index 99999"), "{why}");
    }
    let why = why("replay @log --log-key @vkey --records @nowhere");
    assert!(why.contains(&desk.path("nowhere")), "{why}");
}

#[test]
fn a_damaged_log_has_failed_for_every_command_that_reads_it() {
    let desk = Desk::new();
    let bundles = desk.path("log/tile/entries");
    let bundle = walk(Path::new(&bundles));
    let mut octets = fs::read(&bundle).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::remove_file(&bundle).unwrap();
    fs::write(&bundle, octets).unwrap();
    for command in ["show 1", "prove 1", "search", "report", "export"] {
        let (name, index) = command.split_once(' ').unwrap_or((command, ""));
        let line = format!("{name} @log --log-key @vkey {index}");
        assert_eq!(desk.exit(&line), Exit::Refused, "{line}");
    }
    assert_eq!(desk.exit("verify @log --log-key @vkey"), Exit::Refused);
    assert_eq!(desk.exit("show @absent --log-key @vkey 1"), Exit::Malformed);
}

/// The last file below a directory.
fn walk(directory: &Path) -> PathBuf {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let last = paths.max().unwrap();
    if last.is_dir() { walk(&last) } else { last }
}
