//! Limits on source files, each with its reason.

use std::fs;

use crate::{files, root};

/// A file that is longer is two.
const LINES_MAX: usize = 500;

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<_> = files(".rs")
        .into_iter()
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:?}");
}

/// Two spellings of one subject would drift apart. Tests and the documents quote them.
#[test]
fn subjects_are_spelled_in_one_file() {
    let home = root().join("common/src/subject.rs");
    let spelled: Vec<_> = files(".rs")
        .into_iter()
        .filter(|file| *file != home && !file.starts_with(root().join("tests")))
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            !file.ends_with("tests.rs")
                && ["\"mpic.v1", "\"$JS.", "\"$SRV", "\"_INBOX"].iter().any(|s| code.contains(s))
        })
        .collect();
    assert!(spelled.is_empty(), "subjects belong into common/src/subject.rs: {spelled:?}");
}

/// Open ends are issues.
#[test]
fn no_source_file_has_open_ends() {
    // Put together here, so that this file has none.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    for file in files(".rs") {
        let text = fs::read_to_string(&file).unwrap();
        let found: Vec<_> = marks.iter().filter(|mark| text.contains(mark.as_str())).collect();
        assert!(found.is_empty(), "{} has {found:?}", file.display());
    }
}

/// `mod.rs` and grab-bags hide what a file is about.
#[test]
fn every_file_is_named_for_what_it_holds() {
    for file in files(".rs") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let vague = ["mod.rs", "utils.rs", "util.rs", "helpers.rs", "types.rs", "prelude.rs"];
        assert!(!vague.contains(&name), "{}", file.display());
    }
}
