//! Whom a handshake is with, and how it goes.

use std::time::Duration;

use rcgen::PKCS_RSA_SHA256;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::UnixTime;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{Signer, SigningKey};
use rustls::{
    DigitallySignedStruct, DistinguishedName, SignatureAlgorithm, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::net::TcpListener;

use super::*;
use crate::testing::draft_certificate::{extension, ip};
use crate::testing::fake_tls::{server_hello, signing_key};

fn serving() -> Serving {
    let key = KeyPair::generate().unwrap();
    Serving::new(right().sign(&key), &key)
}

const VERSIONS: [(&str, &[&SupportedProtocolVersion]); 2] =
    [("TLSv1.2", &[&rustls::version::TLS12]), ("TLSv1.3", &[&rustls::version::TLS13])];

#[tokio::test]
async fn l1_the_right_certificate_passes_over_either_version_and_is_on_record() {
    for (name, versions) in VERSIONS {
        let serving = Serving { versions, ..serving() };
        let leaf = serving.chain[0].clone();
        let peer = FakeTls::start(SITE, serving).await;
        let observation = validate(&peer).await;
        assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.4.20"));
        assert_eq!(observation.observed, Some(Hash::of(&DIGEST.0)));
        assert_eq!(observation.matched.as_deref(), Some("example.com"));
        assert_eq!((observation.dns.len(), observation.used.connects), (2, 1));
        let seen = observation.tls.unwrap();
        assert_eq!(seen.tls_version.as_deref(), Some(name));
        assert_eq!(seen.alpn.unwrap().0, b"acme-tls/1");
        assert_eq!((seen.sni.as_str(), seen.chain_length), ("example.com", 1));
        assert_eq!(seen.leaf.unwrap().0, leaf.to_vec());
        assert_eq!(seen.leaf_digest, Some(Hash::of(&leaf)));
        assert_eq!(seen.addr_used.unwrap().to_string(), "127.0.0.2");
        assert!(seen.cipher_suite.unwrap().starts_with("TLS"));
        assert_eq!((seen.failed_checks, seen.tried), (vec![], vec![]));
        assert_eq!(peer.names(), [Some("example.com".to_owned())]);
    }
}

#[tokio::test]
async fn l1_what_a_server_may_do_beside_it_passes() {
    let key = KeyPair::generate().unwrap();
    let mut extended = right();
    extended.extensions.push(extension(&[0x55, 0x1D, 0x0F], true, &[3, 2, 7, 0x80]));
    let expired = Draft { not_after: "20210101000000Z", ..right() };
    let mut long = Serving::new(right().sign(&key), &key);
    long.chain.push(Draft::new(&[dns("other.example")], &DIGEST).sign(&key));
    for (serving, what) in [
        (Serving { clients: Some(Arc::new(AnyClient)), ..serving() }, "client certificate asked"),
        (Serving::new(extended.sign(&key), &key), "another extension"),
        (Serving::new(expired.sign(&key), &key), "expired"),
        (long, "a chain"),
    ] {
        assert_eq!(validate_serving(serving).await.reason, None, "{what}");
    }
}

#[tokio::test]
async fn l1_an_rsa_signature_of_pkcs_1_proves_the_key_under_tls_1_2() {
    let pkcs8 = include_bytes!("../../testing/rsa_2048.pk8").as_slice().into();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&DIGEST.0)];
    let leaf = params.self_signed(&key).unwrap().der().clone();
    let pkcs_1: Arc<dyn SigningKey> = Arc::new(Pkcs1(signing_key(&key)));
    let versions = VERSIONS[0].1;
    let serving = Serving { key: pkcs_1, versions, ..Serving::new(leaf.clone(), &key) };
    assert_eq!(validate_serving(serving).await.reason, None);
    assert_eq!(validate_serving(Serving::new(leaf, &key)).await.reason, None, "PSS");
}

/// Signs with PKCS#1 whatever else the peer would take.
#[derive(Debug)]
struct Pkcs1(Arc<dyn SigningKey>);

