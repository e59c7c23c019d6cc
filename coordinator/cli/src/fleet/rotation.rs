//! Rotations with overlap: for a while the old key and the new one are both good.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mpic_common::octets::Fixed;
use mpic_common::signature::{KeyId, SigningKey};
use mpic_common::time::UnixMs;
use mpic_runtime::keys;

use super::keys::ROOT;
use super::layout::Layout;
use super::store::{Mode, Store};
use super::{FleetError, document};

/// A signing key that was rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The serial of the document that lists both.
    pub serial: u64,
    /// The key that ends.
    pub old: KeyId,
    /// When.
    pub until: UnixMs,
    /// The key that is in force from now.
    pub new: KeyId,
}

/// Why a key cannot be rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Files or keys.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The document does not list the key.
    #[error("the directory document does not list the key {id} of {path} as one without an end")]
    Unlisted {
        /// Its id.
        id: KeyId,
        /// Where it lies.
        path: PathBuf,
    },
}

/// Makes a new signing key for `name`, in force from now; the old one stays good for `overlap`.
pub fn rotate_signing(
    layout: &Layout,
    name: &str,
    overlap: Duration,
    now: UnixMs,
) -> Result<Rotated, RotationError> {
    let path = layout.key(name);
    let old = load(&path)?.public();
    let mut listed =
        document::read(&require(&layout.directory_file())?).map_err(FleetError::from)?;
    let unlisted = || RotationError::Unlisted { id: old.id(), path: path.clone() };
    let entry = listed.keys.iter_mut().find(|key| key.id == old.id() && key.until_ms.is_none());
    let entry = entry.ok_or_else(unlisted)?;
    // One that an interrupted rotation has left is taken up.
    let next = PathBuf::from(format!("{}.next", path.display()));
    let seed = Store::new(Mode::Write).seed(&next)?;
    let new = SigningKey::from_seed(&seed).public();
    let mut ending = entry.clone();
    (entry.id, entry.public, entry.from_ms) = (new.id(), Fixed(new.octets()), now);
    ending.until_ms = Some(now.plus(overlap));
    listed.keys.push(ending);
    (listed.serial, listed.issued_ms) = (listed.serial + 1, now);
    let octets = document::sign(&listed, &load(&layout.key(ROOT))?);
    Store::new(Mode::Write).derived(&layout.directory_file(), octets)?;
    let kept = PathBuf::from(format!("{}.{}", path.display(), old.id()));
    rename(&path, &kept)?;
    rename(&next, &path)?;
    let until = now.plus(overlap);
    Ok(Rotated { serial: listed.serial, old: old.id(), until, new: new.id() })
}

/// Makes a new nkey for `name`; the bus is to know the old one too until `retire_nkey`.
pub fn rotate_nkey(layout: &Layout, name: &str) -> Result<(), RotationError> {
    let (path, retiring) = (layout.nkey(name), layout.retiring_nkey(name));
    let old = keys::load_nkey(&path).map_err(FleetError::from)?.public_key();
    let mut known =
        String::from_utf8_lossy(&Store::read(&retiring)?.unwrap_or_default()).into_owned();
    if !known.lines().any(|line| line == old) {
        known.push_str(&old);
        known.push('\n');
    }
    let next = PathBuf::from(format!("{}.next", path.display()));
    let mut store = Store::new(Mode::Write);
    store.nkey(&next)?;
    store.derived(&retiring, known)?;
    Ok(rename(&next, &path)?)
}

/// Forgets the nkeys of `name` that were rotated; gives how many there were.
pub fn retire_nkey(layout: &Layout, name: &str) -> Result<usize, RotationError> {
    let retiring = layout.retiring_nkey(name);
    let Some(known) = Store::read(&retiring)? else { return Ok(0) };
    std::fs::remove_file(&retiring)
        .map_err(|source| FleetError::Io { path: retiring.clone(), source })?;
    Ok(String::from_utf8_lossy(&known).lines().count())
}

fn load(path: &Path) -> Result<SigningKey, FleetError> {
    Ok(keys::load(path)?)
}

fn require(path: &Path) -> Result<Vec<u8>, FleetError> {
    std::fs::read(path).map_err(|source| FleetError::Io { path: path.to_owned(), source })
}

fn rename(from: &Path, to: &Path) -> Result<(), FleetError> {
    std::fs::rename(from, to).map_err(|source| FleetError::Io { path: from.to_owned(), source })
}
