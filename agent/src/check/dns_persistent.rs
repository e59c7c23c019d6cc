//! `dns-persistent`: a TXT record with a persistent value (BR 3.2.2.4.22, BR 3.2.2.5.8,
//! draft-ietf-acme-dns-persist).

use domain::base::iana::Rtype;
use mpic_common::challenge::AccountUri;
use mpic_common::evaluator::persist::{self, PersistQuestion, Reach};
use mpic_common::evidence::Purpose;
use mpic_common::identifier::{DnsName, Identifier, reverse_name};
use mpic_common::job::Job;

use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure, WildcardPolicy};
use crate::resolver::{Inquiry, Question};

/// Passes, with the account that it names, if some record authorises one of the job's issuers and
/// `account_uris`.
pub(super) async fn perform<'a, I: Inquiry>(
    job: &'a Job,
    adn: Option<&DnsName>,
    account_uris: &'a [AccountUri],
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<&'a AccountUri, Failure> {
    let name = match (&job.identifier, adn) {
        (Identifier::Ip(address), _) => {
            format!("_ip-validation-persist.{}", reverse_name(*address))
        }
        (Identifier::Dns { name, .. } | Identifier::Email { domain: name }, adn) => {
            format!("_validation-persist.{}", adn.unwrap_or(name))
        }
    };
    let asked = PersistQuestion {
        issuer_domains: &job.issuer_domains,
        account_uris,
        reach: reach(&job.identifier, adn, bench.rules.methods.wildcard_policy),
        now: bench.now,
    };
    let question = Question { name, qtype: Rtype::TXT, purpose: Purpose::Challenge };
    records::ask(&question, bench, evidence, |seen| {
        let found = persist::evaluate(rdata(seen), &asked);
        found
            .map(|found| (found.index, found.account))
            .map_err(|reason| none_is("an authorisation", seen, reason))
    })
    .await
}

/// A wildcard, and an ADN above the name, need a record that reaches below its own name.
fn reach(identifier: &Identifier, adn: Option<&DnsName>, policy: WildcardPolicy) -> Reach {
    let Some(name) = identifier.name() else { return Reach::Address };
    let is_below = identifier.is_wildcard() || adn.is_some_and(|adn| adn != name);
    if is_below && policy == WildcardPolicy::Required { Reach::NamesBelow } else { Reach::Name }
}
