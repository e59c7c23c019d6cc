//! Who a process is to the bus: its nkey, and the certificate that opens the channel.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{BusConfig, ConfigError, TlsConfig};
use crate::keys::{self, KeyFileError};

/// Why a process has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The nkey, or the mode of the certificate's key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A PEM file.
    #[error("cannot use {path}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not go together, or the authority's certificate is none.
    #[error("cannot use {path}")]
    Tls {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A file without a certificate.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
}

/// What is presented to the bus.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) nkey: Option<Arc<KeyPair>>,
    pub(super) tls: Option<ClientConfig>,
}

impl Identity {
    /// Reads the files that `config` names.
    pub(super) fn load(config: &BusConfig) -> Result<Self, IdentityError> {
        config.check()?;
        let nkey = config.nkey_file.as_deref().map(keys::load_nkey).transpose()?.map(Arc::new);
        let tls = config.tls.as_ref().map(client_config).transpose()?;
        Ok(Self { nkey, tls })
    }
}

/// Reads everything that the bus will be shown, and forgets it again.
pub fn check(config: &BusConfig) -> Result<(), IdentityError> {
    Identity::load(config).map(drop)
}

/// TLS 1.3 with the authority of the configuration alone, and with a certificate of one's own.
fn client_config(config: &TlsConfig) -> Result<ClientConfig, IdentityError> {
    let mut roots = RootCertStore::empty();
    let in_file = |path: &Path| {
        let path = path.to_owned();
        |source| IdentityError::Tls { path, source }
    };
    for certificate in certificates(&config.ca)? {
        roots.add(certificate).map_err(in_file(&config.ca))?;
    }
    let key = keys::private(&config.key)?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(pem(&key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(in_file(&config.ca))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&config.certificate)?, key)
        .map_err(in_file(&config.certificate))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let read = CertificateDer::pem_file_iter(path).map_err(pem(path))?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(pem(path))?;
    if certificates.is_empty() {
        return Err(IdentityError::Empty(path.to_owned()));
    }
    Ok(certificates)
}

fn pem(path: &Path) -> impl FnOnce(rustls::pki_types::pem::Error) -> IdentityError {
    let path = path.to_owned();
    |source| IdentityError::Pem { path, source }
}

/// The answer to a server's challenge: a signature over the nonce, and over nothing that is none.
///
/// A server that may choose what is signed could have an nkey vouch for anything.
pub(super) fn answer(key: &KeyPair, nonce: &[u8]) -> Result<Auth, AuthError> {
    if !is_nonce(nonce) {
        return Err(AuthError::new("the server's challenge is no nonce"));
    }
    let mut auth = Auth::new();
    auth.nkey = Some(key.public_key());
    auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
    Ok(auth)
}

/// What nats-server makes: base64url of 11 octets or more.
fn is_nonce(nonce: &[u8]) -> bool {
    let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (15..=64).contains(&nonce.len()) && nonce.iter().all(is_base64url)
}

#[cfg(test)]
mod tests {
    use mpic_common::signature::SigningKey;
    use mpic_common::testing::examples;
    use nkeys::KeyPairType;

    use super::*;

    fn key() -> KeyPair {
        KeyPair::new_from_raw(KeyPairType::User, [7; 32]).unwrap()
    }

    #[test]
    fn a_nonce_is_signed() {
        let auth = answer(&key(), b"5FVeX3_Hq2mTq9A").unwrap();
        key().verify(b"5FVeX3_Hq2mTq9A", &auth.signature.unwrap()).unwrap();
        assert_eq!(auth.nkey.unwrap(), key().public_key());
    }

    #[test]
    fn nothing_but_a_nonce_is_signed() {
        for bad in [&b""[..], b"short", b"5FVeX3_Hq2mTq9A\n", b"5FVeX3 Hq2mTq9A", &[b'a'; 65]] {
            assert!(answer(&key(), bad).is_err(), "{bad:?}");
        }
        for (_, octets) in examples() {
            assert!(answer(&key(), &octets).is_err(), "no message of ours is a nonce");
        }
    }

    #[test]
    fn a_signature_over_a_nonce_is_none_over_a_message() {
        use mpic_common::wire::{Kind, envelope};
        // One seed for both, which nobody should have.
        let (signing, nonce) = (SigningKey::from_seed(&[7; 32]), b"5FVeX3_Hq2mTq9A");
        let signature = answer(&key(), nonce).unwrap().signature.unwrap();
        let sealed = envelope::seal(Kind::Job, nonce, &signing, None);
        assert!(!sealed.windows(64).any(|octets| octets == signature));
    }
}
