//! Python programs of tests, in the environment that `tests/python/install` makes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::process::SETPRIV;

/// Runs the tests of these files with pytest, from the directory that they lie in, and panics with
/// what they say unless there are some and all pass.
///
/// `settings` are variables of their environment. `within` is for all of them.
pub async fn passes(dir: &Path, files: &[&str], settings: &[(&str, &Path)], within: Duration) {
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new(SETPRIV)
        .args(["--pdeathsig", "KILL", "--"])
        .arg(interpreter())
        .args(["-m", "pytest", "--quiet", "--tb=short", "--strict-markers", "--durations=5"])
        .args(["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."])
        .args(files)
        .current_dir(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Only what the tests name, whatever else is installed.
        .env("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(file(said.path()))
        .stderr(file(said.path()))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = tokio::time::timeout(within, child.wait()).await;
    let said = String::from_utf8_lossy(&std::fs::read(said.path()).unwrap()).into_owned();
    let status = ended.unwrap_or_else(|_| panic!("{files:?} take over {within:?}:\n{said}"));
    assert!(status.unwrap().success(), "{files:?}:\n{said}");
}

fn file(path: &Path) -> File {
    File::options().append(true).open(path).unwrap()
}

/// Python of the environment; panics where that is not as `requirements.txt` says.
pub fn interpreter() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    // target/debug/deps/gateway-0123
    let environment = tests.ancestors().nth(3).unwrap().join("python");
    let pinned = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
    let wanted = std::fs::read(pinned).unwrap();
    let made = std::fs::read(environment.join("requirements.txt")).unwrap_or_default();
    assert!(
        made == wanted,
        "{} is not the Python environment that tests/python/requirements.txt pins: \
         run tests/python/install, which makes it from PyPI",
        environment.display()
    );
    environment.join("bin/python")
}
