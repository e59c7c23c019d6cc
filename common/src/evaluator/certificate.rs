//! The certificate of an `acme-tls-alpn-01` handshake (RFC 8737 3, RFC 8738 6).

use std::collections::BTreeSet;
use std::net::IpAddr;

use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName, X509Extension};
use x509_parser::oid_registry::{
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519,
    OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use crate::identifier::Identifier;
use crate::octets::Hash;
use crate::reason::Reason;

/// Every check of the leaf, in DER, that fails, in the order in which they are to hold; none means
/// that `identifier` is validated.
///
/// Dates, key usage, constraints and chain say nothing here and are not looked at.
pub fn failed_checks(leaf: &[u8], identifier: &Identifier, digest: &Hash) -> Vec<Reason> {
    let Some(leaf) = Leaf::parse(leaf) else { return vec![Reason::CertMalformed] };
    let (Some(names), Some(acme)) = (&leaf.names, &leaf.acme_identifier) else {
        let first = leaf.self_signed().err();
        return first.into_iter().chain([Reason::CertExtensionMissing]).collect();
    };
    let critical = if acme.critical { Ok(()) } else { Err(Reason::CertNotCritical) };
    let checks = [
        leaf.self_signed(),
        check_names(names, identifier),
        critical,
        check_digest(acme.value, digest),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

/// The key of a certificate, as its signatures are verified.
#[derive(Debug, Clone, Copy)]
pub struct PublicKey<'a> {
    /// The `SubjectPublicKeyInfo` in DER.
    pub info: &'a [u8],
    /// The content of its `AlgorithmIdentifier`.
    pub algorithm: &'a [u8],
    /// The key itself.
    pub key: &'a [u8],
}

/// The key of `leaf`, if that is a certificate.
pub fn public_key(leaf: &[u8]) -> Option<PublicKey<'_>> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let info = certificate.tbs_certificate.subject_pki.raw;
    let (_, sequence) = Any::from_der(info).ok()?;
    let (rest, algorithm) = Any::from_der(sequence.data).ok()?;
    let (_, key) = Any::from_der(rest).ok()?;
    // The first octet of a BIT STRING counts its unused bits.
    Some(PublicKey { info, algorithm: algorithm.data, key: key.data.get(1..)? })
}

/// A version 3 certificate, nothing behind it, no extension twice.
struct Leaf<'a> {
    certificate: X509Certificate<'a>,
    names: Option<Vec<GeneralName<'a>>>,
    acme_identifier: Option<X509Extension<'a>>,
}

impl<'a> Leaf<'a> {
    fn parse(der: &'a [u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        let extensions = certificate.extensions();
        let distinct: BTreeSet<_> =
            extensions.iter().map(|extension| extension.oid.as_bytes()).collect();
        if !rest.is_empty()
            || certificate.version() != X509Version::V3
            || distinct.len() < extensions.len()
        {
            return None;
        }
        let find = |oid: &Oid<'_>| extensions.iter().find(|extension| extension.oid == *oid);
        let names = match find(&OID_X509_EXT_SUBJECT_ALT_NAME) {
            Some(extension) => Some(general_names(extension.value)?),
            None => None,
        };
        let acme_identifier = find(&ID_PE_ACME_IDENTIFIER).cloned();
        Some(Self { certificate, names, acme_identifier })
    }

    /// The issuer is the subject, and the signature is of the certificate's own key.
    fn self_signed(&self) -> Result<(), Reason> {
        let certificate = &self.certificate;
        let is_modern = SIGNATURES.contains(certificate.signature_algorithm.oid());
        let is_own_issuer = certificate.issuer().as_raw() == certificate.subject().as_raw();
        if is_modern && is_own_issuer && certificate.verify_signature(None).is_ok() {
            Ok(())
        } else {
            Err(Reason::CertNotSelfSigned)
        }
    }
}

fn general_names(value: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    let (rest, names) = SubjectAlternativeName::from_der(value).ok()?;
    rest.is_empty().then_some(names.general_names)
}

/// Exactly one name, of the identifier's type, equal to it.
fn check_names(names: &[GeneralName<'_>], identifier: &Identifier) -> Result<(), Reason> {
    let [name] = names else { return Err(Reason::CertSanCount) };
    let is_equal = match (name, identifier) {
        (
            GeneralName::DNSName(found),
            Identifier::Dns { name, .. } | Identifier::Email { domain: name },
        ) => found.eq_ignore_ascii_case(name.as_str()),
        (GeneralName::IPAddress(found), Identifier::Ip(IpAddr::V4(address))) => {
            *found == address.octets()
        }
        (GeneralName::IPAddress(found), Identifier::Ip(IpAddr::V6(address))) => {
            *found == address.octets()
        }
        _ => return Err(Reason::CertSanType),
    };
    if is_equal { Ok(()) } else { Err(Reason::CertSanMismatch) }
}

/// The extension's value is an OCTET STRING of 32 octets in DER, nothing more, and the digest.
fn check_digest(value: &[u8], digest: &Hash) -> Result<(), Reason> {
    match value.strip_prefix(&[0x04, 0x20]) {
        Some(found) if found.len() != 32 => Err(Reason::CertDigestMalformed),
        Some(found) if found == digest.0 => Ok(()),
        Some(_) => Err(Reason::CertDigestMismatch),
        None => Err(Reason::CertDigestMalformed),
    }
}

/// RFC 8737 3.
const ID_PE_ACME_IDENTIFIER: Oid<'static> = oid!(1.3.6.1.5.5.7.1.31);

/// The signatures that still prove something: no SHA-1.
const SIGNATURES: [Oid<'static>; 7] = [
    OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA,
    OID_PKCS1_RSASSAPSS,
    OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384,
    OID_SIG_ED25519,
];

#[cfg(test)]
mod tests;
