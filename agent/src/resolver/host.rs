//! The addresses of a host, in the order in which they are tried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Purpose};
use mpic_common::reason::Reason;

use super::{Inquiry, Question};
use crate::egress::AddressPolicy;

/// What a host's name leads to.
#[derive(Debug)]
pub struct HostAddresses {
    /// What the policy lets through, IPv6 and IPv4 alternating; or why there is none.
    pub permitted: Result<Vec<IpAddr>, Reason>,
    /// The two questions.
    pub dns: [DnsSeen; 2],
}

/// Asks for AAAA and A at once and judges every address by `policy`.
///
/// A bogus family fails the host. Another failure of one family is tolerated if the other gives a
/// usable address. The order is v6, v4, v6, v4 and so on.
pub async fn resolve(inquiry: &impl Inquiry, policy: &AddressPolicy, name: &str) -> HostAddresses {
    let ask = async |qtype| {
        let question = Question { name: name.to_owned(), qtype, purpose: Purpose::Address };
        inquiry.ask(&question).await
    };
    let (v6, v4) = tokio::join!(ask(Rtype::AAAA), ask(Rtype::A));
    HostAddresses { permitted: permitted(&v6, &v4, policy), dns: [v6, v4] }
}

fn permitted(v6: &DnsSeen, v4: &DnsSeen, policy: &AddressPolicy) -> Result<Vec<IpAddr>, Reason> {
    if [v6, v4].iter().any(|seen| seen.outcome == DnsOutcome::Bogus) {
        return Err(Reason::DnssecBogus);
    }
    let all_v6: Vec<IpAddr> = addresses::<16>(v6).map(|raw| Ipv6Addr::from(raw).into()).collect();
    let all_v4: Vec<IpAddr> = addresses::<4>(v4).map(|raw| Ipv4Addr::from(raw).into()).collect();
    let found = all_v6.len() + all_v4.len();
    let permitted: Vec<_> =
        alternate(all_v6, all_v4).filter(|address| policy.permits(*address)).collect();
    if !permitted.is_empty() {
        return Ok(permitted);
    }
    if found > 0 {
        return Err(Reason::AddrBlocked);
    }
    let failure = [v6, v4].into_iter().find(|seen| !seen.outcome.is_settled());
    Err(failure.and_then(|seen| seen.outcome.reason()).unwrap_or(Reason::DnsNoAddress))
}

/// RDATA of another length than an address has is none.
fn addresses<const N: usize>(seen: &DnsSeen) -> impl Iterator<Item = [u8; N]> {
    seen.rrset.iter().filter_map(|rdata| rdata.0.as_slice().try_into().ok())
}

fn alternate(v6: Vec<IpAddr>, v4: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let longest = v6.len().max(v4.len());
    let pad =
        |list: Vec<IpAddr>| list.into_iter().map(Some).chain(std::iter::repeat(None)).take(longest);
    pad(v6).zip(pad(v4)).flat_map(|(v6, v4)| [v6, v4]).flatten()
}
