//! TLS of the web servers: one self-signed certificate, made at start, and those of `acme-tls/1`,
//! made for each handshake.

use std::{io, net::Ipv4Addr, sync::Arc};

use data_encoding::HEXLOWER_PERMISSIVE;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::{Acceptor, ClientHello},
        sign::{CertifiedKey, SingleCertAndKey},
    },
    server::TlsStream,
};

use crate::{
    config::{ConfigError, TlsAlpn},
    views::{ViewTable, Viewer, Views},
};

/// RFC 8737, 3.
const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot use the certificate")]
    Tls(#[from] rustls::Error),
}

/// Who answers `acme-tls/1`.
#[derive(Debug)]
pub(crate) struct TlsAlpnTable(Vec<Answer>);

#[derive(Debug)]
struct Answer {
    /// What is in the certificate.
    name: String,
    /// What clients ask for: the name, or the reverse name of an address.
    server_name: String,
    digest: [u8; 32],
    views: Views,
}

impl TlsAlpnTable {
    pub(crate) fn new(answers: &[TlsAlpn], views: &ViewTable) -> Result<Self, ConfigError> {
        let answer = |(index, answer): (usize, &TlsAlpn)| {
            let table = format!("tls_alpn[{index}]");
            let octets = HEXLOWER_PERMISSIVE.decode(answer.digest.as_bytes()).ok();
            let digest = octets.and_then(|octets| octets.try_into().ok());
            let wrong = || ConfigError::value(format!("{table}.digest"), "64 hexadecimal digits");
            Ok(Answer {
                name: answer.name.clone(),
                server_name: server_name(&answer.name),
                digest: digest.ok_or_else(wrong)?,
                views: views.select(answer.views.as_deref(), &table)?,
            })
        };
        answers.iter().enumerate().map(answer).collect::<Result<_, _>>().map(Self)
    }

    fn find(&self, viewer: Viewer, server_name: &str) -> Option<&Answer> {
        self.0
            .iter()
            .find(|answer| answer.server_name == server_name && answer.views.contains(viewer))
    }
}

/// RFC 8738, 6: an address is asked for by its reverse name.
fn server_name(name: &str) -> String {
    match name.parse::<Ipv4Addr>().map(|address| address.octets()) {
        Ok([a, b, c, d]) => format!("{d}.{c}.{b}.{a}.in-addr.arpa"),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// Makes TLS out of connections.
#[derive(Clone, Debug)]
pub(crate) struct TlsServer {
    /// TLS 1.2 and 1.3 for whatever server name: the clients here verify no certificate.
    web: Arc<ServerConfig>,
}

impl TlsServer {
    pub(crate) fn new() -> Result<Self, TlsError> {
        let certificate = CertificateParams::new(vec!["internet.test".to_owned()])?;
        Ok(Self { web: config(&certificate, &[])? })
    }

    /// The connection, unless it was for `acme-tls/1` and thus is over.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        viewer: Viewer,
        answers: &TlsAlpnTable,
    ) -> io::Result<Option<TlsStream<TcpStream>>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        if !is_acme(&hello) {
            return start.into_stream(Arc::clone(&self.web)).await.map(Some);
        }
        let answer = answers.find(viewer, hello.server_name().unwrap_or_default());
        let config = answer.map(Answer::config).transpose().map_err(io::Error::other)?;
        let nobody = || io::Error::from(io::ErrorKind::ConnectionRefused);
        start.into_stream(config.ok_or_else(nobody)?).await.map(|_| None)
    }
}

fn is_acme(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS_1))
}

impl Answer {
    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut certificate = CertificateParams::new(vec![self.name.clone()])?;
        certificate.custom_extensions = vec![CustomExtension::new_acme_identifier(&self.digest)];
        config(&certificate, &[ACME_TLS_1])
    }
}

/// Serves a new certificate, signed with its own new key.
fn config(certificate: &CertificateParams, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let key = KeyPair::generate()?;
    let leaf: CertificateDer<'static> = certificate.self_signed(&key)?.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(ring::default_provider());
    // What checks that key and certificate belong together refuses the critical extension.
    let certified = CertifiedKey::new(vec![leaf], provider.key_provider.load_private_key(key)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
