//! What deploy/ holds, used and checked as an operator would: the client in another language, and
//! whatever installs and watches the processes.
#![cfg(test)]

mod client;
mod files;
mod logs;
mod services;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A script of the tree, run by a Python that has the packages that it needs.
fn python(script: &str) -> Command {
    let mut command = Command::new(mpic_tests::python::interpreter());
    command.arg("-B").arg(root().join(script)).current_dir(root());
    command
}

/// What a command printed, and its exit code.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code(), text(stdout), text(stderr))
}
