//! `mpic-audit` as a process, and the log that it writes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use mpic_audit::finding::Severity;
use mpic_audit::note::{Checkpoint, LogKey};
use mpic_audit::verify::{self, Options};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ORIGIN: &str = "audit.example/mpic/test";

/// A log's directory and configuration.
pub(crate) struct AuditLog {
    directory: TempDir,
    kept: Vec<PathBuf>,
}

/// A running process, killed with its value.
pub(crate) struct Audit {
    child: Child,
}

impl AuditLog {
    pub(crate) fn new(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("data")).expect("created");
        fs::create_dir(path("kept")).expect("created");
        fs::write(path("key"), data_encoding::BASE64.encode(&[1; 32])).expect("written");
        fs::set_permissions(path("key"), PermissionsExt::from_mode(0o600)).expect("changed");
        let config = format!(
            "data_dir = {:?}\nshard = \"test\"\norigin = \"{ORIGIN}\"\nlog_key_file = {:?}\n\
             commit_interval_ms = 20\n[bus]\nservers = [{url:?}]\n[log]\nfilter = \"warn\"\n",
            path("data"),
            path("key"),
        );
        fs::write(path("audit.toml"), config).expect("written");
        Self { directory, kept: Vec::new() }
    }

    /// From its next start on it tells its figures at the address that this gives.
    pub(crate) fn listen(&self) -> String {
        let free = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = free.local_addr().expect("bound").to_string();
        let path = self.directory.path().join("audit.toml");
        let config = fs::read_to_string(&path).expect("read");
        fs::write(path, format!("health_listen = \"{address}\"\n{config}")).expect("written");
        address
    }

    pub(crate) fn shard(&self) -> PathBuf {
        self.directory.path().join("data/test")
    }

    fn key() -> LogKey {
        LogKey::new(ORIGIN, &[1; 32]).expect("a valid origin")
    }

    /// The process with these arguments.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Audit {
        Audit { child: self.command(arguments).spawn().expect("spawned") }
    }

    /// The process, once it says that it is ready.
    pub(crate) async fn run(&self) -> Audit {
        let path = self.directory.path().join("notify");
        if path.exists() {
            fs::remove_file(&path).expect("removed");
        }
        let socket = UnixDatagram::bind(&path).expect("bound");
        let child = self.command(&["run"]).env("NOTIFY_SOCKET", path).spawn().expect("spawned");
        let mut text = [0; 16];
        let octets = timeout(PATIENCE, socket.recv(&mut text)).await.expect("ready").expect("read");
        assert_eq!(&text[..octets], b"READY=1");
        Audit { child }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpic-audit"));
        command.arg("--config").arg(self.directory.path().join("audit.toml")).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// The published checkpoint, which an auditor keeps from now on.
    pub(crate) fn keep_checkpoint(&mut self) -> Option<Checkpoint> {
        let note = fs::read(self.shard().join("checkpoint")).ok()?;
        let checkpoint = Self::key().public().open(&note).expect("a valid checkpoint");
        let path = self.directory.path().join(format!("kept/{}", checkpoint.size));
        if !self.kept.contains(&path) {
            fs::write(&path, note).expect("written");
            self.kept.push(path);
        }
        Some(checkpoint)
    }

    /// Waits until the published log has so many entries.
    pub(crate) async fn reaches(&mut self, size: u64) -> Checkpoint {
        timeout(PATIENCE, self.reach(size)).await.expect("the log grows")
    }

    async fn reach(&mut self, size: u64) -> Checkpoint {
        loop {
            if let Some(checkpoint) = self.keep_checkpoint()
                && checkpoint.size >= size
            {
                return checkpoint;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Verifies the log with every checkpoint that was kept, and gives its entries.
    pub(crate) fn verified_entries(&self) -> Vec<Vec<u8>> {
        let options = Options { old_checkpoints: self.kept.clone(), proofs: Vec::new() };
        let key = Self::key();
        let report = verify::verify(&self.shard(), key.public(), &options).expect("readable");
        assert!(report.has_passed(Severity::Warning), "{:?}", report.findings);
        read_entries(&self.shard(), report.heads[0].size)
    }
}

/// The entries of a verified log, straight from its bundles.
fn read_entries(shard: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for bundle in 0..size.div_ceil(256) {
        let width = 256.min(size - bundle * 256);
        let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
        let path = shard.join(format!("tile/entries/{bundle:03}{partial}"));
        let octets = fs::read(&path).expect("a bundle");
        let found = mpic_audit::bundle::entries(&octets, width).expect("a whole bundle");
        entries.extend(found.into_iter().map(<[u8]>::to_vec));
    }
    entries
}

impl Audit {
    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            while self.is_running() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the process ends");
        self.child.wait().expect("a child")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Asks it to stop, as a service manager does, and waits.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(killed.success());
        self.ended().await
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // It has ended already where the test went as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
