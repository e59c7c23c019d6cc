//! A recorded decision, decided again from the findings on record, and what bore on it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::limits::ANSWER_OCTETS_MAX;
use mpic_common::method::Method;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::policy::{
    Case, CertificateType, Decision, Findings, Outcome, Requirement, Stricter, decide,
};
use mpic_common::record::{Answer, DecisionRecord};
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_runtime::config;
use serde::Serialize;

use super::{Row, lines, texts};
use crate::command::Failure;
use crate::command::check::report::{Evidence, Row as PerspectiveRow, table};

/// A decision and what bore on it.
#[derive(Debug, Serialize)]
pub(super) struct Recorded {
    job: String,
    ca: String,
    coordinator: String,
    identifier: String,
    certificate_type: CertificateType,
    decided_at: String,
    pub(super) outcome: Outcome,
    /// Whether `decide` says the same of the findings on record.
    pub(super) follows: bool,
    in_force: Option<Row>,
    profile: &'static str,
    remotes: usize,
    non_corroborations_max: usize,
    parts: Vec<Part>,
    would_corroborate: Vec<String>,
    perspectives: Vec<PerspectiveRow>,
}

/// What came of one check, or of both together.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    method: Option<String>,
    clause: Option<String>,
    quorum: String,
    outcome: Outcome,
    shortfalls: Vec<String>,
}

/// The decision in `file`, as its CA got it or as the log holds it.
pub(super) fn read(file: &Path) -> Result<DecisionRecord, Failure> {
    let octets = config::read(file).map_err(Failure::malformed)?;
    let envelope = Envelope::parse(&octets, ANSWER_OCTETS_MAX).map_err(Failure::malformed)?;
    if envelope.kind == Kind::Answer {
        let answer: Answer =
            decode_body(Kind::Answer, envelope.body).map_err(Failure::malformed)?;
        let record = answer.record.ok_or_else(|| Failure::malformed("it answers no decision"))?;
        return decision(&record.0);
    }
    decision(&octets)
}

fn decision(octets: &[u8]) -> Result<DecisionRecord, Failure> {
    let envelope = Envelope::parse(octets, octets.len())
        .and_then(|envelope| envelope.of_kind(Kind::Decision))
        .map_err(Failure::malformed)?;
    decode_body(Kind::Decision, envelope.body).map_err(Failure::malformed)
}

impl Recorded {
    /// Decides `record` again under `directory`, which it must name.
    pub(super) fn new(record: &DecisionRecord, directory: &Directory) -> Result<Self, Failure> {
        if record.directory_hash != directory.hash() {
            let text = format!(
                "it was decided under the directory document {}, this is {}",
                record.directory_hash,
                directory.hash()
            );
            return Err(Failure::malformed(text));
        }
        let evidence = Evidence::open(record, directory).map_err(Failure::malformed)?;
        let replay = Replay {
            record,
            directory,
            certificate_type: evidence.certificate_type(),
            stricter: evidence.stricter(),
            cohort: cohort(record, directory)?,
        };
        let decided = replay.decide(&replay.findings(&[]));
        let day = record.requested_ms.date();
        let row = |row| Row::new(row, replay.certificate_type);
        Ok(Self {
            job: record.job.to_string(),
            ca: record.ca.to_string(),
            coordinator: record.coordinator.to_string(),
            identifier: record.identifier.to_string(),
            certificate_type: replay.certificate_type,
            decided_at: record.decided_ms.to_string(),
            outcome: record.outcome,
            follows: decided.outcome == record.outcome,
            in_force: Requirement::in_force(replay.certificate_type, day).map(row),
            profile: directory.policy().profile.as_str(),
            remotes: replay.cohort.len(),
            non_corroborations_max: replay.cohort.len()
                - replay.case(&BTreeMap::new()).corroborations_min(),
            would_corroborate: replay.would_corroborate(&decided),
            parts: parts(record, &decided),
            perspectives: evidence.rows(),
        })
    }
}

/// The service region of each remote that was asked.
fn cohort(
    record: &DecisionRecord,
    directory: &Directory,
) -> Result<BTreeMap<PerspectiveId, RegionalInternetRegistry>, Failure> {
    let region = |code: &PerspectiveId| {
        let listed = directory.perspective(code, record.requested_ms);
        let unknown = || Failure::malformed(format!("the document has no perspective `{code}`"));
        listed.map(|one| (code.clone(), one.egress.registry)).ok_or_else(unknown)
    };
    record.cohort.iter().map(region).collect()
}

