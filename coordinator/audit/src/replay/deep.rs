//! R14: the evaluators of this software, run again on evidence that a reply holds whole.
//!
//! A difference is worth a warning: the agent's software may have been another version.

use std::net::IpAddr;

use mpic_common::challenge::{Challenge, ChangeRecord, Contact, ContactRecord};
use mpic_common::code::PerspectiveId;
use mpic_common::evaluator::caa::{self, CaaQuestion, CaaRules, CaaScope};
use mpic_common::evaluator::persist::{self, PersistQuestion, Reach};
use mpic_common::evaluator::{body, certificate, contact, dns_change, mx, name, txt};
use mpic_common::evidence::{AliasKind, CaaDecision, DnsOutcome, DnsSeen, Purpose};
use mpic_common::job::Job;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::octets::Hash;
use mpic_common::policy::CertificateType;
use mpic_common::reason::{Reason, Verdict};
use mpic_common::reply::Reply;
use mpic_common::wire::{Envelope, Kind, decode_body};

use super::decision::Checked;
use super::problem::Problems;

/// What a decision's evidence does not decide, and why: by method, or `caa`.
pub(super) type Underivable = (String, &'static str);

/// Evaluates what the replies of a decision saw, and gives what cannot be; replies that do not
/// decode are found elsewhere.
pub(super) fn check(checked: &Checked, problems: &mut Problems) -> Vec<Underivable> {
    let mut underivable = Vec::new();
    let Some(asked) = &checked.asked else { return underivable };
    for record in &checked.record.replies {
        let envelope = Envelope::parse(&record.reply.0, RECORD_OCTETS_MAX);
        let reply = envelope.and_then(|e| decode_body::<Reply>(Kind::Reply, e.body));
        let Ok(reply) = reply else { continue };
        for (check, observation) in &reply.observations {
            // What could not be determined, or was not tried, leaves nothing to evaluate.
            if matches!(observation.verdict, Verdict::Error | Verdict::Refused) {
                continue;
            }
            match passes(*check, &asked.job, observation) {
                Ok(passes) => {
                    let code = &record.perspective;
                    compare(code, *check, &asked.job, (&reply, observation), passes, problems);
                }
                Err(why) => {
                    let method = observation.method.as_deref().unwrap_or(check.as_str());
                    underivable.push((method.to_owned(), why));
                }
            }
        }
    }
    underivable
}

/// Warns where the verdict is not the one that the evidence gives, or the value is another one.
fn compare(
    perspective: &PerspectiveId,
    check: CheckKind,
    job: &Job,
    (reply, observation): (&Reply, &Observation),
    passes: bool,
    problems: &mut Problems,
) {
    let says = observation.verdict == Verdict::Pass;
    let same_value = !says || has_expected_value(check, job, observation);
    if says == passes && same_value {
        return;
    }
    problems.warning(
        "R14",
        format!(
            "{perspective} {}: {} said {}, {SOFTWARE} finds that the evidence {}",
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

/// Whether an observation that passes observed what it must; of several accounts it may be any.
fn has_expected_value(check: CheckKind, job: &Job, observation: &Observation) -> bool {
    match check {
        CheckKind::Dcv => {
            let expected = job.dcv.as_ref().and_then(|dcv| dcv.challenge.expected());
            expected.is_none() || observation.observed == expected
        }
        CheckKind::Caa => observation.observed.is_none(),
    }
}

/// Whether the evidence passes; or why it does not say.
fn passes(check: CheckKind, job: &Job, observation: &Observation) -> Result<bool, &'static str> {
    match (check, job.dcv.as_ref().map(|dcv| &dcv.challenge)) {
        (CheckKind::Caa, _) => permits(job, observation).ok_or(CAA),
        (CheckKind::Dcv, Some(challenge)) => holds(challenge, job, observation),
        (CheckKind::Dcv, None) => Err(OTHERWISE),
    }
}

fn holds(
    challenge: &Challenge,
    job: &Job,
    observation: &Observation,
) -> Result<bool, &'static str> {
    let rrset = |purpose, qtype, mismatches| rrset(observation, purpose, qtype, mismatches);
    match challenge {
        Challenge::AcmeDns01 { digest } | Challenge::DnsAccount01 { digest, .. } => {
            let rrset = rrset(Purpose::Challenge, "TXT", &[Reason::RecordMismatch])?;
            Ok(txt::find_exact(rrset, digest.as_str().as_bytes()).is_some())
        }
        Challenge::DnsPersistent { account_uris } => {
            let rrset = rrset(Purpose::Challenge, "TXT", &PERSIST)?;
            // An agent may demand a record that reaches further, and must not be laxer.
            let reach = if job.identifier.name().is_some() { Reach::Name } else { Reach::Address };
            let (issuer_domains, now) = (&job.issuer_domains, observation.started_ms);
            let question = PersistQuestion { issuer_domains, account_uris, reach, now };
            Ok(persist::evaluate(rrset, &question).is_ok())
        }
        Challenge::DnsChange(change) => {
            let (purpose, qtype) = (Purpose::Challenge, qtype(change.record_type));
            let rrset = rrset(purpose, qtype, &[Reason::RecordMismatch])?;
            let is_implied = |seen: &DnsSeen| {
                seen.purpose == purpose && seen.chain.iter().any(|a| a.kind == AliasKind::Dname)
            };
            if change.record_type == ChangeRecord::Cname && observation.dns.iter().any(is_implied) {
                return Err(IMPLIED);
            }
            Ok(dns_change::find(rrset, change).is_some())
        }
        Challenge::Contact { record, contact } => in_contacts(*record, contact, observation),
        Challenge::IpAddress { address } => {
            let (qtype, octets) = match address {
                IpAddr::V4(address) => ("A", address.octets().to_vec()),
                IpAddr::V6(address) => ("AAAA", address.octets().to_vec()),
            };
            let rrset = rrset(Purpose::Challenge, qtype, &[Reason::RecordMismatch])?;
            Ok(rrset.contains(&octets.as_slice()))
        }
        Challenge::ReverseAddressLookup { expected_fqdn } => {
            let rrset = rrset(Purpose::Ptr, "PTR", &[Reason::RecordMismatch])?;
            Ok(name::find(rrset, expected_fqdn.as_str()).is_some())
        }
        Challenge::SmtpHost { expected_fqdn } => {
            let rrset = rrset(Purpose::Mx, "MX", &[Reason::MxMismatch, Reason::MxNull])?;
            Ok(mx::find(&rrset, expected_fqdn.as_str()).is_ok())
        }
        Challenge::AcmeHttp01 { key_authorization, .. } => {
            let file = file(observation)?;
            Ok(body::is_http_01(file, key_authorization.as_str()))
        }
        Challenge::WebsiteChange(change) => {
            let found = body::find_change(file(observation)?, change);
            Ok(found.is_ok_and(|found| found.is_some()))
        }
        Challenge::AcmeTlsAlpn01 { digest } => in_certificate(digest, job, observation),
    }
}

/// The records of the last question for this purpose, raw and whole.
fn rrset<'a>(
    observation: &'a Observation,
    purpose: Purpose,
    qtype: &str,
    mismatches: &[Reason],
) -> Result<Vec<&'a [u8]>, &'static str> {
    is_decided_by(observation, mismatches)?;
    let is_answer = |seen: &&DnsSeen| {
        seen.purpose == purpose && seen.qtype == qtype && seen.outcome == DnsOutcome::Answer
    };
    let seen = observation.dns.iter().rev().find(is_answer).ok_or(ABSENT)?;
    if usize::try_from(seen.rrset_count) != Ok(seen.rrset.len()) {
        return Err(CUT);
    }
    Ok(seen.rrset.iter().map(|rdata| rdata.0.as_slice()).collect())
}

/// The file that was found, whole.
fn file(observation: &Observation) -> Result<&[u8], &'static str> {
    is_decided_by(observation, &[Reason::HttpBodyMismatch])?;
    let hop = observation.http.last().ok_or(ABSENT)?;
    let head = hop.body_head.as_ref().ok_or(ABSENT)?;
    let is_whole = hop.body_complete && usize::try_from(hop.body_octets) == Ok(head.0.len());
    is_whole.then_some(head.0.as_slice()).ok_or(CUT)
}

