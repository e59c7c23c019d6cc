//! An agent's configuration, as far as it leaves the defaults.

use std::path::PathBuf;

use mpic_common::code::PerspectiveId;
use mpic_common::reply::PerspectiveRole;
use mpic_runtime::config::{BusConfig, TracesConfig};
use serde::Serialize;

use super::network::{self, Dns, Lab};
use super::party::Party;
use super::{Shared, overlay};

#[derive(Serialize)]
struct Config<'a> {
    perspective: &'a PerspectiveId,
    role: PerspectiveRole,
    directory_file: PathBuf,
    directory_root: String,
    key_file: PathBuf,
    bus: BusConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<TracesConfig>,
}

/// An agent's configuration; `beyond` are settings that replace what stands here or by default.
pub(super) fn config(
    shared: &Shared<'_>,
    (code, role): (&PerspectiveId, PerspectiveRole),
    (dns, lab): (&Dns, &Lab),
    beyond: toml::Table,
) -> Result<toml::Table, toml::ser::Error> {
    let layout = shared.layout;
    let party = Party::Agent(code.clone());
    let config = Config {
        perspective: code,
        role,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        key_file: layout.key(&party.name()),
        bus: shared.bus(&party),
        traces: shared.traces.clone(),
    };
    let mut config = overlay::merged(&config, network::settings(dns, lab)?)?;
    overlay::merge(&mut config, beyond);
    Ok(config)
}
