//! What came of a job, for people and for machines.

mod evidence;
mod reply;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::policy::{CertificateType, Outcome};
use mpic_common::reason::{Reason, Verdict};
use mpic_common::record::{CheckRecord, QuorumRecord, RefusalRecord};
use mpic_common::reply::PerspectiveRole;
use mpic_runtime::ca_client::Recorded;
use serde::Serialize;

use crate::table::Table;
pub(in crate::command) use evidence::{Evidence, EvidenceError};

/// A decision with what each perspective concluded.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    job: String,
    identifier: String,
    certificate_type: CertificateType,
    outcome: Outcome,
    /// The job as it was signed.
    asked: serde_json::Value,
    /// Those that a reply may state and still count.
    relaxations: Vec<String>,
    checks: BTreeMap<CheckKind, CheckRecord>,
    both: Option<QuorumRecord>,
    perspectives: Vec<Row>,
    caa_records: Vec<CaaRecords>,
    recorded: Place,
    decided_at: String,
    elapsed_ms: f64,
}

/// What one perspective concluded.
#[derive(Debug, Serialize)]
pub(in crate::command) struct Row {
    perspective: PerspectiveId,
    role: PerspectiveRole,
    registry: Option<RegionalInternetRegistry>,
    /// Why there is no reply that counts.
    missing: Option<String>,
    checks: BTreeMap<CheckKind, Cell>,
    /// The longest of its checks, by its own clock.
    elapsed_ms: Option<f64>,
    /// What it signed, decoded, with all its evidence.
    reply: Option<serde_json::Value>,
}

/// What it concluded from one check, under its verified signature.
#[derive(Debug, Serialize)]
struct Cell {
    verdict: Verdict,
    reason: Option<Reason>,
    detail: String,
    finding: Option<Finding>,
}

/// A CAA set that does not permit issuance, and who saw it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct CaaRecords {
    found_at: String,
    records: Vec<String>,
    seen_by: Vec<PerspectiveId>,
}

/// Where the decision is recorded.
#[derive(Debug, Serialize)]
struct Place {
    stream: String,
    seq: u64,
    leaf: String,
}

impl Report {
    /// Verifies and lays out a decision that took `elapsed` to come.
    pub(super) fn new(
        recorded: &Recorded,
        directory: &Directory,
        elapsed: Duration,
    ) -> Result<Self, EvidenceError> {
        let decision = &recorded.decision;
        let evidence = Evidence::open(decision, directory)?;
        Ok(Self {
            job: decision.job.to_string(),
            identifier: decision.identifier.to_string(),
            certificate_type: evidence.certificate_type(),
            outcome: decision.outcome,
            asked: evidence.asked(),
            relaxations: decision.relaxations.clone(),
            checks: decision.checks.clone(),
            both: decision.both.clone(),
            caa_records: evidence.caa_records(),
            perspectives: evidence.rows(),
            recorded: Place {
                stream: recorded.stream.clone(),
                seq: recorded.seq,
                leaf: recorded.leaf.to_string(),
            },
            decided_at: decision.decided_ms.to_string(),
            elapsed_ms: elapsed.as_secs_f64() * 1_000.0,
        })
    }
}

/// A line a perspective; a column for each of `checks` that is one.
pub(in crate::command) fn table<'a>(
    rows: &[Row],
    checks: impl Iterator<Item = &'a str>,
) -> Table<6> {
    let asked: Vec<_> = checks.collect();
    let mut table = Table::new(["perspective", "role", "registry", "dcv", "caa", "ms"]);
    for row in rows {
        let missing = row.missing.as_ref().map(|reason| format!("- {reason}"));
        let cell = |check: CheckKind| {
            let silent =
                || missing.clone().filter(|_| asked.contains(&check.as_str())).unwrap_or_default();
            row.checks.get(&check).map_or_else(silent, ToString::to_string)
        };
        table.push([
            row.perspective.to_string(),
            role(row.role).to_owned(),
            row.registry.map(|registry| registry.to_string()).unwrap_or_default(),
            cell(CheckKind::Dcv),
            cell(CheckKind::Caa),
            row.elapsed_ms.map(|ms| format!("{ms:.1}")).unwrap_or_default(),
        ]);
    }
    table
}

fn role(role: PerspectiveRole) -> &'static str {
    match role {
        PerspectiveRole::Primary => "primary",
        PerspectiveRole::Remote => "remote",
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "{} {reason}", self.verdict),
            None => self.verdict.fmt(f),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, outcome, certificate_type, elapsed_ms, .. } = self;
        let (outcome, certificates) = (outcome.as_str(), certificate_type.as_str());
        writeln!(f, "{identifier}  {outcome}  ({certificates}, answered in {elapsed_ms:.0} ms)")?;
        for (check, record) in &self.checks {
            let method = record.method.as_deref().unwrap_or_default();
            let CheckRecord { quorum, outcome, shortfalls, .. } = record;
            quorum_line(f, check.as_str(), quorum, *outcome, method)?;
            shortfall_lines(f, shortfalls)?;
        }
        if let Some(QuorumRecord { quorum, outcome, shortfalls }) = &self.both {
            quorum_line(f, "both", quorum, *outcome, "")?;
            shortfall_lines(f, shortfalls)?;
        }
        let checks = self.checks.keys().map(|check| check.as_str());
        write!(f, "{}", table(&self.perspectives, checks))?;
        for CaaRecords { found_at, records, seen_by } in &self.caa_records {
            let seen_by: Vec<_> = seen_by.iter().map(PerspectiveId::as_str).collect();
            let (records, seen_by) = (records.join(", "), seen_by.join(", "));
            writeln!(f, "  CAA at {found_at}: {records} (seen by {seen_by})")?;
        }
        let Place { stream, seq, leaf } = &self.recorded;
        writeln!(f, "  recorded in {stream} as {seq}, leaf {leaf}")
    }
}

fn quorum_line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    quorum: &str,
    outcome: Outcome,
    method: &str,
) -> fmt::Result {
    let line = format!("  {name:<5} {quorum:<5} {:<12} {method}", outcome.as_str());
    writeln!(f, "{}", line.trim_end())
}

fn shortfall_lines(f: &mut fmt::Formatter<'_>, shortfalls: &[String]) -> fmt::Result {
    shortfalls.iter().try_for_each(|shortfall| writeln!(f, "        {shortfall}"))
}

/// No decision was due, and why; with the names by which whoever reads it knows the fields.
pub(super) struct Refusal<'a>(pub(super) &'a RefusalRecord, pub(super) fn(&str) -> &str);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(refusal, known_as) = self;
        writeln!(f, "not decided: {}", refusal.code.as_str())?;
        let mut table = Table::new(["field", "value", "reason"]);
        for error in &refusal.errors {
            table.push([
                known_as(&error.field).to_owned(),
                error.value.clone(),
                error.reason.clone(),
            ]);
        }
        write!(f, "{table}")?;
        match refusal.retry_after_ms {
            Some(ms) => writeln!(f, "  the same job may be sent again after {ms} ms"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
