//! The coordinator's configuration.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::limits::{
    RELAXATIONS_OCTETS_MAX, STRAGGLER_WAIT, STRAGGLER_WAIT_MAX, STRAGGLER_WAIT_MIN,
};
use mpic_runtime::config::{BusConfig, ConfigError, LogConfig, TracesConfig, load, one_thread};
use serde::{Deserialize, Serialize};

/// One coordinator process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its code, which no other live coordinator has. Required.
    pub code: CoordinatorId,
    /// The signed directory document. Required.
    pub directory_file: PathBuf,
    /// The key that signs it, `ed25519:` and base64. Required: it pins the document.
    pub directory_root: String,
    /// The key that signs assignments and records, listed in the directory under `code`. Required.
    pub key_file: PathBuf,
    /// 32 secret octets that the coordinators share, so that no applicant can foresee a cohort.
    /// Required.
    pub seed_file: PathBuf,
    /// The perspective that makes the primary determination. Required.
    pub primary: PerspectiveId,
    /// Relaxations that a reply may state, as `key=value`; a reply under any other is unavailable.
    /// `methods.ip_address_optin=true` admits jobs for that method too, but never for a TLS
    /// certificate. Default none.
    #[serde(default)]
    pub relaxations: Vec<String>,
    /// Jobs in flight; above it a job is `busy`. Default 10,000.
    #[serde(default = "jobs_max")]
    pub jobs_max: NonZeroUsize,
    /// Jobs of one CA in flight. Default 5,000.
    #[serde(default = "jobs_per_ca_max")]
    pub jobs_per_ca_max: NonZeroUsize,
    /// Milliseconds, 20 to 5,000: the longest wait for stragglers. Default 1,000.
    #[serde(default = "straggler_wait_ms")]
    pub straggler_wait_ms: u64,
    /// The bus. Required.
    pub bus: BusConfig,
    /// Threads that do the work. Default 1: more processes serve a perspective or a fleet better
    /// than more threads.
    #[serde(default = "one_thread")]
    pub threads: NonZeroUsize,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// Where it tells how it is, by HTTP: `/livez`, `/readyz`, `/metrics`, such as
    /// `127.0.0.1:9464`. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_listen: Option<SocketAddr>,
    /// Where traces go. Default nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesConfig>,
}

fn jobs_max() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(9_999)
}

fn jobs_per_ca_max() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(4_999)
}

fn straggler_wait_ms() -> u64 {
    mpic_common::time::millis(STRAGGLER_WAIT)
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = load(path)?;
        let wait = config.straggler_wait();
        if wait < STRAGGLER_WAIT_MIN || wait > STRAGGLER_WAIT_MAX {
            let reason = "it is 20 to 5000 milliseconds";
            return Err(ConfigError::key("straggler_wait_ms", config.straggler_wait_ms, reason));
        }
        let octets: usize = config.relaxations.iter().map(|relaxation| relaxation.len() + 2).sum();
        if octets > RELAXATIONS_OCTETS_MAX {
            let reason = "more than 1,022 octets in all: every record states them";
            return Err(ConfigError::key("relaxations", octets, reason));
        }
        Ok(config)
    }

    /// The longest wait for stragglers where the job does not say.
    pub fn straggler_wait(&self) -> Duration {
        Duration::from_millis(self.straggler_wait_ms)
    }
}
