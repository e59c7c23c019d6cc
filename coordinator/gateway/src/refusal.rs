//! What the coordinator's refusal of a job means to the client.

use mpic_common::code::PerspectiveId;
use mpic_common::job::{FieldError, Job};
use mpic_common::reason::Reason;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_common::time::UnixMs;

use crate::issue::{Issue, kind};

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The subject of the check can be no such thing: 200, and not valid.
    Subject {
        /// Why.
        reasons: Vec<Reason>,
        /// Who would have been asked.
        cohort: Vec<PerspectiveId>,
    },
    /// Something else is wrong with the request: 400.
    Issues(Vec<Issue>),
    /// Again later: 503.
    Later {
        /// What is said.
        error: String,
        /// Seconds.
        retry_after_s: u64,
    },
    /// Our fault: 500.
    Ours,
}

/// What `refusal` of `job` means; `remotes` is the size of the cohort that was wanted.
pub fn meaning(refusal: &RefusalRecord, job: &Job, remotes: usize, at: UnixMs) -> Meaning {
    let later = |error: String| {
        let ms = refusal.retry_after_ms.or(refusal.code.retry_after_ms()).unwrap_or(1_000);
        Meaning::Later { error, retry_after_s: ms.div_ceil(1_000) }
    };
    match refusal.code {
        RefusalCode::Busy => later("overloaded".to_owned()),
        RefusalCode::Unrecorded => later("unrecorded".to_owned()),
        RefusalCode::NoCohort => {
            later(format!("The coordinator could not construct a cohort of size {remotes}"))
        }
        RefusalCode::Invalid => invalid(refusal, job, at),
        RefusalCode::Malformed
        | RefusalCode::UnsupportedVersion
        | RefusalCode::Forbidden
        | RefusalCode::Expired
        | RefusalCode::Conflict
        | RefusalCode::Internal
        | RefusalCode::Counted => Meaning::Ours,
    }
}

fn invalid(refusal: &RefusalRecord, job: &Job, at: UnixMs) -> Meaning {
    let subjects: Option<Vec<_>> =
        refusal.errors.iter().map(|error| subject(error, job, at)).collect();
    match subjects {
        Some(mut reasons) if !reasons.is_empty() => {
            reasons.sort_unstable();
            reasons.dedup();
            Meaning::Subject { reasons, cohort: refusal.cohort.clone().unwrap_or_default() }
        }
        Some(_) => Meaning::Ours,
        None => {
            let others = refusal.errors.iter().filter(|error| subject(error, job, at).is_none());
            let issues: Option<Vec<_>> = others.map(issue).collect();
            issues.map_or(Meaning::Ours, Meaning::Issues)
        }
    }
}

/// The reason, where the error is over the identifier, the challenge or the method for it.
fn subject(error: &FieldError, job: &Job, at: UnixMs) -> Option<Reason> {
    match error.field.as_str() {
        "identifier" | "identifier.value" => Some(Reason::IdentifierSyntax),
        "dcv.method" if job.method().is_some_and(|row| row.check_date(at.date()).is_err()) => {
            Some(Reason::MethodSunset)
        }
        "dcv.method" => Some(Reason::MethodUnsuitable),
        "dcv.challenge" | "dcv.contact" | "dcv.address" | "dcv.expected_fqdn" => {
            Some(Reason::JobMalformed)
        }
        _ => None,
    }
}

/// The member that a native field comes from; none for what the gateway says of its own.
fn issue(error: &FieldError) -> Option<Issue> {
    const DCV: &str = "dcv_check_parameters";
    const COUNTS: &str = "orchestration_parameters";
    let at: &[&str] = match error.field.as_str() {
        "ca_request" => &["trace_identifier"],
        "issuer_domains" => &["caa_check_parameters", "caa_domains"],
        "remotes" => &[COUNTS, "perspective_count"],
        "corroborations_min" => &[COUNTS, "quorum_count"],
        "dcv.account_uris" => &[DCV, "expected_account_uri"],
        "dcv.digest" => &[DCV, "key_authorization_hash"],
        "dcv.headers" => &[DCV, "http_headers"],
        "dcv.key_authorization" => &[DCV, "key_authorization"],
        "dcv.match_regex" => &[DCV, "match_regex"],
        "dcv.path" => &[DCV, "http_token_path"],
        "dcv.prefix" => &[DCV, "dns_name_prefix"],
        "dcv.token" => &[DCV, "token"],
        _ => return None,
    };
    let (issue_type, message) = match error.field.as_str() {
        "remotes" => {
            (kind::INVALID_PERSPECTIVE_COUNT, format!("Invalid perspective count: {}", error.value))
        }
        "corroborations_min" => {
            (kind::INVALID_QUORUM_COUNT, format!("Invalid quorum count: {}", error.value))
        }
        "dcv.digest" => (kind::INVALID_KEY_AUTHORIZATION_HASH, error.reason.clone()),
        _ => (kind::VALUE_ERROR, "Input cannot be used".to_owned()),
    };
    Some(Issue::new(issue_type, message, at))
}