impl SigningKey for Pkcs1 {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// Asks for a client certificate and does without.
#[derive(Debug)]
struct AnyClient;

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        panic!("none is sent")
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("none is sent")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("none is sent")
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[tokio::test]
async fn l2_a_peer_that_does_not_negotiate_the_protocol_has_no_part_in_it() {
    let key = KeyPair::generate().unwrap();
    let wrong = Draft::new(&[dns("other.example")], &DIGEST).sign(&key);
    let mute = Serving { alpn: &[], ..Serving::new(wrong, &key) };
    let observation = validate_serving(mute).await;
    assert_eq!(observation.reason, Some(Reason::AlpnMissing));
    let seen = observation.tls.unwrap();
    assert_eq!(seen.failed_checks, [Reason::AlpnMissing, Reason::CertSanMismatch]);
    let other = Serving { alpn: &[b"h2"], ..serving() };
    assert_eq!(validate_serving(other).await.reason, Some(Reason::AlpnMissing), "alert 120");
    let selects = FakeTls::raw(SITE, server_hello([3, 3]), false).await;
    assert_eq!(validate(&selects).await.reason, Some(Reason::AlpnMissing), "h2 answered");
}

#[tokio::test]
async fn l3_a_handshake_that_fails_is_an_error() {
    for (octets, resets, what) in [
        (server_hello([3, 2]), false, "TLS 1.1"),
        (vec![0x15, 3, 3, 0, 2, 2, 70], false, "alert protocol_version"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false, "plain HTTP"),
        (Vec::new(), true, "reset"),
    ] {
        let peer = FakeTls::raw(SITE, octets, resets).await;
        let observation = validate(&peer).await;
        assert_eq!(observation.reason, Some(Reason::TlsHandshake), "{what}");
        assert_eq!(observation.tls.unwrap().tried[0].error, Reason::TlsHandshake);
    }
}

#[tokio::test]
async fn l3_a_certificate_without_its_key_proves_nothing() {
    for (name, versions) in VERSIONS {
        let thief =
            Serving { key: signing_key(&KeyPair::generate().unwrap()), versions, ..serving() };
        let observation = validate_serving(thief).await;
        assert_eq!(observation.reason, Some(Reason::TlsHandshake), "{name}");
    }
}

#[tokio::test]
async fn l4_no_connection_and_a_silent_one_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap().port();
    let refused = validate_at(everything_at(&["127.0.0.2"]), closed, "example.com").await;
    assert_eq!(refused.reason, Some(Reason::ConnectRefused));
    let silent = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let observation = validate_at(everything_at(&["127.0.0.2"]), port, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::TlsTimeout), "accepted by the system alone");
    let unroutable = client().connect("255.255.255.255".parse().unwrap(), soon()).await;
    let reason = unroutable.unwrap_err().reason;
    assert!(matches!(reason, Reason::ConnectUnreachable | Reason::ConnectTimeout), "{reason}");
}

fn client() -> TlsAlpnClient {
    crate::testing::rules(&[]).tls_alpn
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(2))
}

#[tokio::test]
async fn l13_an_address_is_asked_for_by_its_reverse_name() {
    let key = KeyPair::generate().unwrap();
    let leaf = Draft::new(&[ip([127, 0, 0, 2])], &DIGEST).sign(&key);
    let peer = FakeTls::start(SITE, Serving::new(leaf, &key)).await;
    let nowhere = |_: &Asked| panic!("an address needs no question");
    let observation = validate_at(nowhere, peer.address.port(), "127.0.0.2").await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.7"));
    assert_eq!(observation.matched.as_deref(), Some("127.0.0.2"));
    assert_eq!(peer.names(), [Some("2.0.0.127.in-addr.arpa".to_owned())]);
    let loopback = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let leaf = Draft::new(&[ip(loopback)], &DIGEST).sign(&key);
    let peer = FakeTls::start(([0, 0, 0, 0, 0, 0, 0, 1], 0), Serving::new(leaf, &key)).await;
    assert_eq!(validate_at(nowhere, peer.address.port(), "::1").await.reason, None);
    let name = format!("1.{}ip6.arpa", "0.".repeat(31));
    assert_eq!(peer.names(), [Some(name)]);
}

#[tokio::test]
async fn l14_a_second_address_is_tried_only_if_the_first_has_no_connection() {
    let both = ["::1", "127.0.0.2"].as_slice();
    let key = KeyPair::generate().unwrap();
    let peer = FakeTls::start(SITE, Serving::new(right().sign(&key), &key)).await;
    let port = peer.address.port();
    let observation = validate_at(everything_at(both), port, "example.com").await;
    assert_eq!(observation.reason, None);
    let seen = observation.tls.unwrap();
    assert_eq!((seen.tried[0].error, observation.used.connects), (Reason::ConnectRefused, 2));
    let v6 = ([0, 0, 0, 0, 0, 0, 0, 1], port);
    let _fails = FakeTls::raw(v6, b"no TLS at all\r\n".to_vec(), false).await;
    let observation = validate_at(everything_at(both), port, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::TlsHandshake));
    assert_eq!((peer.names().len(), observation.used.connects), (1, 1));
}

#[tokio::test]
async fn l15_private_addresses_are_not_contacted_and_application_data_not_read() {
    let private = everything_at(&["10.0.0.1", "fc00::1"]);
    let observation = validate_at(private, 443, "example.com").await;
    assert_eq!((observation.reason, observation.used.connects), (Some(Reason::AddrBlocked), 0));
    let talking = Serving { data: &[b'x'; 10_000], ..serving() };
    assert_eq!(validate_serving(talking).await.reason, None);
}
