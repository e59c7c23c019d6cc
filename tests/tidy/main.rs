//! What must hold of the tree itself: who may use whom, how long files are, where subjects are
//! spelled, whether links lead somewhere.
#![cfg(test)]

mod behaviour;
mod compliance;
mod crates;
mod documents;
mod metrics;
mod sources;
mod wire;

use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below the root with this ending that git tracks or would track.
fn files(ending: &str) -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let files: Vec<_> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter(|file| file.ends_with(ending))
        .map(|file| root().join(file))
        .filter(|file| file.exists())
        .collect();
    assert!(!files.is_empty(), "no file ends in {ending}");
    files
}
