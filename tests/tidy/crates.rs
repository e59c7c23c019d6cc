//! The edges between crates: a nested crate is a proof that one cannot call the other.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// Each crate, and which of ours it may use outside its tests.
const EDGES: [(&str, &[&str]); 9] = [
    ("mpic-common", &[]),
    ("mpic-runtime", &["mpic-common"]),
    ("mpic-agent", &["mpic-common", "mpic-runtime"]),
    ("mpic-coordinator", &["mpic-common", "mpic-runtime"]),
    ("mpic-audit", &["mpic-common", "mpic-runtime"]),
    ("mpic-gateway", &["mpic-common", "mpic-runtime"]),
    ("mpic-cli", &["mpic-audit", "mpic-common", "mpic-runtime"]),
    ("mpic-internet", &[]),
    (
        "mpic-tests",
        &[
            "mpic-agent",
            "mpic-audit",
            "mpic-cli",
            "mpic-common",
            "mpic-coordinator",
            "mpic-gateway",
            "mpic-internet",
            "mpic-runtime",
        ],
    ),
];

/// What the pure domain never uses: a runtime, the bus, sockets, randomness, logs.
const IMPURE: [&str; 8] =
    ["async-nats", "getrandom", "hickory-resolver", "rand", "reqwest", "tokio", "toml", "tracing"];

/// The normal dependencies of each crate of ours.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter();
            let normal = used.filter(|used| used["kind"].is_null());
            (text(&package["name"]), normal.map(|used| text(&used["name"])).collect())
        })
        .collect()
}

#[test]
fn each_crate_uses_only_those_it_may() {
    let found = dependencies();
    let known: BTreeSet<_> = EDGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), known, "crates of the workspace");
    for (name, allowed) in EDGES {
        let ours = found[name].iter().filter(|used| known.contains(*used));
        let foreign: Vec<_> = ours.filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(foreign.is_empty(), "{name} must not use {foreign:?}");
    }
}

#[test]
fn the_domain_is_pure() {
    let used = &dependencies()["mpic-common"];
    let impure: Vec<_> = IMPURE.iter().filter(|name| used.contains(**name)).collect();
    assert!(impure.is_empty(), "mpic-common must not use {impure:?}");
}