fn in_contacts(
    record: ContactRecord,
    contact: &Contact,
    observation: &Observation,
) -> Result<bool, &'static str> {
    let mismatches = [Reason::ContactMismatch, Reason::ContactUnusable];
    match record {
        ContactRecord::EmailTxt | ContactRecord::PhoneTxt => {
            let rrset = rrset(observation, Purpose::Contact, "TXT", &mismatches)?;
            Ok(contact::find_txt(rrset, record.kind(), contact).is_ok())
        }
        ContactRecord::EmailCaa | ContactRecord::PhoneCaa => {
            is_decided_by(observation, &mismatches)?;
            let seen = observation.caa.as_ref().ok_or(ABSENT)?;
            if usize::try_from(seen.record_count) != Ok(seen.records.len()) {
                return Err(CUT);
            }
            Ok(contact::find_caa(&seen.records, record.kind(), contact).is_ok())
        }
    }
}

/// What the certificate says; the protocol that was negotiated is the agent's word.
fn in_certificate(
    digest: &Hash,
    job: &Job,
    observation: &Observation,
) -> Result<bool, &'static str> {
    let seen = observation.tls.as_ref().ok_or(ABSENT)?;
    let leaf = seen.leaf.as_ref().ok_or(ABSENT)?;
    if seen.leaf_digest != Some(Hash::of(&leaf.0)) {
        return Err(CUT);
    }
    let holds = certificate::failed_checks(&leaf.0, &job.identifier, digest).is_empty();
    // A handshake can fail for more than its certificate.
    if holds && observation.verdict != Verdict::Pass { Err(OTHERWISE) } else { Ok(holds) }
}

