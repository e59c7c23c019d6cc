//! A coordinator's configuration, as far as it leaves the defaults.

use std::path::PathBuf;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_runtime::config::{BusConfig, TracesConfig};
use serde::Serialize;

use super::party::Party;
use super::{Shared, keys};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<TracesConfig>,
}

/// One that takes the relaxations of the agents that it asks.
pub(super) fn config<'a>(
    shared: &Shared<'_>,
    code: &'a CoordinatorId,
    primary: &'a PerspectiveId,
    relaxations: Vec<String>,
) -> Config<'a> {
    let (layout, party) = (shared.layout, Party::Coordinator(code.clone()));
    Config {
        code,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        key_file: layout.key(&party.name()),
        seed_file: layout.key(keys::SEED),
        primary,
        relaxations,
        bus: shared.bus(&party),
        traces: shared.traces.clone(),
    }
}
