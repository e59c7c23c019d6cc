//! The body of a 200, from recorded decisions and signed replies. The API's JSON is written here and
//! read in `request`, and nowhere else.

mod details;
mod text;

use mpic_common::code::PerspectiveId;
use mpic_common::identifier::IdentifierKind;
use mpic_common::observation::{CheckKind, Finding, Observation};
use mpic_common::policy::{Outcome, Stricter};
use mpic_common::reason::{Reason, Verdict};
use mpic_common::record::DecisionRecord;
use mpic_common::time::UnixMs;
use serde_json::{Map, Value, json};

use crate::error_type::{REMOTE_CHECK, error_type, is_completed};
use crate::evidence::{Remote, Said};
use crate::orchestration::{Plan, Rules};
use crate::request::{Check, Request};

/// One job that was decided.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The decision.
    pub decision: DecisionRecord,
    /// Its remotes by code.
    pub remotes: Vec<Remote>,
}

/// What was used of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The size of the cohort.
    pub perspective_count: usize,
    /// Corroborations needed of it.
    pub quorum_count: usize,
}

impl Used {
    /// Of a cohort of `remotes`.
    pub fn of(rules: &Rules, stricter: Stricter, remotes: usize) -> Self {
        Self { perspective_count: remotes, quorum_count: rules.quorum(remotes, stricter) }
    }
}

/// The check as the record has it.
pub fn check_kind(request: &Request) -> CheckKind {
    match request.check {
        Check::Caa(_) => CheckKind::Caa,
        Check::Dcv(_) => CheckKind::Dcv,
    }
}

/// The body for attempts that were decided: `earlier` ones, the oldest first, and the last.
pub fn decided(request: &Request, used: Used, earlier: &[Attempt], last: &Attempt) -> Value {
    let perspectives: Vec<_> = entries(request, last);
    let incomplete = perspectives.iter().filter(|entry| {
        entry.pointer("/check_response/check_completed") == Some(&Value::Bool(false))
    });
    let allowed = used.perspective_count.saturating_sub(used.quorum_count);
    let previous: Vec<_> =
        earlier.iter().map(|attempt| Value::Array(entries(request, attempt))).collect();
    let shown = Shown {
        is_valid: last.decision.outcome == Outcome::Corroborate,
        mpic_completed: incomplete.count() <= allowed,
        used,
        attempts: earlier.len() + 1,
        perspectives,
        previous,
    };
    body(request, shown)
}

/// The body for a job that was refused before anybody was asked, for `reasons`; `cohort` would have
/// been asked.
pub fn refused(
    request: &Request,
    rules: &Rules,
    plan: &Plan,
    reasons: &[Reason],
    cohort: &[PerspectiveId],
    at: UnixMs,
) -> Value {
    let remotes = if cohort.is_empty() { plan.remotes } else { cohort.len() };
    let reason = reasons.first().copied().unwrap_or(Reason::JobMalformed);
    let (check, kind) = (check_kind(request), IdentifierKind::Dns);
    let entry = |code: &PerspectiveId| {
        let error = error_type(reason, check, kind);
        let errors = errors(error, &format!("{reason}: not asked"));
        entry(code, &check_response(request, Outlook::none(at, errors), None))
    };
    let shown = Shown {
        is_valid: false,
        mpic_completed: false,
        used: Used::of(rules, plan.stricter, remotes),
        attempts: 0,
        perspectives: cohort.iter().map(entry).collect(),
        previous: Vec::new(),
    };
    body(request, shown)
}

struct Shown {
    is_valid: bool,
    mpic_completed: bool,
    used: Used,
    attempts: usize,
    perspectives: Vec<Value>,
    previous: Vec<Value>,
}

