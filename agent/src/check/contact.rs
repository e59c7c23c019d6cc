//! `contact-…-txt` and `contact-…-caa`: a contact that the domain publishes (BR 3.2.2.4.13 to .17,
//! BR A.1, A.2).

use domain::base::iana::Rtype;
use mpic_common::challenge::{Contact, ContactKind, ContactRecord};
use mpic_common::evaluator::contact;
use mpic_common::evidence::{CaaDecision, CaaSeen, DnsSeen, Purpose};
use mpic_common::identifier::DnsName;
use mpic_common::reason::Reason;

use super::climb::{Climb, End, climb};
use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure, caa};
use crate::resolver::{Inquiry, Question};

/// Passes if `contact`, which the CA selected, is published for `adn` where `record` says.
pub(super) async fn perform<I: Inquiry>(
    adn: &DnsName,
    record: ContactRecord,
    contact: &Contact,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    match record {
        ContactRecord::EmailTxt => {
            let name = format!("_validation-contactemail.{adn}");
            in_txt(name, record.kind(), contact, bench, evidence).await
        }
        ContactRecord::PhoneTxt => {
            let name = format!("_validation-contactphone.{adn}");
            in_txt(name, record.kind(), contact, bench, evidence).await
        }
        ContactRecord::EmailCaa | ContactRecord::PhoneCaa => {
            in_caa(adn, record.kind(), contact, bench, evidence).await
        }
    }
}

async fn in_txt<I: Inquiry>(
    name: String,
    kind: ContactKind,
    contact: &Contact,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let question = Question { name, qtype: Rtype::TXT, purpose: Purpose::Contact };
    records::ask(&question, bench, evidence, |seen| {
        let found = contact::find_txt(rdata(seen), kind, contact);
        found.map(|index| (index, ())).map_err(|reason| none_is("the contact", seen, reason))
    })
    .await
}

/// The relevant set is that of RFC 8659 3, as for issuance.
async fn in_caa<I: Inquiry>(
    adn: &DnsName,
    kind: ContactKind,
    contact: &Contact,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let labels = adn.labels().count();
    if labels > bench.rules.caa_labels_max {
        return Err(Failure::new(Reason::CaaTooDeep, format!("{labels} labels")));
    }
    let climb = climb(bench.inquiry, adn.as_str(), Purpose::Contact).await;
    let (found, verdict) = evaluate(&climb, kind, contact);
    climb.note(found, evidence);
    verdict
}

/// A failure keeps its DNS reason. Nothing here decides on issuance.
fn evaluate(climb: &Climb, kind: ContactKind, contact: &Contact) -> (CaaSeen, Result<(), Failure>) {
    let name = climb.last().map(|seen| seen.name.as_str()).unwrap_or_default();
    let (reason, seen) = match (climb.end, climb.last()) {
        (End::Set, Some(set)) => return in_set(set, kind, contact),
        (End::NoSet | End::Set, _) => (Reason::DnsNodata, caa::seen(CaaDecision::NotApplicable)),
        (End::Failed(outcome), _) => {
            let reason = outcome.reason().unwrap_or(Reason::Internal);
            (reason, caa::failed(reason))
        }
        (End::NoTopLevelDomain, _) => (Reason::DnsNxdomain, caa::failed(Reason::DnsNxdomain)),
    };
    (seen, Err(Failure::new(reason, format!("CAA of {name}"))))
}

fn in_set(set: &DnsSeen, kind: ContactKind, contact: &Contact) -> (CaaSeen, Result<(), Failure>) {
    let records = match caa::properties(set) {
        Ok(records) => records,
        Err(failure) => return (caa::failed(failure.reason), Err(failure)),
    };
    let found = contact::find_caa(&records, kind, contact);
    let authorized_by = found.ok().and_then(|index| u32::try_from(index).ok());
    let seen = caa::seen_set(set, records, CaaDecision::NotApplicable);
    let verdict = found.map(|_| ()).map_err(|reason| {
        let detail = format!("the {} CAA records of {}", set.rrset_count, set.name);
        Failure::new(reason, detail)
    });
    (CaaSeen { authorized_by, ..seen }, verdict)
}