fn parts(record: &DecisionRecord, decided: &Decision) -> Vec<Part> {
    let mut parts = Vec::new();
    for (check, decision) in &decided.checks {
        let method = record.checks.get(check).and_then(|found| found.method.clone());
        let found = method.as_deref().and_then(|id| Method::find(id, record.identifier.kind()));
        parts.push(Part {
            name: check.as_str(),
            clause: match check {
                CheckKind::Caa => Some("3.2.2.8".to_owned()),
                CheckKind::Dcv => found.map(|method| method.clause.to_owned()),
            },
            method,
            quorum: decision.quorum.to_string(),
            outcome: decision.outcome,
            shortfalls: texts(decision),
        });
    }
    parts.extend(decided.both.as_ref().map(|decision| Part {
        name: "both",
        method: None,
        clause: None,
        quorum: decision.quorum.to_string(),
        outcome: decision.outcome,
        shortfalls: texts(decision),
    }));
    parts
}

/// All that `decide` was given.
struct Replay<'a> {
    record: &'a DecisionRecord,
    directory: &'a Directory,
    certificate_type: CertificateType,
    stricter: Stricter,
    cohort: BTreeMap<PerspectiveId, RegionalInternetRegistry>,
}

impl Replay<'_> {
    fn case<'a>(&'a self, checks: &BTreeMap<CheckKind, Findings>) -> Case<'a> {
        Case {
            certificate_type: self.certificate_type,
            date: self.record.requested_ms.date(),
            policy: self.directory.policy(),
            stricter: self.stricter,
            cohort: &self.cohort,
            checks: checks.clone(),
        }
    }

    fn decide(&self, checks: &BTreeMap<CheckKind, Findings>) -> Decision {
        decide(&self.case(checks))
    }

    /// What is on record; but `also` corroborate as well.
    fn findings(&self, also: &[&PerspectiveId]) -> BTreeMap<CheckKind, Findings> {
        let findings = self.record.checks.iter().map(|(check, found)| {
            let mut remotes = found.findings.clone();
            remotes.extend(also.iter().map(|code| ((*code).clone(), Finding::Corroborate)));
            // Where the primary did not pass, no shortfall is without it.
            let primary = mpic_common::policy::Shortfall::Primary.to_string();
            let primary_passed = !found.shortfalls.contains(&primary) || !also.is_empty();
            (*check, Findings { primary_passed, remotes })
        });
        findings.collect()
    }

    /// The fewest that would have had to corroborate too.
    fn would_corroborate(&self, decided: &Decision) -> Vec<String> {
        if decided.outcome == Outcome::Corroborate {
            return Vec::new();
        }
        let corroborates = |code: &PerspectiveId| {
            let mut checks = self.record.checks.values();
            checks.all(|found| found.findings.get(code) == Some(&Finding::Corroborate))
        };
        let (seen, mut others): (Vec<_>, Vec<_>) =
            self.cohort.keys().partition(|code| corroborates(code));
        let regions: Vec<_> = seen.iter().filter_map(|code| self.cohort.get(*code)).collect();
        // Those of a region that is not there yet do more.
        others.sort_by_key(|code| self.cohort.get(*code).is_some_and(|at| regions.contains(&at)));
        let enough = (1..=others.len()).find_map(|count| {
            let also = others.get(..count)?;
            let then = self.decide(&self.findings(also));
            (then.outcome == Outcome::Corroborate).then(|| also.to_vec())
        });
        let needs_primary = decided
            .checks
            .values()
            .any(|check| check.shortfalls.contains(&mpic_common::policy::Shortfall::Primary));
        let mut told = Vec::new();
        if needs_primary {
            told.push("the primary perspective passing".to_owned());
        }
        if let Some(also) = enough {
            let names: Vec<_> = also.iter().map(ToString::to_string).collect();
            let count = names.len();
            told.push(format!("{count} more corroborating, such as {}", names.join(", ")));
        }
        told
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, ca, coordinator, job, decided_at, .. } = self;
        let certificates = self.certificate_type.as_str();
        let outcome = self.outcome.as_str();
        writeln!(f, "{outcome}  {identifier}  ({certificates}, profile {})", self.profile)?;
        writeln!(f, "  job       {job} of {ca}, decided {decided_at} by {coordinator}")?;
        match &self.in_force {
            Some(Row { effective, clause, text, .. }) => {
                writeln!(f, "  in force  at least {text}, {clause} since {effective}")?;
            }
            None => writeln!(f, "  in force  nothing yet")?,
        }
        let Self { remotes, non_corroborations_max, .. } = self;
        writeln!(f, "  allowed   {non_corroborations_max} of {remotes} may fail")?;
        for Part { name, method, clause, quorum, outcome, shortfalls } in &self.parts {
            let method = method.as_deref().map(|id| format!(", {id}")).unwrap_or_default();
            let clause = clause.as_deref().map(|of| format!(", BR {of}")).unwrap_or_default();
            writeln!(f, "  {name:<9} {quorum} {}{method}{clause}", outcome.as_str())?;
            lines(f, "", shortfalls)?;
        }
        lines(f, "would do", &self.would_corroborate)?;
        if !self.follows {
            writeln!(f, "  WRONG     the findings on record do not decide so")?;
        }
        write!(f, "{}", table(&self.perspectives, self.parts.iter().map(|part| part.name)))
    }
}
