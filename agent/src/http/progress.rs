//! How far a request has come, so that each part of it has a deadline and a reason of its own.
//!
//! reqwest knows one limit for everything up to the connection. Two seams show more: rustls looks
//! for an old session just before it greets the peer, that is once TCP stands; and a layer around
//! the connector sees when the connection is ready for the request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mpic_common::octets::Hash;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, NamedGroup, SignatureScheme};
use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

/// Where a request stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No TCP connection yet.
    #[default]
    Connecting,
    /// TCP stands, TLS does not.
    Handshaking,
    /// The request is on its way.
    Waiting,
}

/// What shows of one request.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) tls_version: Option<&'static str>,
    pub(super) leaf_digest: Option<Hash>,
}

/// Watches one request; nothing is kept for another.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    state: watch::Sender<State>,
    provider: Arc<CryptoProvider>,
}

/// TLS 1.2 and 1.3 on ring, without trust anchors or resumption, for a verifier of one's own.
pub(crate) fn tls_config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl Progress {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            state: watch::Sender::new(State::default()),
            provider: Arc::clone(config.crypto_provider()),
        }
    }

    /// `config`, watched.
    pub(super) fn watch_tls(&self, config: &ClientConfig) -> ClientConfig {
        let mut config = config.clone();
        config.dangerous().set_certificate_verifier(Arc::new(self.clone()));
        config.resumption = Resumption::store(Arc::new(self.clone()));
        config
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    fn enter(&self, phase: Phase) {
        self.state.send_modify(|state| state.phase = phase);
    }
}

/// Takes any certificate, as a site that is being validated may have none that is valid, and
/// records it.
impl ServerCertVerifier for Progress {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.state.send_modify(|state| state.leaf_digest = Some(Hash::of(end_entity)));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.state.send_modify(|state| state.tls_version = Some("TLSv1.2"));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.state.send_modify(|state| state.tls_version = Some("TLSv1.3"));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Remembers no session.
impl ClientSessionStore for Progress {
    fn set_kx_hint(&self, _server_name: ServerName<'static>, _group: NamedGroup) {}

    /// rustls asks for it first thing in a handshake.
    fn kx_hint(&self, _server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.enter(Phase::Handshaking);
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// A connector that tells when a connection is ready.
#[derive(Debug, Clone)]
pub(super) struct Watched<S> {
    inner: S,
    progress: Progress,
}

impl<S> Layer<S> for Progress {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, progress: self.clone() }
    }
}

impl<S, T> Service<T> for Watched<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let connecting = self.inner.call(target);
        let progress = self.progress.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            progress.enter(Phase::Waiting);
            Ok(connection)
        })
    }
}