fn body(request: &Request, shown: Shown) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("check_type", request.check.as_str().into());
    set("domain_or_ip_target", request.target.clone().into());
    set("is_valid", shown.is_valid.into());
    set("mpic_completed", shown.mpic_completed.into());
    set("request_orchestration_parameters", request.orchestration.to_json().into());
    set(
        "actual_orchestration_parameters",
        json!({
            "perspective_count": shown.used.perspective_count,
            "quorum_count": shown.used.quorum_count,
            "attempt_count": shown.attempts,
        }),
    );
    let parameters = match request.check {
        Check::Caa(_) => "caa_check_parameters",
        Check::Dcv(_) => "dcv_check_parameters",
    };
    set(parameters, request.parameters.clone().into());
    set("perspectives", shown.perspectives.into());
    set("previous_attempt_results", shown.previous.into());
    if let Some(trace) = &request.trace_identifier {
        set("trace_identifier", trace.clone().into());
    }
    Value::Object(body)
}

/// The remotes of one attempt: those that answered by code, then the others by code.
fn entries(request: &Request, attempt: &Attempt) -> Vec<Value> {
    let kind = attempt.decision.identifier.kind();
    let answered = |remote: &&Remote| matches!(remote.said, Said::Observed(..));
    let (first, then): (Vec<_>, Vec<_>) = attempt.remotes.iter().partition(answered);
    let shown = |remote: &Remote| {
        let response = match &remote.said {
            Said::Observed(seen, finding) => {
                let outlook = Outlook::of(seen, *finding, check_kind(request), kind);
                check_response(request, outlook, Some(seen))
            }
            Said::Nothing { why, at } => {
                let text = if why == "pending" { "decided without it" } else { "no counted reply" };
                let errors = errors(Some(REMOTE_CHECK), &format!("{why}: {text}"));
                check_response(request, Outlook::none(*at, errors), None)
            }
        };
        entry(&remote.code, &response)
    };
    first.into_iter().chain(then).map(shown).collect()
}

fn entry(code: &PerspectiveId, check_response: &Value) -> Value {
    json!({ "perspective_code": code.as_str(), "check_response": check_response })
}

/// What one check came to, before its details.
struct Outlook {
    completed: bool,
    passed: bool,
    errors: Value,
    at: UnixMs,
}

impl Outlook {
    fn none(at: UnixMs, errors: Value) -> Self {
        Self { completed: false, passed: false, errors, at }
    }

    fn of(seen: &Observation, finding: Finding, check: CheckKind, kind: IdentifierKind) -> Self {
        let at = seen.ended_ms;
        match (seen.verdict, seen.reason) {
            (Verdict::Pass, _) if finding == Finding::Corroborate => {
                Self { completed: true, passed: true, errors: json!([]), at }
            }
            // It saw a value that the job does not expect, or under settings that do not count.
            (Verdict::Pass, _) => {
                Self::none(at, errors(Some(REMOTE_CHECK), "not_counted: its reply does not count"))
            }
            (verdict, reason) => {
                let reason = reason.unwrap_or(Reason::Internal);
                let message = format!("{reason}: {}", seen.detail);
                Self {
                    completed: is_completed(verdict),
                    passed: false,
                    errors: errors(error_type(reason, check, kind), &message),
                    at,
                }
            }
        }
    }
}

fn errors(error_type: Option<&str>, message: &str) -> Value {
    let listed: Vec<_> = error_type
        .map(|error_type| {
            let message = text::cut(message, MESSAGE_OCTETS_MAX);
            json!({ "error_type": error_type, "error_message": message })
        })
        .into_iter()
        .collect();
    listed.into()
}

/// Octets of an error's message.
const MESSAGE_OCTETS_MAX: usize = 512;

fn check_response(request: &Request, outlook: Outlook, seen: Option<&Observation>) -> Value {
    let Outlook { completed, passed, errors, at } = outlook;
    json!({
        "check_type": request.check.as_str(),
        "check_completed": completed,
        "check_passed": passed,
        "errors": errors,
        "timestamp_ns": at.0.saturating_mul(1_000_000),
        "details": details::details(&request.check, seen),
    })
}

#[cfg(test)]
mod tests;
