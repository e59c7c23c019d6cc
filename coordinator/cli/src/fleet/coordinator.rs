//! A coordinator's configuration, as far as it leaves the defaults.

use std::path::PathBuf;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_runtime::config::BusConfig;
use serde::Serialize;

use super::{Network, Shared, agent, keys};

#[derive(Serialize)]
pub(super) struct Config<'a> {
    code: &'a CoordinatorId,
    directory_file: PathBuf,
    directory_root: String,
    key_file: PathBuf,
    seed_file: PathBuf,
    primary: &'a PerspectiveId,
    relaxations: Vec<String>,
    bus: BusConfig,
}

pub(super) fn config<'a>(
    shared: &Shared<'_>,
    code: &'a CoordinatorId,
    primary: &'a PerspectiveId,
    network: &Network,
) -> Config<'a> {
    let layout = shared.layout;
    Config {
        code,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        key_file: layout.key(&keys::coordinator(code)),
        seed_file: layout.key(keys::SEED),
        primary,
        relaxations: agent::relaxations(network),
        bus: shared.bus.clone(),
    }
}