fn qtype(record: ChangeRecord) -> &'static str {
    match record {
        ChangeRecord::Txt => "TXT",
        ChangeRecord::Cname => "CNAME",
        ChangeRecord::Caa => "CAA",
    }
}

/// Whether the octets seen made the determination, and not what kept them away.
fn is_decided_by(observation: &Observation, mismatches: &[Reason]) -> Result<(), &'static str> {
    let is_mismatch = observation.reason.is_some_and(|reason| mismatches.contains(&reason));
    if observation.verdict == Verdict::Pass || is_mismatch { Ok(()) } else { Err(OTHERWISE) }
}

/// A CAA set under the rules of RFC 8659 alone: an agent may be stricter, and must not be laxer.
fn permits(job: &Job, observation: &Observation) -> Option<bool> {
    let seen = observation.caa.as_ref()?;
    let is_whole = usize::try_from(seen.record_count) == Ok(seen.records.len());
    if !is_whole || observation.verdict != Verdict::Pass {
        return None;
    }
    if seen.records.is_empty() {
        // Nobody on the way up has a set, if each answered.
        let is_settled = seen.climb.iter().all(|step| step.outcome.is_settled());
        return (is_settled && !seen.climb.is_empty()).then_some(true);
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

/// The reasons of records that authorise nobody, whatever the agent's policy on wildcards.
const PERSIST: [Reason; 4] =
    [Reason::PersistNone, Reason::PersistAccount, Reason::PersistExpired, Reason::PersistMalformed];

const OTHERWISE: &str = "the verdict rests on more than the octets that were found";
const ABSENT: &str = "the reply holds no answer that the verdict rests on";
const CUT: &str = "the reply holds a part of what was found";
const CAA: &str = "the reply holds no whole CAA set, or refuses for more than the set";
const IMPLIED: &str = "a DNAME stands in the way of the CNAME";

/// What evaluates here.
const SOFTWARE: &str = concat!("mpic-audit ", env!("CARGO_PKG_VERSION"));
