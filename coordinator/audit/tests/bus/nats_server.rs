//! A nats-server of one's own, on a free port, with its stream in a temporary directory.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use mpic_runtime::stream;
use tempfile::TempDir;

/// Ends with its value.
pub(crate) struct NatsServer {
    process: Child,
    url: String,
    _directory: TempDir,
}

impl NatsServer {
    /// Starts one, and makes the stream, its consumer and the bucket.
    pub(crate) async fn provisioned() -> Self {
        let server = Self::start().await;
        stream::provision(&server.jetstream().await, 1 << 30, 1).await.expect("provisioned");
        server
    }

    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {0:?}\njetstream {{ store_dir: {0:?} }}\n",
            directory.path()
        );
        std::fs::write(&config, text).expect("written");
        let mut process = Command::new("nats-server")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        let ports = directory.path().join(format!("nats-server_{}.ports", process.id()));
        let url = loop {
            if let Some(url) = read_url(&ports) {
                break url;
            }
            let ended = process.try_wait().expect("a child");
            assert!(ended.is_none(), "nats-server ended: {ended:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { process, url, _directory: directory }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.expect("connected")
    }

    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client().await)
    }
}

fn read_url(ports: &Path) -> Option<String> {
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(ports).ok()?).ok()?;
    Some(ports.pointer("/nats/0")?.as_str()?.to_owned())
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("waited for");
    }
}
