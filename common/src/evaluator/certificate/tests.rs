//! Signatures of every kind, and foreign octets. The other rules are proven at the agent, against
//! servers.
//!
//! The samples are self-signed by OpenSSL for `example.com`, each with its kind of key; the digest
//! in them is that of nothing.

use super::*;

macro_rules! sample {
    ($name:literal) => {
        ($name, include_bytes!(concat!("samples/", $name, ".der")).as_slice())
    };
}

fn failed(leaf: &[u8]) -> Vec<Reason> {
    failed_checks(leaf, &Identifier::parse("example.com").unwrap(), &Hash::of(b""))
}

#[test]
fn l1_every_strong_signature_is_accepted() {
    for (name, leaf) in [
        sample!("rsa_pkcs1_sha256"),
        sample!("rsa_pkcs1_sha512"),
        sample!("rsa_pss_sha256"),
        sample!("ecdsa_p384"),
        sample!("ed25519"),
    ] {
        assert_eq!(failed(leaf), [], "{name}");
        assert!(public_key(leaf).is_some(), "{name}");
    }
}

#[test]
fn l5_weak_and_unknown_signatures_prove_nothing() {
    for (name, leaf) in [sample!("rsa_pkcs1_sha1"), sample!("rsa_1024"), sample!("ecdsa_p521")] {
        assert_eq!(failed(leaf), [Reason::CertNotSelfSigned], "{name}");
    }
}

#[test]
fn another_digest_or_name_is_told_apart_from_a_malformed_certificate() {
    let (_, leaf) = sample!("ed25519");
    let other = Identifier::parse("example.org").unwrap();
    assert_eq!(
        failed_checks(leaf, &other, &Hash::of(b"x")),
        [Reason::CertSanMismatch, Reason::CertDigestMismatch],
        "every check that fails is named"
    );
    assert_eq!(failed(&leaf[..leaf.len() - 1]), [Reason::CertMalformed]);
}

#[test]
fn no_signed_octet_can_change() {
    let (_, leaf) = sample!("ed25519");
    // What is signed stands behind the header of the whole, with a header of its own.
    let signed = 4..leaf.len() - 74;
    for position in signed {
        for bit in 0..8 {
            let mut changed = leaf.to_vec();
            changed[position] ^= 1 << bit;
            assert_ne!(failed(&changed), [], "bit {bit} of octet {position}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn foreign_octets_never_panic(
        octets: Vec<u8>,
        at in 0usize..356,
        with in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
    ) {
        let _ = (failed(&octets), public_key(&octets));
        let (_, leaf) = sample!("ed25519");
        let mut spliced = leaf.to_vec();
        spliced.splice(at..leaf.len().min(at + with.len()), with);
        let _ = (failed(&spliced), public_key(&spliced));
    }
}
