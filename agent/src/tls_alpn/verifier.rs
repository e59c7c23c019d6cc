//! Takes any certificate, but not without proof that the peer has its key.

use std::sync::Arc;

use mpic_common::evaluator::certificate::{PublicKey, public_key};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// The functions of rustls that look into the certificate refuse acmeIdentifier, which is critical
/// and unknown to them. So the key is taken out first.
#[derive(Debug)]
pub(super) struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }

    /// Any algorithm that rustls knows for the scheme and that fits the key. Servers may pick
    /// PKCS#1, which `verify_tls13_signature_with_raw_key` refuses.
    fn verify_tls12(
        &self,
        message: &[u8],
        key: &PublicKey<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mapping = self.0.signature_verification_algorithms.mapping;
        let of_scheme = mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let mut fitting = of_scheme
            .flat_map(|(_, algorithms)| *algorithms)
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key.algorithm);
        if fitting.any(|algorithm| {
            algorithm.verify_signature(key.key, message, signed.signature()).is_ok()
        }) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match public_key(certificate) {
            Some(key) => self.verify_tls12(message, &key, signed),
            None => Ok(unproven()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(key) = public_key(certificate) else { return Ok(unproven()) };
        let algorithms = &self.0.signature_verification_algorithms;
        let info = SubjectPublicKeyInfoDer::from(key.info);
        verify_tls13_signature_with_raw_key(message, &info, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Octets that are no certificate have no key, and never pass: the handshake may end, so that
/// their evaluation names what is wrong first.
fn unproven() -> HandshakeSignatureValid {
    HandshakeSignatureValid::assertion()
}
