//! The host that a check connects to.

use std::net::IpAddr;

use mpic_common::challenge::Scheme;
use mpic_common::evidence::DnsOutcome;
use mpic_common::identifier::Identifier;
use mpic_common::reason::Reason;
use url::{Host, Url};

use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, host};

/// The addresses of `host` in the order in which they are tried, those that are never connected to left out: of a
/// literal, itself.
pub(crate) async fn candidates<I: Inquiry>(
    host: Host<&str>,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<Vec<IpAddr>, Reason> {
    let literal: IpAddr = match host {
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.into(),
        Host::Domain(name) => {
            let found = host::resolve(bench.inquiry, &bench.rules.addresses, name).await;
            for seen in found.dns {
                if seen.outcome.is_settled() || seen.outcome == DnsOutcome::Bogus {
                    evidence.used(seen);
                } else {
                    evidence.ignored(seen);
                }
            }
            return found.permitted;
        }
    };
    if bench.rules.addresses.permits(literal) {
        Ok(vec![literal])
    } else {
        Err(Reason::AddrBlocked)
    }
}

/// `path`, which begins with a slash, on the scheme's own port of the name or literal.
pub(super) fn url(scheme: Scheme, identifier: &Identifier, path: &str) -> Result<Url, Failure> {
    let host = match identifier {
        Identifier::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        Identifier::Ip(IpAddr::V4(address)) => address.to_string(),
        Identifier::Dns { name, .. } | Identifier::Email { domain: name } => name.to_string(),
    };
    let url = format!("{}://{host}{path}", scheme.as_str());
    Url::parse(&url).map_err(|error| Failure::new(Reason::Internal, error.to_string()))
}

/// One IPv6 and one IPv4 address: the second only if no TCP connection to the first stands.
pub(crate) const CANDIDATES_MAX: usize = 2;
