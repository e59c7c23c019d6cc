//! `acme-dns-01`: a TXT record below `_acme-challenge` (RFC 8555 8.4, BR 3.2.2.4.7).

use domain::base::iana::Rtype;
use mpic_common::challenge::TxtDigest;
use mpic_common::evaluator::txt;
use mpic_common::evidence::{DnsSeen, Purpose};
use mpic_common::identifier::DnsName;
use mpic_common::reason::Reason;

use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Passes if some TXT record of `_acme-challenge` below `adn` equals the digest.
pub(super) async fn perform<I: Inquiry>(
    adn: &DnsName,
    digest: &TxtDigest,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let name = format!("_acme-challenge.{adn}");
    let question = Question { name, qtype: Rtype::TXT, purpose: Purpose::Challenge };
    let mut seen = bench.inquiry.ask(&question).await;
    let verdict = evaluate(&mut seen, digest);
    evidence.used(seen);
    verdict
}

/// Moves the matching record to the front, where evidence is cut last.
fn evaluate(seen: &mut DnsSeen, digest: &TxtDigest) -> Result<(), Failure> {
    if let Some(reason) = seen.outcome.reason() {
        return Err(Failure::new(reason, format!("TXT of {}", seen.name)));
    }
    let records = seen.rrset.iter().map(|rdata| rdata.0.as_slice());
    let Some(found) = txt::find_exact(records, digest.as_str().as_bytes()) else {
        let first = seen.rrset.first().and_then(|rdata| txt::join(&rdata.0)).unwrap_or_default();
        let detail = format!(
            "none of {} TXT records of {} is the digest; the first says \"{}\"",
            seen.rrset_count,
            seen.name,
            Failure::quote(first)
        );
        return Err(Failure::new(Reason::RecordMismatch, detail));
    };
    let matching = seen.rrset.remove(found);
    seen.rrset.insert(0, matching);
    Ok(())
}
