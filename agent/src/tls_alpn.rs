//! TLS as `acme-tls-alpn-01` asks for it (RFC 8737 3): one handshake, and nothing after it.

mod verifier;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::evidence::{TlsSeen, Tried};
use mpic_common::octets::{Hash, Octets};
use mpic_common::reason::Reason;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, ClientConnection, PeerMisbehaved, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use crate::check::{CANDIDATES_MAX, Evidence, Failure};
use crate::deadline::Deadline;
use crate::egress::{Egress, connect_reason};
use crate::http::tls_config;
use verifier::AnyCertificate;

/// The protocol of RFC 8737 6.2.
pub(crate) const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// How long each part may take.
#[derive(Debug, Clone, Copy)]
pub struct TlsAlpnLimits {
    /// Until a TCP connection stands.
    pub connect: Duration,
    /// Until the handshake is done.
    pub handshake: Duration,
}

/// Makes the handshakes of every check; it keeps nothing between them.
#[derive(Debug, Clone)]
pub struct TlsAlpnClient {
    egress: Egress,
    limits: TlsAlpnLimits,
    config: Arc<ClientConfig>,
}

/// Who answered.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Whether it negotiated `acme-tls/1`.
    pub(crate) speaks_acme: bool,
    /// Its own certificate.
    pub(crate) leaf: CertificateDer<'static>,
}

impl TlsAlpnClient {
    /// A client. Errs if the TLS provider has no TLS 1.2 or 1.3.
    pub fn new(egress: Egress, limits: TlsAlpnLimits) -> Result<Self, rustls::Error> {
        let mut config = tls_config()?;
        config.alpn_protocols = vec![ACME_TLS_1.to_vec()];
        let verifier = AnyCertificate::new(Arc::clone(config.crypto_provider()));
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Ok(Self { egress, limits, config: Arc::new(config) })
    }

    /// Shakes hands with port 443 of the first of `addresses` that takes a TCP connection.
    ///
    /// What shows is kept in `evidence.tls`.
    pub(crate) async fn shake_hands(
        &self,
        addresses: Vec<IpAddr>,
        server_name: ServerName<'static>,
        deadline: Deadline,
        evidence: &mut Evidence,
    ) -> Result<Peer, Failure> {
        let seen = evidence.tls.get_or_insert_default();
        let mut outcome = Err(Failure::new(Reason::Internal, ""));
        for address in addresses.into_iter().take(CANDIDATES_MAX) {
            evidence.connects = evidence.connects.saturating_add(1);
            let connected = self.connect(address, deadline).await;
            let is_connected = connected.is_ok();
            let peer = match connected {
                Ok(stream) => self.handshake(stream, server_name.clone(), deadline, seen).await,
                Err(failure) => Err(failure),
            };
            match &peer {
                Ok(_) => seen.addr_used = Some(address),
                Err(failure) => seen.tried.push(Tried { addr: address, error: failure.reason }),
            }
            outcome = peer;
            if is_connected {
                break;
            }
        }
        outcome
    }

    async fn connect(&self, address: IpAddr, deadline: Deadline) -> Result<TcpStream, Failure> {
        let until = deadline.narrow(self.limits.connect);
        let connecting = self.egress.connect(address, HTTPS_PORT);
        match timeout_at(until.instant(), connecting).await {
            Err(_) => Err(Failure::new(Reason::ConnectTimeout, "no connection in time")),
            Ok(Err(error)) => {
                Err(Failure::new(connect_reason(&error), Failure::quote(error.to_string())))
            }
            Ok(Ok(stream)) => Ok(stream),
        }
    }

    /// The connection is closed at once: no application data either way.
    async fn handshake(
        &self,
        stream: TcpStream,
        server_name: ServerName<'static>,
        deadline: Deadline,
        seen: &mut TlsSeen,
    ) -> Result<Peer, Failure> {
        let until = deadline.narrow(self.limits.handshake);
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match timeout_at(until.instant(), connector.connect(server_name, stream)).await {
            Err(_) => Err(Failure::new(Reason::TlsTimeout, "no TLS handshake in time")),
            Ok(Err(error)) => Err(refused(&error)),
            Ok(Ok(stream)) => peer(stream.get_ref().1, seen),
        }
    }
}

/// Takes down what was negotiated.
fn peer(connection: &ClientConnection, seen: &mut TlsSeen) -> Result<Peer, Failure> {
    let chain = connection.peer_certificates().unwrap_or_default();
    let Some(leaf) = chain.first() else {
        return Err(Failure::new(Reason::TlsHandshake, "no certificate"));
    };
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
        Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
        _ => None,
    };
    let suite = connection.negotiated_cipher_suite();
    seen.tls_version = version.map(str::to_owned);
    seen.cipher_suite = suite.map(|suite| format!("{:?}", suite.suite()));
    seen.alpn = connection.alpn_protocol().map(Octets::from);
    seen.chain_length = u8::try_from(chain.len()).unwrap_or(u8::MAX);
    seen.leaf = leaf.get(..LEAF_OCTETS_KEPT.min(leaf.len())).map(Octets::from);
    seen.leaf_digest = Some(Hash::of(leaf));
    let speaks_acme = connection.alpn_protocol() == Some(ACME_TLS_1);
    Ok(Peer { speaks_acme, leaf: leaf.clone() })
}

/// A peer that refuses the protocol, or names another, has not negotiated it.
fn refused(error: &io::Error) -> Failure {
    use rustls::Error;
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let reason = match cause {
        Some(
            Error::NoApplicationProtocol
            | Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol),
        ) => Reason::AlpnMissing,
        _ => Reason::TlsHandshake,
    };
    Failure::new(reason, Failure::quote(error.to_string()))
}

/// The only port of RFC 8737 3.
const HTTPS_PORT: u16 = 443;
/// Octets of the leaf that are kept as evidence.
const LEAF_OCTETS_KEPT: usize = 16 * 1_024;

#[cfg(test)]
mod tests;
