//! Signing keys in files: base64 of the 32-octet seed on one line, readable by their owner alone.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mpic_common::signature::SigningKey;

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
    /// No randomness to be had.
    #[error("the system gives no random octets")]
    Random(#[from] getrandom::Error),
}

/// Reads the 32 secret octets at `path`.
pub fn load_seed(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(io)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
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
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    writeln!(file, "{}", data_encoding::BASE64.encode(&seed)).map_err(io)?;
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
}
