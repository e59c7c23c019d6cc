//! Keys in files that are readable by their owner alone: signing keys as base64 of the 32-octet
//! seed on one line, nkeys in their own text form. None is ever used as the other.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mpic_common::signature::SigningKey;
use nkeys::{KeyPair, KeyPairType};

/// Why a key file is of no use. It never says what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot use the key file {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others could read it.
    #[error("the key file {path} has mode {mode:04o}; make it 0600")]
    Mode {
        /// Which.
        path: PathBuf,
        /// What it has.
        mode: u32,
    },
    /// No seed.
    #[error("the key file {path} does not hold base64 of 32 octets")]
    Format {
        /// Which.
        path: PathBuf,
    },
    /// No nkey.
    #[error("the key file {path} does not hold the seed of a user's nkey, SU and more")]
    Nkey {
        /// Which.
        path: PathBuf,
    },
    /// No randomness to be had.
    #[error("the system gives no random octets")]
    Random(#[from] getrandom::Error),
}

/// Whether the file at `path` is readable by its owner alone.
pub fn check_mode(path: &Path) -> Result<(), KeyFileError> {
    let metadata = std::fs::metadata(path);
    let mode = metadata.map_err(|source| io(path, source))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode });
    }
    Ok(())
}

fn read_secret(path: &Path) -> Result<String, KeyFileError> {
    let path = private(path)?;
    std::fs::read_to_string(&path).map_err(|source| io(&path, source))
}

/// Where the private file is that a configuration knows as `path`: among the credentials of the
/// service manager, where it has handed over one as `keys_NAME` for `…/keys/NAME`; else at `path`,
/// readable by its owner alone.
pub fn private(path: &Path) -> Result<PathBuf, KeyFileError> {
    let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY");
    if let Some(found) = handed_over.and_then(|dir| credential(Path::new(&dir), path)) {
        return Ok(found);
    }
    check_mode(path)?;
    Ok(path.to_owned())
}

/// The credential in `dir` that is handed over for `path`. The service manager sees to it that the
/// process alone can read it, by an access list that shows as a right of its group.
fn credential(dir: &Path, path: &Path) -> Option<PathBuf> {
    let (parent, name) = (path.parent()?.file_name()?, path.file_name()?);
    let found = dir.join(format!("{}_{}", parent.to_str()?, name.to_str()?));
    found.is_file().then_some(found)
}

fn io(path: &Path, source: std::io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.to_owned(), source }
}

/// Writes what nobody else may read to `path`, which must not exist.
pub fn create_secret(path: &Path, text: &str) -> Result<(), KeyFileError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| io(path, source))
}

/// Reads the nkey at `path`, which must be a user's.
pub fn load_nkey(path: &Path) -> Result<KeyPair, KeyFileError> {
    KeyPair::from_seed(read_secret(path)?.trim_end())
        .ok()
        .filter(|key| key.key_pair_type() == KeyPairType::User)
        .ok_or_else(|| KeyFileError::Nkey { path: path.to_owned() })
}

/// Makes a user's nkey at `path`, which must not exist.
pub fn create_nkey(path: &Path) -> Result<KeyPair, KeyFileError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let unusable = |_| KeyFileError::Nkey { path: path.to_owned() };
    let key = KeyPair::new_from_raw(KeyPairType::User, seed).map_err(unusable)?;
    create_secret(path, &format!("{}\n", key.seed().map_err(unusable)?))?;
    Ok(key)
}

/// Reads the 32 secret octets at `path`.
pub fn load_seed(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let text = read_secret(path)?;
    data_encoding::BASE64
        .decode(text.trim_end().as_bytes())
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(|| KeyFileError::Format { path: path.to_owned() })
}

/// Reads the signing key at `path`.
pub fn load(path: &Path) -> Result<SigningKey, KeyFileError> {
    load_seed(path).map(|seed| SigningKey::from_seed(&seed))
}

/// Makes a seed at `path`, which must not exist.
pub fn create_seed(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    create_secret(path, &format!("{}\n", data_encoding::BASE64.encode(&seed)))?;
    Ok(seed)
}

/// Makes a signing key at `path`, which must not exist.
pub fn create(path: &Path) -> Result<SigningKey, KeyFileError> {
    create_seed(path).map(|seed| SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_credential_is_found_by_the_directory_and_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let handed_over = dir.path().join("keys_agent-us-east.key");
        std::fs::write(&handed_over, "x").unwrap();
        let found = |path: &str| credential(dir.path(), Path::new(path));
        assert_eq!(found("/etc/mpic/keys/agent-us-east.key"), Some(handed_over));
        assert_eq!(found("/etc/mpic/tls/agent-us-east.key"), None);
        assert_eq!(found("agent-us-east.key"), None);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = create(&path).unwrap();
        assert_eq!(load(&path).unwrap().public(), key.public());
        assert!(matches!(create(&path), Err(KeyFileError::Io { .. })), "never overwritten");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&path), Err(KeyFileError::Mode { mode: 0o640, .. })));
    }

    #[test]
    fn an_error_does_not_show_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create_seed(&path).unwrap();
        std::fs::write(&path, "almost a secret").unwrap();
        assert!(!format!("{:?}", load(&path).unwrap_err()).contains("almost"));
    }

    #[test]
    fn an_nkey_is_kept_and_never_taken_for_a_signing_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nkey");
        let key = create_nkey(&path).unwrap();
        assert!(key.public_key().starts_with('U'));
        assert_eq!(load_nkey(&path).unwrap().public_key(), key.public_key());
        assert!(matches!(load(&path), Err(KeyFileError::Format { .. })));
        let signing = dir.path().join("signing");
        create(&signing).unwrap();
        assert!(matches!(load_nkey(&signing), Err(KeyFileError::Nkey { .. })));
    }
}
