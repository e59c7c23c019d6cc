//! One decision as the Baseline Requirements want it told.

use std::collections::BTreeMap;

use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::identifier::{Identifier, IdentifierKind};
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::policy::Outcome;
use mpic_common::reason::Verdict;
use mpic_common::record::{DecisionRecord, LateRecord, PrimarySource, QuorumRecord, ReplyRecord};
use mpic_common::reply::{PerspectiveRole, Reply};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body};
use serde::Serialize;

use crate::finding::{self, Severity};
use crate::replay::Judged;

/// One decision and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The name of the log.
    pub log: String,
    /// The place of the decision in it.
    pub index: u64,
    /// RFC 3339, UTC.
    pub decided_at: String,
    /// Who asked.
    pub ca: CaId,
    /// The CA's own id of the certificate request.
    pub ca_request: Option<String>,
    /// The job's id.
    pub job: String,
    /// What sort of identifier it is.
    pub identifier_kind: IdentifierKind,
    /// What is to be certified, `*.` included.
    pub identifier: String,
    /// What was decided.
    pub outcome: Outcome,
    /// Who made the primary determination; where it was the CA, no perspective is the primary.
    pub primary: PrimarySource,
    /// One a check asked.
    pub checks: BTreeMap<CheckKind, CheckLine>,
    /// Where two checks were asked: both together.
    pub both: Option<QuorumRecord>,
    /// The primary, then the cohort in the order of their codes.
    pub perspectives: Vec<PerspectiveLine>,
    /// What a replay finds wrong with it, and with its late replies.
    pub findings: Vec<finding::Finding>,
    #[serde(skip)]
    pub(super) at: UnixMs,
    #[serde(skip)]
    pub(super) of: Identifier,
}

/// What came of one check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckLine {
    /// The method's id; none for CAA.
    pub method: Option<String>,
    /// Such as "3/4".
    pub quorum: String,
    /// What was decided on it.
    pub outcome: Outcome,
    /// Why it refuses.
    pub shortfalls: Vec<String>,
}

/// What one perspective attempted.
#[derive(Clone, Debug, Serialize)]
pub struct PerspectiveLine {
    /// Its code.
    pub code: PerspectiveId,
    /// In which role it was asked.
    pub role: PerspectiveRole,
    /// Its service region, by the directory document that the decision names.
    pub registry: Option<RegionalInternetRegistry>,
    /// Whether its reply came after the decision, and so was not counted.
    pub late: bool,
    /// One a check asked.
    pub checks: BTreeMap<CheckKind, Seen>,
}

/// What one perspective's check came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// What it concluded; none of the silent.
    pub verdict: Option<Verdict>,
    /// Why it did not pass, or why there is no reply that counts.
    pub reason: Option<String>,
    /// How it compares with the primary's; none of the primary itself.
    pub finding: Option<Finding>,
}

impl Attempt {
    pub(super) fn new(record: &DecisionRecord, log: &str, entry: &Judged) -> Self {
        let directory = entry.directory(&record.directory_hash);
        let line = |code: &PerspectiveId, role| PerspectiveLine {
            code: code.clone(),
            role,
            registry: directory
                .and_then(|directory| directory.perspective(code, record.requested_ms))
                .map(|perspective| perspective.egress.registry),
            late: false,
            checks: seen_by(code, record),
        };
        let primary = record.primary.perspective.iter();
        let primary = primary.map(|code| line(code, PerspectiveRole::Primary));
        let remotes = record.cohort.iter().map(|code| line(code, PerspectiveRole::Remote));
        let checks = record.checks.iter().map(|(check, found)| {
            let line = CheckLine {
                method: found.method.clone(),
                quorum: found.quorum.clone(),
                outcome: found.outcome,
                shortfalls: found.shortfalls.clone(),
            };
            (*check, line)
        });
        Self {
            log: log.to_owned(),
            index: entry.index,
            decided_at: record.decided_ms.to_string(),
            ca: record.ca.clone(),
            ca_request: record.ca_request.clone(),
            job: record.job.to_string(),
            identifier_kind: record.identifier.kind(),
            identifier: record.identifier.to_string(),
            outcome: record.outcome,
            primary: record.primary.source,
            checks: checks.collect(),
            both: record.both.clone(),
            perspectives: primary.chain(remotes).collect(),
            findings: entry.findings.clone(),
            at: record.decided_ms,
            of: record.identifier.clone(),
        }
    }

    /// Leaves out what is said of other checks.
    pub(super) fn keep(&mut self, check: CheckKind) {
        self.checks.retain(|kind, _| *kind == check);
        for line in &mut self.perspectives {
            line.checks.retain(|kind, _| *kind == check);
        }
    }

    /// What came late is shown beside the finding that stood without it.
    pub(super) fn add_late(&mut self, late: &LateRecord) {
        for reply in &late.replies {
            let mut lines = self.perspectives.iter_mut();
            if let Some(line) = lines.find(|line| line.code == reply.perspective && !line.late) {
                line.late = true;
                show_reply(reply, &mut line.checks);
            }
        }
    }

    /// Whether a check of the replay failed.
    pub fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

fn seen_by(code: &PerspectiveId, record: &DecisionRecord) -> BTreeMap<CheckKind, Seen> {
    let mut missing = record.missing.iter();
    let missing = missing.find(|missing| missing.perspective == *code);
    let seen = |(check, found): (&CheckKind, &mpic_common::record::CheckRecord)| {
        let reason = missing.map(|missing| missing.reason.as_str().to_owned());
        let finding = found.findings.get(code).copied();
        (*check, Seen { verdict: None, reason, finding })
    };
    let mut checks = record.checks.iter().map(seen).collect();
    if let Some(reply) = record.replies.iter().find(|reply| reply.perspective == *code) {
        show_reply(reply, &mut checks);
    }
    checks
}

/// Puts in what the reply says, as far as it can be read.
fn show_reply(reply: &ReplyRecord, checks: &mut BTreeMap<CheckKind, Seen>) {
    let envelope = Envelope::parse(&reply.reply.0, RECORD_OCTETS_MAX);
    let decoded = envelope.and_then(|envelope| decode_body::<Reply>(Kind::Reply, envelope.body));
    let Ok(decoded) = decoded else { return };
    for (check, observation) in &decoded.observations {
        if let Some(seen) = checks.get_mut(check) {
            seen.verdict = Some(observation.verdict);
            seen.reason = observation.reason.map(|reason| reason.as_str().to_owned());
        }
    }
}
