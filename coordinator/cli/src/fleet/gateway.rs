//! The gateway's configuration, as far as it leaves the defaults, and its API key.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mpic_common::code::CaId;
use mpic_common::octets::Hash;
use mpic_runtime::config::{BusConfig, TracesConfig};
use mpic_runtime::keys::KeyFileError;
use serde::Serialize;

use super::layout::Layout;
use super::party::Party;
use super::process::GATEWAY;
use super::store::Store;
use super::{FleetError, Shared};

#[derive(Serialize)]
pub(super) struct Config {
    listen: SocketAddr,
    directory_file: PathBuf,
    directory_root: String,
    ca: Vec<Ca>,
    /// Where clients come from beyond loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<Tls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<TracesConfig>,
}

#[derive(Serialize)]
struct Ca {
    code: CaId,
    key_file: PathBuf,
    bus: BusConfig,
    key: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    key_sha256: String,
}

/// The channel to clients.
#[derive(Serialize)]
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// With the certificate that the fleet's authority gave it.
    pub(super) fn of(layout: &Layout) -> Self {
        Self { certificate: layout.tls_certificate(GATEWAY), key: layout.tls_key(GATEWAY) }
    }
}

/// One that listens at `listen` and speaks for each of `cas`, to whoever has the API key beside it.
pub(super) fn config<'a>(
    shared: &Shared<'_>,
    listen: SocketAddr,
    cas: impl IntoIterator<Item = (&'a CaId, String)>,
) -> Config {
    let layout = shared.layout;
    let ca = |(code, key): (&CaId, String)| {
        let party = Party::Ca(code.clone());
        Ca {
            code: code.clone(),
            key_file: layout.key(&party.name()),
            bus: shared.bus(&party),
            key: vec![Key { key_sha256: key_hash(&key) }],
        }
    };
    Config {
        listen,
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        ca: cas.into_iter().map(ca).collect(),
        tls: None,
        traces: shared.traces.clone(),
    }
}

/// The name of the file with the API key of a described fleet's CA.
pub(super) fn api_key_name(ca: &CaId) -> String {
    format!("api-{ca}")
}

/// The API key at `path`, made where there is none.
pub(super) fn api_key(store: &mut Store, path: &Path) -> Result<String, FleetError> {
    let key = store.secret(path, || new_api_key().map_err(FleetError::from))?;
    Ok(key.trim_end().to_owned())
}

/// A new API key: 256 random bits as 43 characters of base64url.
pub fn new_api_key() -> Result<String, KeyFileError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&random))
}

/// What the gateway knows of a key.
pub fn key_hash(key: &str) -> String {
    Hash::of(key.as_bytes()).to_string()
}
