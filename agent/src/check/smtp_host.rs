//! `smtp-host`: the mail domain names a mail server that the applicant controls (S/MIME
//! BR 3.2.2.3, RFC 5321 5.1). Control of that server's name is another job.

use domain::base::iana::Rtype;
use mpic_common::evaluator::mx;
use mpic_common::evidence::{DnsOutcome, Purpose};
use mpic_common::identifier::DnsName;
use mpic_common::reason::Reason;
use url::Host;

use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure, candidates};
use crate::resolver::{Inquiry, Question};

/// Passes if `expected` is a mail exchanger of lowest preference and no alias; without any
/// exchanger the domain serves itself, if it has an address.
pub(super) async fn perform<I: Inquiry>(
    domain: &DnsName,
    expected: &DnsName,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let ask =
        |name: &DnsName, qtype| Question { name: name.to_string(), qtype, purpose: Purpose::Mx };
    let question = ask(domain, Rtype::MX);
    let exchangers = records::ask(&question, bench, evidence, |seen| {
        let rrset: Vec<_> = rdata(seen).collect();
        let found = mx::find(&rrset, expected.as_str());
        found.map(|index| (index, ())).map_err(|reason| none_is("the expected host", seen, reason))
    });
    match exchangers.await {
        Err(failure) if failure.reason == Reason::DnsNodata => {
            return serves_itself(domain, expected, bench, evidence).await;
        }
        found => found?,
    }
    let alias = bench.inquiry.ask(&ask(expected, Rtype::CNAME)).await;
    let outcome = alias.outcome;
    evidence.used(alias);
    match outcome {
        DnsOutcome::Answer => Err(Failure::new(Reason::MxAlias, format!("{expected} is an alias"))),
        outcome if outcome.is_settled() => Ok(()),
        outcome => {
            let reason = outcome.reason().unwrap_or(Reason::Internal);
            Err(Failure::new(reason, format!("CNAME of {expected}")))
        }
    }
}

async fn serves_itself<I: Inquiry>(
    domain: &DnsName,
    expected: &DnsName,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    if expected != domain {
        let detail = format!("{domain} has no mail exchanger but itself");
        return Err(Failure::new(Reason::MxMismatch, detail));
    }
    // Nothing connects there, but a mail server has an address that anyone could connect to.
    let found = candidates(Host::Domain(domain.as_str()), bench, evidence).await;
    let why = |reason| Failure::new(reason, format!("neither MX nor address of {domain}"));
    found.map(|_| ()).map_err(why)
}
