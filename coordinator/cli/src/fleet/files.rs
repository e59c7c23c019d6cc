//! Files and directories of a fleet, with errors that name them.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::Serialize;

use super::FleetError;

pub(super) fn create_dir(path: &Path) -> Result<(), FleetError> {
    std::fs::create_dir_all(path).map_err(|source| FleetError::Io { path: path.to_owned(), source })
}

pub(super) fn create_private_dir(path: &Path) -> Result<(), FleetError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| FleetError::Io { path: path.to_owned(), source })
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FleetError> {
    match std::fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FleetError::Io { path: path.to_owned(), source }),
    }
}

pub(super) fn write(path: &Path, octets: impl AsRef<[u8]>) -> Result<(), FleetError> {
    std::fs::write(path, octets).map_err(|source| FleetError::Io { path: path.to_owned(), source })
}

pub(super) fn write_toml(path: &Path, config: &impl Serialize) -> Result<(), FleetError> {
    let text = toml::to_string(config)
        .map_err(|source| FleetError::Toml { path: path.to_owned(), source })?;
    write(path, text)
}
