//! A coordinator that is configured wrongly ends before it connects, and says what is wrong.
#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use mpic_common::directory::{Directory, DirectoryDocument};
use mpic_common::octets::Hash;
use mpic_common::testing::Fleet;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};

/// Writes a good configuration into `dir`, with `change` applied to the directory document and
/// `extra` put before everything else.
fn configure(dir: &Path, extra: &str, change: impl FnOnce(&mut DirectoryDocument)) {
    let fleet = Fleet::new(6);
    let octets = fleet.document();
    let body = Envelope::parse(&octets, octets.len()).unwrap().body;
    let mut document: DirectoryDocument = decode_body(Kind::Directory, body).unwrap();
    change(&mut document);
    let body = encode_body(Kind::Directory, &document);
    let signed = envelope::seal(Kind::Directory, &body, &Fleet::key("root"), Some(Hash::ZERO));
    fs::write(dir.join("directory"), signed).unwrap();
    // The key of `c0` is made from the hash of its name.
    secret(&dir.join("c0.key"), Hash::of(b"c0").0);
    secret(&dir.join("seed.key"), [9; 32]);
    let root = Fleet::key("root").public();
    let config = format!(
        "{extra}
code = \"c0\"
directory_file = \"{dir}/directory\"
directory_root = \"{root}\"
key_file = \"{dir}/c0.key\"
seed_file = \"{dir}/seed.key\"
primary = \"p0\"
bus = {{ servers = [\"nats://127.0.0.1:1\"] }}
",
        dir = dir.display()
    );
    fs::write(dir.join("config.toml"), config).unwrap();
}

fn secret(path: &Path, seed: [u8; 32]) {
    fs::write(path, data_encoding::BASE64.encode(&seed)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The exit code and the standard error of `mpic-coordinator --check-config`.
fn check(dir: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpic-coordinator"))
        .args(["--check-config", "--config"])
        .arg(dir.join("config.toml"))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn refused(extra: &str, change: impl FnOnce(&mut DirectoryDocument), reason: &str) {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), extra, change);
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains(reason), "{said}");
}

#[test]
fn a_good_configuration_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "", |_| {});
    assert_eq!(check(dir.path()), (Some(0), String::new()));
}

#[test]
fn an_unknown_key_is_named() {
    refused("surprise = 1", |_| {}, "unknown field `surprise`");
}

#[test]
fn a_limit_out_of_range_is_named_with_its_value() {
    refused("straggler_wait_ms = 9000", |_| {}, "straggler_wait_ms `9000`: it is 20 to 5000");
}

#[test]
fn a_policy_looser_than_the_baseline_requirements_is_named_with_the_row() {
    let loosen = |document: &mut DirectoryDocument| document.policy.remotes_min = Some(2);
    refused("", loosen, "policy.remotes_min `2` is looser than the row of BR 3.2.2.9");
}

#[test]
fn a_directory_that_can_provide_no_cohort_is_refused() {
    let forget = |document: &mut DirectoryDocument| document.perspectives.truncate(3);
    refused("", forget, "distinct remote perspectives are needed, 2 can be had");
}

#[test]
fn a_primary_that_is_not_listed_is_named() {
    let forget = |document: &mut DirectoryDocument| drop(document.perspectives.remove(0));
    refused("", forget, "the primary perspective `p0` is not in the directory");
}

#[test]
fn a_resolver_in_another_region_is_named() {
    use mpic_common::perspective::RegionalInternetRegistry::{Afrinic, Apnic};
    let move_away = |document: &mut DirectoryDocument| {
        let first = &mut document.perspectives[0];
        let elsewhere = if first.registry == Apnic { Afrinic } else { Apnic };
        first.resolver_registry = elsewhere;
    };
    refused("", move_away, "perspectives.resolver_registry");
}

#[test]
fn a_coordinator_without_a_key_in_the_directory_is_named() {
    let forget = |document: &mut DirectoryDocument| {
        document.keys.retain(|key| key.name != "c0");
    };
    refused("", forget, "for coordinator `c0`");
}

#[test]
fn a_document_that_another_root_signed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "", |_| {});
    let config = fs::read_to_string(dir.path().join("config.toml")).unwrap();
    let (root, other) = (Fleet::key("root").public(), Fleet::key("other").public());
    let repinned = config.replace(&root.to_string(), &other.to_string());
    fs::write(dir.path().join("config.toml"), repinned).unwrap();
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("not by the pinned root"), "{said}");
    assert!(Directory::open(&Fleet::new(6).document(), &other).is_err());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "", |_| {});
    let key = dir.path().join("c0.key");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("has mode 0644; make it 0600"), "{said}");
}
