//! The tables of requirements and of what the bus may do name tests that exist.

use std::collections::BTreeSet;
use std::fs;

use crate::{files, root};

/// The functions of the tree that a test's name can be.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files(".rs") {
        let text = fs::read_to_string(file).unwrap();
        for rest in text.split("fn ").skip(1) {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// The rows of a document's tables, without their heads.
fn rows(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"));
    rows.map(str::to_owned).collect()
}

/// The tests that the last cell of a row names.
fn named(row: &str) -> impl Iterator<Item = &str> {
    row.trim_end_matches('|').rsplit('|').next().unwrap().split('`').skip(1).step_by(2)
}

/// The tables, and how many tests each names at least.
const TABLES: [(&str, usize); 2] = [("docs/COMPLIANCE.md", 40), ("docs/BUS.md", 60)];

#[test]
fn every_test_that_a_table_names_exists() {
    let functions = functions();
    for (document, least) in TABLES {
        let rows = rows(document);
        let names: Vec<_> = rows.iter().flat_map(|row| named(row)).collect();
        for name in &names {
            assert!(functions.contains(*name), "{document}: no test is called {name}");
        }
        assert!(names.len() >= least, "{document}: only {}", names.len());
    }
}

#[test]
fn every_row_is_proven_by_a_test_or_is_the_operators_or_is_not_relied_on() {
    for (document, _) in TABLES {
        for row in rows(document) {
            let is_left = row.contains("**operator**") || row.contains("Not done:");
            assert!(named(&row).next().is_some() || is_left, "{document}: {row}");
        }
    }
}
