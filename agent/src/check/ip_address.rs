//! `ip-address`: the name resolves to an address that the applicant controls (BR 3.2.2.4.8, ended).

use std::net::IpAddr;

use domain::base::iana::Rtype;
use mpic_common::evidence::Purpose;
use mpic_common::identifier::DnsName;
use mpic_common::reason::Reason;

use super::records::{self, rdata};
use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Passes if some address record of `name` is `address`, which must not be a blocked one.
pub(super) async fn perform<I: Inquiry>(
    name: &DnsName,
    address: IpAddr,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    if !bench.rules.addresses.permits(address) {
        return Err(Failure::new(Reason::AddrBlocked, format!("{address} is never checked")));
    }
    let (qtype, expected) = match address {
        IpAddr::V4(address) => (Rtype::A, address.octets().to_vec()),
        IpAddr::V6(address) => (Rtype::AAAA, address.octets().to_vec()),
    };
    let question = Question { name: name.to_string(), qtype, purpose: Purpose::Challenge };
    records::ask(&question, bench, evidence, |seen| {
        let index = rdata(seen).position(|rdata| rdata == expected).ok_or_else(|| {
            let detail =
                format!("none of {} {qtype} records of {name} is {address}", seen.rrset_count);
            Failure::new(Reason::RecordMismatch, detail)
        })?;
        Ok((index, ()))
    })
    .await
}
