//! The audit consumer's configuration file.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpic_common::octets::Hash;
use mpic_common::subject;
use mpic_runtime::config::{BusConfig, ConfigError, LogConfig, TracesConfig};
use mpic_runtime::keys::{self, KeyFileError};
use serde::Deserialize;
use thiserror::Error;

use crate::genesis::{Genesis, Previous};
use crate::note::{self, KeyError, LogKey, NoteError};

/// One TOML file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the bus.
    pub bus: BusConfig,
    /// Threads that do the work, beside those that wait for the disk. Default 1.
    #[serde(default = "mpic_runtime::config::one_thread")]
    pub threads: NonZeroUsize,
    /// What the process says of itself.
    #[serde(default)]
    pub log: LogConfig,
    /// Where it tells how it is, by HTTP: `/livez`, `/readyz`, `/metrics`, such as
    /// `127.0.0.1:9464`. Default nowhere.
    #[serde(default)]
    pub health_listen: Option<SocketAddr>,
    /// Where traces go. Default nowhere.
    #[serde(default)]
    pub traces: Option<TracesConfig>,
    /// The directory of the shards. It must exist.
    pub data_dir: PathBuf,
    /// The directory of this log below it, such as `2026h2`.
    pub shard: String,
    /// The name of the log and of its key, such as `audit.ca.example/mpic/2026h2`.
    pub origin: String,
    /// The stream whose messages are the entries. Default `MPIC_AUDIT`.
    #[serde(default = "stream")]
    pub stream: String,
    /// The stream's durable consumer. Default `audit`.
    #[serde(default = "consumer")]
    pub consumer: String,
    /// The key-value bucket that fences a second writer. Default `MPIC_AUDIT_HEAD`.
    #[serde(default = "kv_bucket")]
    pub kv_bucket: String,
    /// The stream sequence of entry 1. Default 1.
    #[serde(default = "base_seq")]
    pub base_seq: NonZeroU64,
    /// The directory of the shard before, whose final head the first entry names. Default none.
    #[serde(default)]
    pub previous: Option<PathBuf>,
    /// The seed of the log's key: base64 of 32 octets, mode 0600.
    pub log_key_file: PathBuf,
    /// A batch closes at this many messages. Default 1,000.
    #[serde(default = "batch_messages_max")]
    pub batch_messages_max: NonZeroUsize,
    /// A batch closes at this many octets. Default 8 MiB.
    #[serde(default = "batch_bytes_max")]
    pub batch_bytes_max: NonZeroUsize,
    /// A batch closes this many milliseconds after its first message came. Default 100.
    #[serde(default = "commit_interval_ms")]
    pub commit_interval_ms: u64,
    /// Threads for calls that block. Default 8; 1 makes the order of calls fixed.
    #[serde(default = "io_threads")]
    pub io_threads: NonZeroUsize,
}

/// A configuration that reads well and does not hold.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The log's key cannot be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The origin is no name for a log.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of the file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The shard before cannot be read.
    #[error("cannot read the checkpoint of the previous shard {path}")]
    Previous {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its checkpoint is none.
    #[error("the checkpoint of the previous shard is none")]
    PreviousNote(#[from] NoteError),
}

impl Config {
    /// Where the log is.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join(&self.shard)
    }

    /// How long a batch waits for more.
    pub fn commit_interval(&self) -> Duration {
        Duration::from_millis(self.commit_interval_ms)
    }

    /// The log's key, once the names around it can be used.
    pub fn key(&self) -> Result<LogKey, SettingsError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_=./".contains(c);
        if !self.origin.chars().all(is_name) || self.origin.starts_with('.') {
            let reason = "it must be of letters, digits, and -_=./";
            return Err(ConfigError::key("origin", &self.origin, reason).into());
        }
        let shard = Path::new(&self.shard);
        if shard.file_name() != Some(shard.as_os_str()) {
            let reason = "it must be the name of one directory";
            return Err(ConfigError::key("shard", &self.shard, reason).into());
        }
        Ok(LogKey::new(&self.origin, &keys::load_seed(&self.log_key_file)?)?)
    }

    /// What entry 0 says of a log of the stream that was created then.
    pub fn genesis(&self, stream_created_ns: u64) -> Result<Genesis, SettingsError> {
        let previous = self.previous.as_deref().map(read_previous).transpose()?;
        let (origin, stream) = (self.origin.clone(), self.stream.clone());
        Ok(Genesis { origin, stream, stream_created_ns, base_seq: self.base_seq.get(), previous })
    }
}

/// The final head of the shard before. Its key belongs to auditors, who compare it.
fn read_previous(directory: &Path) -> Result<Previous, SettingsError> {
    let path = directory.join("checkpoint");
    let octets = std::fs::read(&path);
    let octets = octets.map_err(|source| SettingsError::Previous { path, source })?;
    let checkpoint = note::read_unverified(&octets)?;
    let Hash(root) = checkpoint.root;
    Ok(Previous { origin: checkpoint.origin, size: checkpoint.size, root })
}

fn stream() -> String {
    subject::AUDIT_STREAM.to_owned()
}

fn consumer() -> String {
    subject::AUDIT_CONSUMER.to_owned()
}

fn kv_bucket() -> String {
    subject::AUDIT_HEAD_BUCKET.to_owned()
}

fn base_seq() -> NonZeroU64 {
    NonZeroU64::MIN
}

fn batch_messages_max() -> NonZeroUsize {
    const { NonZeroUsize::new(1_000).unwrap() }
}

fn batch_bytes_max() -> NonZeroUsize {
    const { NonZeroUsize::new(8 * 1_024 * 1_024).unwrap() }
}

fn commit_interval_ms() -> u64 {
    100
}

fn io_threads() -> NonZeroUsize {
    const { NonZeroUsize::new(8).unwrap() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const MINIMAL: &str = r#"
        data_dir = "/var/lib/mpic-audit"
        shard = "2026h2"
        origin = "audit.example/mpic/2026h2"
        log_key_file = "KEY"
        [bus]
        servers = ["nats://127.0.0.1:4222"]
    "#;

    fn config(text: &str) -> Config {
        toml::from_str(text).expect("a configuration")
    }

    #[test]
    fn what_is_left_out_is_as_specified() {
        let config = config(MINIMAL);
        assert_eq!((config.stream.as_str(), config.consumer.as_str()), ("MPIC_AUDIT", "audit"));
        assert_eq!(config.batch_messages_max.get(), 1_000);
        assert_eq!(config.batch_bytes_max.get(), 8 << 20);
        assert_eq!(config.commit_interval(), Duration::from_millis(100));
        assert_eq!((config.io_threads.get(), config.base_seq.get()), (8, 1));
        assert_eq!(config.directory(), Path::new("/var/lib/mpic-audit/2026h2"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>(&format!("typo = 1\n{MINIMAL}")).is_err());
    }

    #[test]
    fn a_key_is_loaded_for_an_origin_that_can_be_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        std::fs::write(&path, data_encoding::BASE64.encode(&[1; 32])).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("changed");
        let text = MINIMAL.replace("KEY", path.to_str().expect("UTF-8"));
        let key = config(&text).key().expect("a key");
        assert!(key.public().to_string().starts_with("audit.example/mpic/2026h2+1015db77+"));
        for (good, bad) in [("mpic/2026h2\"", "mpic 2026h2\""), ("\"2026h2\"", "\"../2026h2\"")] {
            assert!(config(&text.replace(good, bad)).key().is_err(), "{bad}");
        }
    }
}
