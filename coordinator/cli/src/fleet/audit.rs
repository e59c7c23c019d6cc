//! The audit consumer's configuration, as far as it leaves the defaults.

use std::path::{Path, PathBuf};

use mpic_runtime::config::{BusConfig, TracesConfig};
use serde::Serialize;

use super::party::Party;
use super::{Shared, keys};

#[derive(Serialize)]
pub(super) struct Config<'a> {
    data_dir: PathBuf,
    shard: &'a str,
    origin: &'a str,
    log_key_file: PathBuf,
    bus: BusConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<TracesConfig>,
}

/// For the log `origin`, whose last element is its directory below `data_dir`.
pub(super) fn config<'a>(shared: &Shared<'_>, data_dir: &Path, origin: &'a str) -> Config<'a> {
    Config {
        data_dir: data_dir.to_owned(),
        shard: origin.rsplit('/').next().unwrap_or(origin),
        origin,
        log_key_file: shared.layout.key(keys::LOG),
        bus: shared.bus(&Party::Audit),
        traces: shared.traces.clone(),
    }
}
