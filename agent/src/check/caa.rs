//! The CAA check (RFC 8659, BR 3.2.2.8; for S/MIME RFC 9495 and SBR 4.2.2.1).

use mpic_common::evaluator::caa::{self, CaaEvaluation, CaaQuestion, CaaScope};
use mpic_common::evidence::{
    CaaBasis, CaaDecision, CaaProperty, CaaSeen, DnsSeen, Parameter, Purpose,
};
use mpic_common::job::Job;
use mpic_common::policy::CertificateType;
use mpic_common::reason::Reason;

use super::climb::{Climb, End, climb};
use super::records::rdata;
use super::{Bench, Evidence, Failure};
use crate::resolver::Inquiry;

/// Passes if CAA permits issuance, or does not apply.
pub(super) async fn perform<I: Inquiry>(
    job: &Job,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let Some(name) = job.identifier.name() else {
        evidence.caa = Some(CaaSeen {
            basis: Some(CaaBasis::NotApplicable),
            ..seen(CaaDecision::NotApplicable)
        });
        return Ok(());
    };
    let labels = name.labels().count();
    if labels > bench.rules.caa_labels_max {
        evidence.caa = Some(failed(Reason::CaaTooDeep));
        return Err(Failure::new(Reason::CaaTooDeep, format!("{labels} labels")));
    }
    let climb = climb(bench.inquiry, name.as_str(), Purpose::Caa).await;
    let (found, verdict) = evaluate(&climb, job, bench);
    climb.note(found, evidence);
    verdict
}

fn evaluate<I>(climb: &Climb, job: &Job, bench: &Bench<'_, I>) -> (CaaSeen, Result<(), Failure>) {
    let last = climb.last();
    let name = last.map(|seen| seen.name.as_str()).unwrap_or_default();
    match (climb.end, last) {
        (End::Set, Some(set)) => evaluate_set(set, job, bench),
        (End::NoSet | End::Set, _) => {
            let basis = Some(CaaBasis::NoRecords);
            (CaaSeen { basis, ..seen(CaaDecision::Permit) }, Ok(()))
        }
        (End::Failed(outcome), _) => {
            let cause = outcome.reason().unwrap_or(Reason::Internal);
            let detail = format!("CAA of {name}: {cause}");
            (failed(cause), Err(Failure::new(Reason::CaaLookupFailed, detail)))
        }
        (End::NoTopLevelDomain, _) => {
            let detail = format!("{name} does not exist");
            let failure = Failure::new(Reason::CaaTldNxdomain, detail);
            (failed(Reason::DnsNxdomain), Err(failure))
        }
    }
}

fn evaluate_set<I>(
    set: &DnsSeen,
    job: &Job,
    bench: &Bench<'_, I>,
) -> (CaaSeen, Result<(), Failure>) {
    let records = match properties(set) {
        Ok(records) => records,
        Err(failure) => return (failed(Reason::CaaMalformedRdata), Err(failure)),
    };
    let inputs = job.caa.as_ref();
    let evaluation = caa::evaluate(
        &records,
        &CaaQuestion {
            scope: scope(job),
            issuer_domains: &job.issuer_domains,
            account_uris: inputs.map(|caa| caa.account_uris.as_slice()).unwrap_or_default(),
            method_label: inputs.and_then(|caa| caa.method_label.as_deref()),
            rules: bench.rules.caa,
        },
    );
    let verdict = verdict(&evaluation, set);
    let seen = CaaSeen {
        basis: Some(evaluation.basis),
        authorized_by: evaluation.authorized_by.and_then(|index| u32::try_from(index).ok()),
        accounturi: evaluation.accounturi,
        validationmethods: evaluation.validationmethods,
        iodef: evaluation.iodef,
        ..seen_set(set, records, evaluation.decision)
    };
    (seen, verdict)
}

fn verdict(evaluation: &CaaEvaluation, set: &DnsSeen) -> Result<(), Failure> {
    let reason = match (evaluation.decision, evaluation.basis) {
        (CaaDecision::Permit | CaaDecision::NotApplicable, _) => return Ok(()),
        (_, CaaBasis::CriticalUnknown) => Reason::CaaCriticalUnknown,
        _ => Reason::CaaProhibited,
    };
    Err(Failure::new(reason, format!("the {} CAA records of {}", set.rrset_count, set.name)))
}

fn scope(job: &Job) -> CaaScope {
    match job.certificate_type {
        CertificateType::SMime => CaaScope::Mail,
        CertificateType::TlsServer if job.identifier.is_wildcard() => CaaScope::Wildcard,
        CertificateType::TlsServer => CaaScope::Name,
    }
}

/// The properties of a set, every one of which must decode.
pub(super) fn properties(set: &DnsSeen) -> Result<Vec<CaaProperty>, Failure> {
    let parsed = rdata(set).map(caa::parse_property);
    parsed.collect::<Result<_, _>>().map_err(|_| {
        let detail = format!("a CAA record of {} cannot be decoded", set.name);
        Failure::new(Reason::CaaMalformedRdata, detail)
    })
}

/// Evidence of a set, before it is evaluated.
pub(super) fn seen_set(set: &DnsSeen, records: Vec<CaaProperty>, decision: CaaDecision) -> CaaSeen {
    CaaSeen {
        found_at: Some(set.name.clone()),
        answer_owner: set.answer_owner.clone(),
        records,
        record_count: set.rrset_count,
        min_ttl_s: set.min_ttl_s,
        ..seen(decision)
    }
}

/// Evidence of a failure.
pub(super) fn failed(cause: Reason) -> CaaSeen {
    CaaSeen { cause: Some(cause), ..seen(CaaDecision::LookupFailed) }
}

/// Evidence of a decision alone.
pub(super) fn seen(decision: CaaDecision) -> CaaSeen {
    CaaSeen {
        climb: Vec::new(),
        found_at: None,
        answer_owner: None,
        records: Vec::new(),
        record_count: 0,
        decision,
        basis: None,
        authorized_by: None,
        cause: None,
        accounturi: Parameter::Absent,
        validationmethods: Parameter::Absent,
        iodef: Vec::new(),
        min_ttl_s: None,
        issue_by: None,
    }
}
