//! The compliance table names tests that exist.

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

#[test]
fn every_test_that_the_compliance_table_names_exists() {
    let text = fs::read_to_string(root().join("docs/COMPLIANCE.md")).unwrap();
    let (functions, mut named) = (functions(), 0);
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(functions.contains(name), "no test is called {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 40, "only {named}");
}

#[test]
fn every_requirement_is_proven_by_a_test_or_is_the_operators_or_is_not_relied_on() {
    let text = fs::read_to_string(root().join("docs/COMPLIANCE.md")).unwrap();
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.contains("| how ")) {
        let is_proven = row.trim_end_matches('|').rsplit('|').next().unwrap().contains('`');
        let is_left = row.contains("**operator**") || row.contains("Not done:");
        assert!(is_proven || is_left, "{row}");
    }
}
