//! TLS servers that serve what a test gives them, and peers that only look like one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::KeyPair;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

/// What a server serves.
pub(crate) struct Serving {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<dyn SigningKey>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) alpn: &'static [&'static [u8]],
    pub(crate) clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Sent as soon as the handshake is done.
    pub(crate) data: &'static [u8],
}

impl Serving {
    /// One certificate, `acme-tls/1`, either version.
    pub(crate) fn new(leaf: CertificateDer<'static>, key: &KeyPair) -> Self {
        Self {
            chain: vec![leaf],
            key: signing_key(key),
            versions: rustls::ALL_VERSIONS,
            alpn: &[b"acme-tls/1"],
            clients: None,
            data: b"",
        }
    }

    fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        // What is served need not be right, so nothing here looks into it.
        let served = CertifiedKey::new(self.chain.clone(), Arc::clone(&self.key));
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(served)));
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

pub(crate) fn signing_key(key: &KeyPair) -> Arc<dyn SigningKey> {
    any_supported_type(&PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
}

/// A `ServerHello` of TLS 1.2 or before that selects `h2` (RFC 5246 7.4.1.3, RFC 7301 3.1).
pub(crate) fn server_hello(version: [u8; 2]) -> Vec<u8> {
    let alpn = [0, 0x10, 0, 5, 0, 3, 2, b'h', b'2'];
    let extensions = [&[0, 9][..], &alpn].concat();
    let hello = [&version[..], &[7; 32], &[0, 0xC0, 0x2B, 0], &extensions].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let handshake = [&[2, 0, 0, length][..], &hello].concat();
    [&[0x16, 3, 3, 0, length + 4][..], &handshake].concat()
}

/// The server. It ends when it is dropped.
pub(crate) struct FakeTls {
    pub(crate) address: SocketAddr,
    names: Arc<Mutex<Vec<Option<String>>>>,
    _tasks: JoinSet<()>,
}

impl FakeTls {
    /// A TLS server at `address`, whose port may be 0.
    pub(crate) async fn start(address: impl Into<SocketAddr>, serving: Serving) -> Self {
        let config = Arc::new(serving.config());
        let data = serving.data;
        Self::with(address, move |stream, names| {
            let config = Arc::clone(&config);
            async move {
                // A handshake that fails is the peer's finding.
                let greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
                let Ok(greeted) = greeted else { return };
                let name = greeted.client_hello().server_name().map(str::to_owned);
                names.lock().unwrap().push(name);
                let Ok(mut stream) = greeted.into_stream(config).await else { return };
                let _ = stream.write_all(data).await;
                let _ = stream.read_u8().await;
            }
        })
        .await
    }

    /// A peer that reads a `ClientHello`, answers with `octets`, and then resets the connection or
    /// waits until the peer is gone.
    pub(crate) async fn raw(address: impl Into<SocketAddr>, octets: Vec<u8>, resets: bool) -> Self {
        Self::with(address, move |mut stream, _| {
            let octets = octets.clone();
            async move {
                let mut hello = [0; 4_096];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(&octets).await;
                if resets {
                    stream.set_zero_linger().unwrap();
                    return;
                }
                while stream.read(&mut hello).await.is_ok_and(|length| length > 0) {}
            }
        })
        .await
    }

    async fn with<F: Future<Output = ()> + Send + 'static>(
        address: impl Into<SocketAddr>,
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<Option<String>>>>) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address.into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let names = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let asked = Arc::clone(&names);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&asked)));
            }
        });
        Self { address, names, _tasks: tasks }
    }

    /// The server name of each `ClientHello`.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.names.lock().unwrap().clone()
    }
}
