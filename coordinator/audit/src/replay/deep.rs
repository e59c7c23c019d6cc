//! R14: the evaluators of this software, run again on evidence that a reply holds whole.
//!
//! A difference is worth a warning: the agent's software may have been another version.

use mpic_common::challenge::Challenge;
use mpic_common::evaluator::caa::{self, CaaQuestion, CaaRules, CaaScope};
use mpic_common::evaluator::{body, txt};
use mpic_common::evidence::{CaaDecision, DnsOutcome, Purpose};
use mpic_common::job::Job;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::policy::CertificateType;
use mpic_common::reason::{Reason, Verdict};
use mpic_common::reply::Reply;
use mpic_common::wire::{Envelope, Kind, decode_body};

use super::decision::Checked;
use super::problem::Problems;

/// Evaluates what the replies of a decision saw; replies that do not decode are found elsewhere.
pub(super) fn check(checked: &Checked, problems: &mut Problems) {
    let Some(asked) = &checked.asked else { return };
    for record in &checked.record.replies {
        let envelope = Envelope::parse(&record.reply.0, RECORD_OCTETS_MAX);
        let reply = envelope.and_then(|e| decode_body::<Reply>(Kind::Reply, e.body));
        let Ok(reply) = reply else { continue };
        for (check, observation) in &reply.observations {
            let Some(passes) = evaluate(*check, &asked.job, observation) else { continue };
            let says = observation.verdict == Verdict::Pass;
            let same_value = !says || observation.observed == expected(*check, &asked.job);
            if says == passes && same_value {
                continue;
            }
            problems.warning(
                "R14",
                format!(
                    "{} {}: {} said {}, {SOFTWARE} finds that the evidence {}",
                    record.perspective,
                    check.as_str(),
                    reply.software,
                    observation.verdict.as_str(),
                    match (passes, same_value) {
                        (true, true) => "passes",
                        (true, false) => "is of another value",
                        (false, _) => "does not pass",
                    }
                ),
            );
        }
    }
}

/// What an observation that passes must have observed.
fn expected(check: CheckKind, job: &Job) -> Option<mpic_common::octets::Hash> {
    match check {
        CheckKind::Dcv => job.dcv.as_ref().and_then(|dcv| dcv.challenge.expected()),
        CheckKind::Caa => None,
    }
}

/// Whether the evidence passes; none where it is not whole, or decides nothing by itself.
fn evaluate(check: CheckKind, job: &Job, observation: &Observation) -> Option<bool> {
    match (check, job.dcv.as_ref().map(|dcv| &dcv.challenge)) {
        (CheckKind::Caa, _) => permits(job, observation),
        (CheckKind::Dcv, Some(Challenge::AcmeDns01 { digest })) => {
            is_decided_by(observation, Reason::RecordMismatch)?;
            let is_whole = |count: u32, held: usize| usize::try_from(count) == Ok(held);
            let mut asked = observation.dns.iter().rev();
            let seen = asked.find(|seen| seen.purpose == Purpose::Challenge)?;
            let is_answer = seen.outcome == DnsOutcome::Answer && seen.qtype == "TXT";
            let is_whole = is_answer && is_whole(seen.rrset_count, seen.rrset.len());
            let rrset = seen.rrset.iter().map(|rdata| rdata.0.as_slice());
            is_whole.then(|| txt::find_exact(rrset, digest.as_str().as_bytes()).is_some())
        }
        (CheckKind::Dcv, Some(Challenge::AcmeHttp01 { key_authorization, .. })) => {
            is_decided_by(observation, Reason::HttpBodyMismatch)?;
            let hop = observation.http.last()?;
            let head = hop.body_head.as_ref()?;
            let is_whole =
                hop.body_complete && usize::try_from(hop.body_octets) == Ok(head.0.len());
            is_whole.then(|| body::is_http_01(&head.0, key_authorization.as_str()))
        }
        // What other methods rest on is cut too often, or is not octets alone.
        (CheckKind::Dcv, _) => None,
    }
}

/// Whether the octets seen made the determination, and not what kept them away.
fn is_decided_by(observation: &Observation, mismatch: Reason) -> Option<()> {
    let is_mismatch = observation.reason == Some(mismatch);
    (observation.verdict == Verdict::Pass || is_mismatch).then_some(())
}

/// A CAA set under the rules of RFC 8659 alone: an agent may be stricter, and must not be laxer.
fn permits(job: &Job, observation: &Observation) -> Option<bool> {
    let seen = observation.caa.as_ref()?;
    let is_whole = usize::try_from(seen.record_count) == Ok(seen.records.len());
    if !is_whole || seen.records.is_empty() || observation.verdict != Verdict::Pass {
        return None;
    }
    let scope = match job.certificate_type {
        CertificateType::SMime => CaaScope::Mail,
        CertificateType::TlsServer if job.identifier.is_wildcard() => CaaScope::Wildcard,
        CertificateType::TlsServer => CaaScope::Name,
    };
    let inputs = job.caa.as_ref();
    let question = CaaQuestion {
        scope,
        issuer_domains: &job.issuer_domains,
        account_uris: inputs.map(|caa| caa.account_uris.as_slice()).unwrap_or_default(),
        method_label: inputs.and_then(|caa| caa.method_label.as_deref()),
        rules: CaaRules::default(),
    };
    Some(caa::evaluate(&seen.records, &question).decision == CaaDecision::Permit)
}

/// What evaluates here.
const SOFTWARE: &str = concat!("mpic-audit ", env!("CARGO_PKG_VERSION"));
