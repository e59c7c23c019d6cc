//! A report as comma-separated values (RFC 4180): a row a perspective and check.

use mpic_common::identifier::IdentifierKind;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::reply::PerspectiveRole;

use super::{Attempt, CheckLine, PerspectiveLine, Seen};

/// The heading and all rows, each with its end of line.
pub fn csv(attempts: &[Attempt]) -> String {
    let rows = attempts.iter().flat_map(|attempt| {
        attempt.checks.iter().flat_map(move |(check, line)| {
            let perspectives = attempt.perspectives.iter();
            perspectives.map(move |perspective| row(attempt, *check, line, perspective))
        })
    });
    std::iter::once(HEADING.to_owned()).chain(rows).collect()
}

fn row(
    attempt: &Attempt,
    check: CheckKind,
    line: &CheckLine,
    perspective: &PerspectiveLine,
) -> String {
    let seen = perspective.checks.get(&check).cloned().unwrap_or_else(Seen::default);
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let cells = [
        attempt.decided_at.clone(),
        attempt.ca.to_string(),
        text(attempt.ca_request.as_ref()),
        attempt.job.clone(),
        kind(attempt.identifier_kind).to_owned(),
        attempt.identifier.clone(),
        attempt.outcome.as_str().to_owned(),
        text(attempt.both.as_ref().map(|both| &both.quorum)),
        check.as_str().to_owned(),
        text(line.method.as_ref()),
        line.quorum.clone(),
        line.outcome.as_str().to_owned(),
        perspective.code.to_string(),
        role(perspective.role).to_owned(),
        perspective.registry.map(|registry| registry.to_string()).unwrap_or_default(),
        seen.verdict.map(|verdict| verdict.as_str().to_owned()).unwrap_or_default(),
        text(seen.reason.as_ref()),
        seen.finding.map(finding).unwrap_or_default().to_owned(),
        perspective.late.to_string(),
        attempt.index.to_string(),
        attempt.log.clone(),
    ];
    cells.map(|cell| quoted(&cell)).join(",") + "\r\n"
}

/// In quotes where it holds what ends a cell.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

pub(super) fn kind(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Dns => "dns",
        IdentifierKind::Ip => "ip",
        IdentifierKind::Email => "email",
    }
}

pub(super) fn role(role: PerspectiveRole) -> &'static str {
    match role {
        PerspectiveRole::Primary => "primary",
        PerspectiveRole::Remote => "remote",
    }
}

pub(super) fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::Corroborate => "corroborate",
        Finding::Contradict => "contradict",
        Finding::Unavailable => "unavailable",
    }
}

const HEADING: &str = "decided_at,ca,ca_request,job,identifier_kind,identifier,outcome,\
    both_quorum,check,method,quorum,check_outcome,perspective,role,registry,verdict,reason,\
    finding,late,index,log\r\n";
