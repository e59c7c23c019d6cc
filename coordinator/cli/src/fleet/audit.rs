//! The audit consumer's configuration, as far as it leaves the defaults.

use std::path::PathBuf;

use mpic_runtime::config::BusConfig;
use serde::Serialize;

use super::layout::{ORIGIN, SHARD};
use super::{Shared, keys};

#[derive(Serialize)]
pub(super) struct Config {
    data_dir: PathBuf,
    shard: &'static str,
    origin: &'static str,
    log_key_file: PathBuf,
    bus: BusConfig,
}

pub(super) fn config(shared: &Shared<'_>) -> Config {
    let layout = shared.layout;
    Config {
        data_dir: layout.log_data(),
        shard: SHARD,
        origin: ORIGIN,
        log_key_file: layout.key(keys::LOG),
        bus: shared.bus.clone(),
    }
}
