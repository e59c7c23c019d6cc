//! Certificates put together octet by octet, so that each part of them can be wrong.

use mpic_common::octets::Hash;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rustls::pki_types::CertificateDer;

/// A `GeneralName` by its context tag (RFC 5280 4.2.1.6).
pub(crate) type San = (u8, Vec<u8>);

pub(crate) fn dns(name: impl AsRef<[u8]>) -> San {
    (0x82, name.as_ref().to_vec())
}

pub(crate) fn ip(octets: impl AsRef<[u8]>) -> San {
    (0x87, octets.as_ref().to_vec())
}

/// A certificate before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// 2 is version 3; none leaves the member out, which is version 1.
    pub(crate) version: Option<u8>,
    pub(crate) issuer: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) not_after: &'static str,
    pub(crate) extensions: Vec<Vec<u8>>,
    /// Behind the certificate.
    pub(crate) tail: Vec<u8>,
}

impl Draft {
    /// A right one for `sans` and `digest`, but that it is for as many names as are given.
    pub(crate) fn new(sans: &[San], digest: &Hash) -> Self {
        let value = [&[0x04, 0x20], digest.0.as_slice()].concat();
        Self::with(vec![alt_names(sans), acme_identifier(true, &value)])
    }

    /// With these extensions alone.
    pub(crate) fn with(extensions: Vec<Vec<u8>>) -> Self {
        Self {
            version: Some(2),
            issuer: "challenge",
            subject: "challenge",
            not_after: "20490101000000Z",
            extensions,
            tail: Vec::new(),
        }
    }

    /// Signed by its own key, ECDSA on P-256 with SHA-256.
    pub(crate) fn sign(&self, key: &KeyPair) -> CertificateDer<'static> {
        self.sign_by(key, key)
    }

    pub(crate) fn sign_by(&self, key: &KeyPair, by: &KeyPair) -> CertificateDer<'static> {
        let algorithm = der(0x30, &[OID_ECDSA_WITH_SHA256]);
        let version = self.version.map(|version| der(0xA0, &[&der(0x02, &[&[version]])]));
        let validity = der(
            0x30,
            &[&der(0x18, &[b"20200101000000Z"]), &der(0x18, &[self.not_after.as_bytes()])],
        );
        let extensions = der(0xA3, &[&der(0x30, &[&self.extensions.concat()])]);
        let signed = der(
            0x30,
            &[
                &version.unwrap_or_default(),
                &der(0x02, &[&[7]]),
                &algorithm,
                &name(self.issuer),
                &validity,
                &name(self.subject),
                &key.subject_public_key_info(),
                &extensions,
            ],
        );
        let signature = by.sign(&signed).unwrap();
        let whole = der(0x30, &[&signed, &algorithm, &der(0x03, &[&[0], &signature])]);
        CertificateDer::from([whole, self.tail.clone()].concat())
    }
}

/// subjectAltName.
pub(crate) fn alt_names(sans: &[San]) -> Vec<u8> {
    let names: Vec<u8> = sans.iter().flat_map(|(tag, value)| der(*tag, &[value])).collect();
    extension(&[0x55, 0x1D, 0x11], false, &der(0x30, &[&names]))
}

/// id-pe-acmeIdentifier with any value.
pub(crate) fn acme_identifier(critical: bool, value: &[u8]) -> Vec<u8> {
    extension(&[0x2B, 6, 1, 5, 5, 7, 1, 31], critical, value)
}

/// An extension by the octets of its OID.
pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical { der(0x01, &[&[0xFF]]) } else { Vec::new() };
    der(0x30, &[&der(0x06, &[oid]), &flag, &der(0x04, &[value])])
}

/// One element.
pub(crate) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match content.len() {
        short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
        long => [&[0x82], u16::try_from(long).unwrap().to_be_bytes().as_slice()].concat(),
    };
    [vec![tag], length, content].concat()
}

/// A distinguished name of one commonName.
fn name(common_name: &str) -> Vec<u8> {
    let attribute = [&der(0x06, &[&[0x55, 4, 3]])[..], &der(0x0C, &[common_name.as_bytes()])];
    der(0x30, &[&der(0x31, &[&der(0x30, &attribute)])])
}

const OID_ECDSA_WITH_SHA256: &[u8] = &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
