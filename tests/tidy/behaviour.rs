//! The behaviour table: no row is lost, and each is proven by a test of its name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{files, root};

/// The rows of each section, first and last.
const ROWS: &[(&str, u32, u32)] = &[
    ("i", 1, 22),
    ("d", 1, 34),
    ("t", 1, 11),
    ("v", 1, 11),
    ("k", 1, 8),
    ("c", 1, 22),
    ("c", 26, 34),
    ("h", 1, 29),
    ("l", 1, 15),
    ("s", 1, 7),
];

fn ids() -> BTreeSet<String> {
    let section = |&(letter, first, last): &'static (&str, u32, u32)| {
        (first..=last).map(move |row| format!("{letter}{row}"))
    };
    ROWS.iter().flat_map(section).collect()
}

/// The first cells of the table, lower-case, where they are an id.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/BEHAVIOUR.md")).unwrap();
    let first_cell = |line: &str| {
        let cell = line.strip_prefix("| ")?.split(' ').next()?.to_ascii_lowercase();
        let digits = cell.strip_prefix(|first: char| first.is_ascii_lowercase())?;
        digits.parse::<u32>().ok().map(|_| cell)
    };
    text.lines().filter_map(first_cell).collect()
}

/// The names of the functions in `text` that are marked as tests.
fn tests_in(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let name = |pair: &[&str]| {
        let function = pair[1].strip_prefix("async ").unwrap_or(pair[1]).strip_prefix("fn ")?;
        is_test(pair[0]).then(|| function.split('(').next().unwrap().to_owned())
    };
    lines.windows(2).filter_map(name).collect()
}

/// The ids that a test's name begins with, one or several.
fn proven_by(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|part| {
        let digits = part.strip_prefix(|first: char| first.is_ascii_lowercase());
        digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
    })
}

#[test]
fn the_behaviour_table_has_every_row_and_no_other() {
    assert_eq!(documented(), ids());
}

#[test]
fn every_row_of_the_behaviour_table_has_a_test_of_its_name() {
    let own = root().join(Path::new("tests/tidy"));
    let tests: Vec<_> = files(".rs")
        .into_iter()
        .filter(|file| !file.starts_with(&own))
        .flat_map(|file| tests_in(&fs::read_to_string(file).unwrap()))
        .collect();
    let proven: BTreeSet<_> = tests.iter().flat_map(|name| proven_by(name)).collect();
    let unproven: Vec<_> = ids().into_iter().filter(|id| !proven.contains(id.as_str())).collect();
    assert!(unproven.is_empty(), "no test begins with {unproven:?}");
}

#[test]
fn the_id_of_a_row_is_found_in_the_name_of_its_test_alone() {
    let text = "#[test]\nfn c1_x() {}\n  #[tokio::test]\n  async fn d17_d34_y() {}\nfn l2_z() {}";
    let tests = tests_in(text);
    assert_eq!(tests, ["c1_x", "d17_d34_y"]);
    let ids: Vec<_> = tests.iter().flat_map(|name| proven_by(name)).collect();
    assert_eq!(ids, ["c1", "d17", "d34"]);
}
