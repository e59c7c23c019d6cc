//! Rows H17 and H18: hops over TLS.

use std::sync::Arc;

use mpic_common::octets::Hash;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::testing::fake_tls::{FakeTls, server_hello};

/// A server with a certificate that nobody trusts, for another name, and expired.
pub(super) fn acceptor(
    versions: &[&'static SupportedProtocolVersion],
) -> (TlsAcceptor, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate.der().clone())
}

/// Redirects from plain HTTP to `https://example.com/x`, served with `acceptor`.
async fn over_https(acceptor: TlsAcceptor) -> Observation {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let plain = FakeSite::start(SITE, |_| redirect(301, "https://example.com/x")).await;
    let secure = FakeSite::start_tls(SITE, acceptor, |_| response(200, KEY)).await;
    let ports = [(80, plain.address.port()), (443, secure.address.port())];
    validate_at(&dns, &ports, "example.com").await
}

#[tokio::test]
async fn h17_any_certificate_serves_and_its_digest_is_on_record() {
    for (version, name) in
        [(&rustls::version::TLS12, "TLSv1.2"), (&rustls::version::TLS13, "TLSv1.3")]
    {
        let (acceptor, leaf) = acceptor(&[version]);
        let observation = over_https(acceptor).await;
        assert_eq!(observation.reason, None, "{name}");
        let hop = &observation.http[1];
        assert_eq!(hop.leaf_digest, Some(Hash::of(&leaf)));
        assert_eq!(hop.tls_version.as_deref(), Some(name));
        assert_eq!(observation.http[0].leaf_digest, None);
    }
}

#[tokio::test]
async fn h17_a_redirect_back_to_http_is_followed() {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let plain = FakeSite::start(SITE, |request| {
        let is_back = request.starts_with("GET /plain ");
        if is_back { response(200, KEY) } else { redirect(301, "https://example.com/x") }
    });
    let plain = plain.await;
    let (acceptor, _) = acceptor(rustls::ALL_VERSIONS);
    let secure =
        FakeSite::start_tls(SITE, acceptor, |_| redirect(301, "http://example.com/plain")).await;
    let ports = [(80, plain.address.port()), (443, secure.address.port())];
    assert_eq!(validate_at(&dns, &ports, "example.com").await.reason, None);
}

#[tokio::test]
async fn h18_a_peer_without_tls_is_a_tls_error_and_a_silent_one_a_tls_timeout() {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let plain = FakeSite::start(SITE, |_| redirect(301, "https://example.com/x")).await;
    let no_tls = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let ports = [(80, plain.address.port()), (443, no_tls.local_addr().unwrap().port())];
    let observation = validate_at(&dns, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::TlsTimeout), "accepted by the system alone");
    assert_eq!(observation.used.connects, 2);
    let garbage = async {
        use tokio::io::AsyncWriteExt;
        // The one from before first.
        for _ in 0..2 {
            let (mut stream, _) = no_tls.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    };
    let (observation, ()) = tokio::join!(validate_at(&dns, &ports, "example.com"), garbage);
    assert_eq!(observation.reason, Some(Reason::HttpTls));
}

#[tokio::test]
async fn h18_tls_1_1_is_no_tls() {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let plain = FakeSite::start(SITE, |_| redirect(301, "https://example.com/x")).await;
    let old = FakeTls::raw(SITE, server_hello([3, 2]), false).await;
    let ports = [(80, plain.address.port()), (443, old.address.port())];
    let observation = validate_at(&dns, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::HttpTls));
}
