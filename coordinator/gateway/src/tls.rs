//! The channel to clients: TLS 1.2 or 1.3, with client certificates where an authority is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mpic_common::octets::Hash;
use mpic_runtime::keys::{self, KeyFileError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::ServerTls;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The mode of the key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A PEM file.
    #[error("cannot use {path}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not go together, or an authority's certificate is none.
    #[error("cannot use {path}")]
    Tls {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The authorities of clients.
    #[error("cannot use {path}")]
    Authorities {
        /// Which.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// Reads the files that `config` names.
pub fn server_config(config: &ServerTls) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let in_file = |path: &Path| {
        let path = path.to_owned();
        |source| TlsError::Tls { path, source }
    };
    let key = keys::private(&config.key)?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(pem_error(&key))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(in_file(&config.certificate))?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(in_file(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|source| TlsError::Authorities { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates(&config.certificate)?, key)
        .map_err(in_file(&config.certificate))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(pem_error(path))?;
    read.collect::<Result<_, _>>().map_err(pem_error(path))
}

fn pem_error(path: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let path = path.to_owned();
    |source| TlsError::Pem { path, source }
}

/// SHA-256 of the `SubjectPublicKeyInfo` of a verified certificate.
pub fn public_key_hash(certificate: &CertificateDer<'_>) -> Option<Hash> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(Hash::of(certificate.public_key().raw))
}
