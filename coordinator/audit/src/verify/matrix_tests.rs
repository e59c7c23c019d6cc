//! Every kind of file, damaged in every way: what is found names the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::tests::{check, files, key, log_of, put};
use super::*;
use crate::tree::Kind;

/// What is wrong, a file that cannot be read at all among it.
fn errors(directory: &Path) -> Vec<String> {
    match verify(directory, key().public(), &Options::default()) {
        Ok(report) => {
            let errors = report.findings.into_iter().filter(|f| f.severity == Severity::Error);
            errors.map(|finding| finding.text).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

fn assert_named(directory: &Path, name: &str, damage: &str) {
    let errors = errors(directory);
    let is_named = |text: &String| {
        text.split(|c: char| c.is_whitespace() || ":,\"".contains(c))
            .any(|word| Path::new(word).ends_with(name))
    };
    assert!(errors.iter().any(is_named), "{damage} {name}: {errors:?}");
}

/// Its octets with one flipped, taken away or put in at the start, in the middle and at the end.
fn damaged(octets: &[u8]) -> Vec<(String, Vec<u8>)> {
    let last = octets.len() - 1;
    let mut damaged = vec![("emptied".to_owned(), Vec::new())];
    for place in [0, 1, octets.len() / 2, last] {
        let mut flipped = octets.to_vec();
        flipped[place] ^= 0x04;
        let removed = [&octets[..place], &octets[place + 1..]].concat();
        let inserted = [&octets[..place], &[0xa5], &octets[place..]].concat();
        damaged.push((format!("octet {place} flipped in"), flipped));
        damaged.push((format!("octet {place} removed from"), removed));
        damaged.push((format!("octet inserted at {place} of"), inserted));
    }
    damaged.push(("octet appended to".to_owned(), [octets, &[0]].concat()));
    damaged
}

/// Files that a published log may lose: commits and partial tiles are collected in time.
fn is_collected(name: &str, size: u64) -> bool {
    name.starts_with("checkpoints/")
        || TileName::parse(name).is_some_and(|tile| {
            let of_kind = match tile.kind() {
                Kind::Entries => size,
                Kind::Hashes { level } => size >> (8 * level),
            };
            let is_edge = tile.index() == of_kind / TILE_WIDTH
                && u64::from(tile.width()) == of_kind % TILE_WIDTH;
            !tile.is_full() && !is_edge
        })
}

#[test]
fn what_is_found_names_the_file_that_was_flipped_cut_lengthened_or_lost() {
    let log = log_of(&[1, 3, 200, 256, 300, 520]);
    let files = files(log.path());
    for kind in ["checkpoint", "checkpoints/", "tile/0/", "tile/1/", "tile/entries/"] {
        assert!(files.keys().any(|name| name.starts_with(kind)), "{kind}");
    }
    for (name, octets) in &files {
        let path = log.path().join(name);
        for (damage, octets) in damaged(octets) {
            put(&path, &octets);
            assert_named(log.path(), name, &damage);
        }
        fs::remove_file(&path).expect("removed");
        if is_collected(name, 520) {
            assert_eq!(errors(log.path()), [""; 0], "{name}, which may be collected");
        } else {
            assert_named(log.path(), name, "lost");
        }
        fs::write(&path, octets).expect("written");
    }
    assert_eq!(check(log.path(), &Options::default()).findings, []);
}

#[test]
fn what_is_found_names_both_files_that_were_swapped() {
    let log = log_of(&[1, 3, 200, 300, 520]);
    let files = files(log.path());
    let mut siblings: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for name in files.keys().filter(|name| *name != CHECKPOINT) {
        let directory = name.rsplit_once('/').map(|(directory, _)| directory);
        siblings.entry(directory).or_default().push(name.clone());
    }
    let mut swaps = 0;
    for names in siblings.values() {
        for pair in names.windows(2) {
            let [one, two] = [log.path().join(&pair[0]), log.path().join(&pair[1])];
            put(&one, &files[&pair[1]]);
            put(&two, &files[&pair[0]]);
            assert_named(log.path(), &pair[0], "swapped");
            // Behind a bundle that cannot be read, nothing can be said.
            if !pair[0].starts_with("tile/entries/") {
                assert_named(log.path(), &pair[1], "swapped");
            }
            put(&one, &files[&pair[0]]);
            put(&two, &files[&pair[1]]);
            swaps += 1;
        }
    }
    assert!(swaps >= 6, "{swaps}");
    assert_eq!(errors(log.path()), [""; 0]);
}

#[test]
fn tiles_of_the_upper_levels_are_held_to_the_entries_too() {
    let log = log_of(&[65_537]);
    for name in ["tile/1/000", "tile/2/000.p/1", "tile/0/255"] {
        let path = log.path().join(name);
        let octets = fs::read(&path).expect("a tile");
        let mut flipped = octets.clone();
        *flipped.last_mut().expect("a hash") ^= 1;
        put(&path, &flipped);
        assert_named(log.path(), name, "flipped");
        put(&path, &octets);
    }
    assert_eq!(errors(log.path()), [""; 0]);
}
