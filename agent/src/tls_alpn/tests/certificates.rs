//! What the certificate must be.

use super::*;
use crate::testing::draft_certificate::{acme_identifier, alt_names, der, extension, ip};

/// subjectAltName of `example.com` beside acmeIdentifier with this value.
fn with_value(value: &[u8]) -> Draft {
    Draft::with(vec![alt_names(&[dns("example.com")]), acme_identifier(true, value)])
}

async fn reason(draft: &Draft) -> Option<Reason> {
    reason_for(draft, "example.com").await
}

#[tokio::test]
async fn l5_a_certificate_is_signed_by_its_own_key() {
    let other_issuer = Draft { issuer: "an authority", ..right() };
    assert_eq!(reason(&other_issuer).await, Some(Reason::CertNotSelfSigned));
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let signed_by_another = Serving::new(right().sign_by(&key, &other), &key);
    let observation = validate_serving(signed_by_another).await;
    assert_eq!(observation.reason, Some(Reason::CertNotSelfSigned));
}

#[tokio::test]
async fn l6_a_certificate_is_whole_of_version_3_and_without_repeats() {
    let twice = |repeated: Vec<u8>| {
        let mut draft = right();
        draft.extensions.push(repeated);
        draft
    };
    let unknown = extension(&[0x2A, 3], false, b"x");
    for (draft, what) in [
        (Draft { tail: vec![0], ..right() }, "octets after it"),
        (Draft { version: None, ..right() }, "version 1"),
        (twice(right().extensions[0].clone()), "two subjectAltName"),
        (twice(right().extensions[1].clone()), "two acmeIdentifier"),
        (twice([unknown.clone(), unknown].concat()), "two of any"),
    ] {
        assert_eq!(reason(&draft).await, Some(Reason::CertMalformed), "{what}");
    }
    let key = KeyPair::generate().unwrap();
    let garbage = Serving::new(CertificateDer::from(vec![0x30, 3, 1, 1, 1]), &key);
    assert_eq!(validate_serving(garbage).await.reason, Some(Reason::CertMalformed));
}

#[tokio::test]
async fn l7_both_extensions_are_there() {
    let [names, acme] = <[Vec<u8>; 2]>::try_from(right().extensions).unwrap();
    let old = extension(&[0x2B, 6, 1, 5, 5, 7, 1, 30, 1], true, &der(0x04, &[&DIGEST.0]));
    for extensions in [vec![acme], vec![names.clone()], vec![names, old]] {
        let draft = Draft::with(extensions);
        assert_eq!(reason(&draft).await, Some(Reason::CertExtensionMissing));
    }
}

#[tokio::test]
async fn l8_there_is_exactly_one_name() {
    let name = || dns("example.com");
    for sans in [
        vec![name(), dns("other.example")],
        vec![name(), name()],
        vec![name(), (0x81, b"a@example.com".to_vec())],
        vec![name(), ip([127, 0, 0, 2])],
        vec![],
    ] {
        let draft = Draft::new(&sans, &DIGEST);
        assert_eq!(reason(&draft).await, Some(Reason::CertSanCount), "{sans:?}");
    }
}

#[tokio::test]
async fn l9_the_name_is_of_the_identifiers_kind() {
    for (san, identifier) in [
        (ip([127, 0, 0, 2]), "example.com"),
        (dns("2.0.0.127.in-addr.arpa"), "127.0.0.2"),
        ((0x86, b"https://example.com".to_vec()), "example.com"),
        ((0x81, b"a@example.com".to_vec()), "example.com"),
        ((0x82, b"\xFF\xFE".to_vec()), "example.com"),
    ] {
        let draft = Draft::new(std::slice::from_ref(&san), &DIGEST);
        let found = reason_for(&draft, identifier).await;
        assert_eq!(found, Some(Reason::CertSanType), "{san:?}");
    }
}

#[tokio::test]
async fn l10_the_name_is_the_identifier_but_for_case() {
    for name in ["other.example", "*.example.com", "example.com.", "example.com\0.net"] {
        let draft = Draft::new(&[dns(name)], &DIGEST);
        assert_eq!(reason(&draft).await, Some(Reason::CertSanMismatch), "{name:?}");
    }
    assert_eq!(reason(&Draft::new(&[dns("EXAMPLE.com")], &DIGEST)).await, None);
}

#[tokio::test]
async fn l11_a_mapped_address_is_another_one() {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 2];
    let draft = Draft::new(&[ip(mapped)], &DIGEST);
    assert_eq!(reason_for(&draft, "127.0.0.2").await, Some(Reason::CertSanMismatch));
}

#[tokio::test]
async fn l12_the_digest_is_critical_and_der_and_right() {
    let value = der(0x04, &[&DIGEST.0]);
    let names = alt_names(&[dns("example.com")]);
    let optional = Draft::with(vec![names, acme_identifier(false, &value)]);
    assert_eq!(reason(&optional).await, Some(Reason::CertNotCritical));
    for malformed in [
        der(0x03, &[&DIGEST.0]),
        der(0x04, &[&[1; 31]]),
        der(0x04, &[&[1; 33]]),
        [&[0x04, 0x81, 0x20], DIGEST.0.as_slice()].concat(),
        [value.as_slice(), &[0]].concat(),
    ] {
        let found = reason(&with_value(&malformed)).await;
        assert_eq!(found, Some(Reason::CertDigestMalformed), "{malformed:?}");
    }
    let other = der(0x04, &[&[1; 32]]);
    assert_eq!(reason(&with_value(&other)).await, Some(Reason::CertDigestMismatch));
}
