//! Records as they were written at some time: what the log holds is read for ever. Files are only
//! added here, never changed.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use mpic_audit::genesis::OwnEntry;
use mpic_audit::search::Subject;
use mpic_audit::show;
use mpic_common::directory::Directory;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Each record: its name and its octets.
fn records() -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(golden()).expect("a directory").map(|file| file.expect("one").path());
    let base64 = files.filter(|path| path.extension().is_some_and(|found| found == "base64"));
    let read = |path: PathBuf| {
        let text: String = fs::read_to_string(&path).expect("text").split_whitespace().collect();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, BASE64.decode(text.as_bytes()).expect("base64"))
    };
    let mut records: Vec<_> = base64.map(read).collect();
    records.sort();
    records
}

/// The type is the name up to a number.
fn kind(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

#[test]
fn every_record_that_was_ever_written_is_still_decoded_to_the_same() {
    let records = records();
    for (name, octets) in &records {
        let shown = show::entry(0, None, octets);
        let expected = golden().join(format!("{name}.json"));
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap_or_default();
        assert!(shown == expected, "{name}:\n{shown:#}\n== end of {name}");
        assert_eq!(shown["type"], kind(name));
    }
    let kinds =
        ["decision", "directory", "gap", "genesis", "late", "note", "refusal", "superseded"];
    for wanted in kinds {
        assert!(records.iter().any(|(name, _)| kind(name) == wanted), "{wanted}");
    }
}

#[test]
fn every_record_that_was_ever_written_still_means_something() {
    for (name, octets) in records() {
        match kind(&name) {
            "gap" | "genesis" => assert!(OwnEntry::decode(&octets).is_ok(), "{name}"),
            "directory" => {
                let opened = Directory::open_unpinned(&octets);
                assert!(opened.is_ok(), "{name}: {opened:?}");
            }
            _ => assert!(Subject::of(&octets).at.is_some(), "{name}"),
        }
    }
}
