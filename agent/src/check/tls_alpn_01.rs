//! `acme-tls-alpn-01`: a certificate in a TLS handshake (RFC 8737, RFC 8738, BR 3.2.2.4.20,
//! BR 3.2.2.5.7).

use std::net::IpAddr;

use mpic_common::evaluator::certificate;
use mpic_common::evidence::TlsSeen;
use mpic_common::identifier::{Identifier, reverse_name};
use mpic_common::octets::Hash;
use mpic_common::reason::Reason;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use url::Host;

use super::{Bench, Evidence, Failure, candidates, micros};
use crate::resolver::Inquiry;

/// Passes if the certificate that is served for `acme-tls/1` proves the digest.
pub(super) async fn perform<I: Inquiry>(
    identifier: &Identifier,
    digest: &Hash,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let started = Instant::now();
    let (host, sni) = host_and_sni(identifier);
    let addresses = candidates(host, bench, evidence)
        .await
        .map_err(|reason| Failure::new(reason, format!("no address of {identifier}")))?;
    let server_name = ServerName::try_from(sni.clone())
        .map_err(|error| Failure::new(Reason::Internal, error.to_string()))?;
    evidence.tls = Some(TlsSeen { sni, ..TlsSeen::default() });
    let client = &bench.rules.tls_alpn;
    let peer = client.shake_hands(addresses, server_name, bench.deadline, evidence).await;
    let mut failed = match &peer {
        Ok(peer) => certificate::failed_checks(&peer.leaf, identifier, digest),
        Err(_) => Vec::new(),
    };
    if peer.as_ref().is_ok_and(|peer| !peer.speaks_acme) {
        failed.insert(0, Reason::AlpnMissing);
    }
    let verdict = failed.first().copied();
    if let Some(seen) = &mut evidence.tls {
        seen.failed_checks = failed;
        seen.elapsed_us = micros(started);
    }
    peer?;
    verdict.map_or(Ok(()), |reason| Err(Failure::new(reason, format!("TLS of {identifier}"))))
}

/// Whom to connect to, and the name to ask for: of an address the reverse name (RFC 8738 6).
fn host_and_sni(identifier: &Identifier) -> (Host<&str>, String) {
    match identifier {
        Identifier::Dns { name, .. } | Identifier::Email { domain: name } => {
            (Host::Domain(name.as_str()), name.to_string())
        }
        Identifier::Ip(address) => {
            let host = match address {
                IpAddr::V4(address) => Host::Ipv4(*address),
                IpAddr::V6(address) => Host::Ipv6(*address),
            };
            (host, reverse_name(*address))
        }
    }
}
