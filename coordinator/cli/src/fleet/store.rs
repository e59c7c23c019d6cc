//! What is generated, put where it belongs: secrets are made once, everything else follows from
//! them and from the description.

use std::fmt;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mpic_runtime::keys;
use serde::Serialize;

use super::FleetError;

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Files are written.
    Write,
    /// Nothing is; a secret that is not there is made up and forgotten.
    Check,
}

/// Puts files in place, and remembers which were not as they are now.
#[derive(Debug)]
pub struct Store {
    mode: Mode,
    changes: Vec<Change>,
}

/// A file that was not as the description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub path: PathBuf,
    /// How.
    pub what: Difference,
}

/// How a file differs from what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It was not there.
    Missing,
    /// It had other content.
    Different,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missing => "missing",
            Self::Different => "different",
        })
    }
}

impl Store {
    /// A store that has changed nothing.
    pub fn new(mode: Mode) -> Self {
        Self { mode, changes: Vec::new() }
    }

    /// What was not as it must be.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Makes a directory and what leads there.
    pub(super) fn dir(&self, path: &Path) -> Result<(), FleetError> {
        self.make_dir(path, 0o755)
    }

    /// Makes a directory for its owner alone.
    pub(super) fn private_dir(&self, path: &Path) -> Result<(), FleetError> {
        self.make_dir(path, 0o700)
    }

    fn make_dir(&self, path: &Path, mode: u32) -> Result<(), FleetError> {
        match self.mode {
            Mode::Write => DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
                .map_err(|source| io(path, source)),
            Mode::Check => Ok(()),
        }
    }

    /// What stands at `path`, if anything does.
    pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, FleetError> {
        match std::fs::read(path) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io(path, source)),
        }
    }

    /// What follows from the description: written anew where it differs.
    pub(super) fn derived(
        &mut self,
        path: &Path,
        octets: impl AsRef<[u8]>,
    ) -> Result<(), FleetError> {
        let what = match Self::read(path)? {
            Some(found) if found == octets.as_ref() => return Ok(()),
            Some(_) => Difference::Different,
            None => Difference::Missing,
        };
        self.changes.push(Change { path: path.to_owned(), what });
        if self.mode == Mode::Write {
            // Whoever reads meanwhile sees the old or the new, never half.
            let new = PathBuf::from(format!("{}.new", path.display()));
            std::fs::write(&new, octets.as_ref()).map_err(|source| io(&new, source))?;
            std::fs::rename(&new, path).map_err(|source| io(path, source))?;
        }
        Ok(())
    }

    /// The same, as TOML.
    pub(super) fn toml(&mut self, path: &Path, config: &impl Serialize) -> Result<(), FleetError> {
        let text = toml::to_string(config)
            .map_err(|source| FleetError::Toml { path: path.to_owned(), source })?;
        self.derived(path, text)
    }

    /// The 32 octets at `path`, made where there are none.
    pub(super) fn seed(&mut self, path: &Path) -> Result<[u8; 32], FleetError> {
        if path.exists() {
            return Ok(keys::load_seed(path)?);
        }
        self.missing(path);
        match self.mode {
            Mode::Write => Ok(keys::create_seed(path)?),
            Mode::Check => random(),
        }
    }

    /// The public part of the nkey at `path`, made where there is none.
    pub(super) fn nkey(&mut self, path: &Path) -> Result<String, FleetError> {
        if path.exists() {
            return Ok(keys::load_nkey(path)?.public_key());
        }
        self.missing(path);
        match self.mode {
            Mode::Write => Ok(keys::create_nkey(path)?.public_key()),
            Mode::Check => Ok("UNKNOWN".to_owned()),
        }
    }

    /// The secret text at `path`, made by `make` where there is none.
    pub(super) fn secret(
        &mut self,
        path: &Path,
        make: impl FnOnce() -> Result<String, FleetError>,
    ) -> Result<String, FleetError> {
        if path.exists() {
            keys::check_mode(path)?;
            return std::fs::read_to_string(path).map_err(|source| io(path, source));
        }
        self.missing(path);
        let text = make()?;
        if self.mode == Mode::Write {
            keys::create_secret(path, &text)?;
        }
        Ok(text)
    }

    /// A file that somebody else puts there.
    pub(super) fn expected(&mut self, path: &Path) {
        if !path.exists() {
            self.missing(path);
        }
    }

    fn missing(&mut self, path: &Path) {
        self.changes.push(Change { path: path.to_owned(), what: Difference::Missing });
    }
}

fn random() -> Result<[u8; 32], FleetError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(keys::KeyFileError::from)?;
    Ok(seed)
}

fn io(path: &Path, source: std::io::Error) -> FleetError {
    FleetError::Io { path: path.to_owned(), source }
}
