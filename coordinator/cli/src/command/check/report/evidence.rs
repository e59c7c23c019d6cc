//! The replies in a decision, each verified under its perspective's key and over the assignment
//! that it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use mpic_common::assignment::{Assignment, AssignmentError, VerifiedAssignment};
use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::evidence::{CaaDecision, CaaSeen};
use mpic_common::job::Job;
use mpic_common::limits::JOB_OCTETS_MAX;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::policy::{CertificateType, Stricter};
use mpic_common::record::{DecisionRecord, ReplyRecord};
use mpic_common::reply::{Asked, PerspectiveRole, Rejected, Reply, VerifiedReply};
use mpic_common::wire::{Envelope, Malformed};

use super::reply::{self, property};
use super::{CaaRecords, Cell, Row};

/// Why a decision cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(in crate::command) enum EvidenceError {
    /// An assignment in it that no coordinator signed.
    #[error("the decision holds an assignment that cannot be believed")]
    Assignment(#[from] AssignmentError),
    /// A job in it that cannot be read.
    #[error("the decision holds a job that cannot be read")]
    Job(#[from] Malformed),
    /// No job at all.
    #[error("the decision holds no job")]
    NoJob,
}

/// A decision with its verified parts.
pub(in crate::command) struct Evidence<'a> {
    decision: &'a DecisionRecord,
    directory: &'a Directory,
    job: Job,
    replies: BTreeMap<&'a PerspectiveId, Result<VerifiedReply, Rejected>>,
}

impl<'a> Evidence<'a> {
    /// Verifies assignments and replies.
    pub(in crate::command) fn open(
        decision: &'a DecisionRecord,
        directory: &'a Directory,
    ) -> Result<Self, EvidenceError> {
        let at = decision.started_ms;
        let assignments: Vec<VerifiedAssignment> = decision
            .assignments
            .iter()
            .map(|octets| Assignment::verify(&octets.0, directory, at))
            .collect::<Result<_, _>>()?;
        let job = match assignments.first() {
            Some(first) => first.job.clone(),
            None => unasked(decision)?,
        };
        let verify = |reply: &'a ReplyRecord| {
            let verified = verify(reply, decision, &assignments, directory);
            (&reply.perspective, verified)
        };
        let replies = decision.replies.iter().map(verify).collect();
        Ok(Self { decision, directory, job, replies })
    }

    pub(in crate::command) fn certificate_type(&self) -> CertificateType {
        self.job.certificate_type
    }

    /// What was asked, decoded.
    pub(super) fn asked(&self) -> serde_json::Value {
        mpic_audit::show::body(&self.job.to_body()).unwrap_or_default()
    }

    /// What the job asks beyond the policy.
    pub(in crate::command) fn stricter(&self) -> Stricter {
        self.job.stricter
    }

    /// The primary, then the cohort.
    pub(in crate::command) fn rows(&self) -> Vec<Row> {
        let primary = self.decision.primary.perspective.iter();
        let remotes = self.decision.cohort.iter().map(|code| (code, PerspectiveRole::Remote));
        primary
            .map(|code| (code, PerspectiveRole::Primary))
            .chain(remotes)
            .map(|(code, role)| self.row(code, role))
            .collect()
    }

    fn row(&self, code: &PerspectiveId, role: PerspectiveRole) -> Row {
        let listed = self.directory.perspective(code, self.decision.started_ms);
        let mut row = Row {
            perspective: code.clone(),
            role,
            registry: listed.map(|listed| listed.egress.registry),
            missing: None,
            checks: BTreeMap::new(),
            elapsed_ms: None,
            reply: None,
        };
        match self.replies.get(code) {
            Some(Ok(reply)) => {
                let mut records = self.decision.replies.iter();
                let record = records.find(|record| record.perspective == *code);
                row.reply = record.map(|record| reply::reply(&record.reply.0, reply));
                row.checks = reply
                    .observations
                    .iter()
                    .map(|(check, seen)| (*check, self.cell(code, *check, seen)))
                    .collect();
                let elapsed_us = reply.observations.values().map(|seen| seen.elapsed_us).max();
                row.elapsed_ms = elapsed_us.map(|us| Duration::from_micros(us).as_secs_f64() * 1e3);
            }
            Some(Err(rejected)) => row.missing = Some(rejected.as_str().to_owned()),
            None => row.missing = self.missing(code),
        }
        row
    }

    fn cell(&self, code: &PerspectiveId, check: CheckKind, observation: &Observation) -> Cell {
        let record = self.decision.checks.get(&check);
        Cell {
            verdict: observation.verdict,
            reason: observation.reason,
            detail: observation.detail.clone(),
            finding: record.and_then(|record| record.findings.get(code)).copied(),
        }
    }

    fn missing(&self, code: &PerspectiveId) -> Option<String> {
        let mut missing = self.decision.missing.iter();
        missing.find(|one| one.perspective == *code).map(|one| one.reason.as_str().to_owned())
    }

    /// The CAA sets that do not permit issuance.
    pub(super) fn caa_records(&self) -> Vec<CaaRecords> {
        let mut sets: BTreeMap<(String, Vec<String>), Vec<PerspectiveId>> = BTreeMap::new();
        for (code, reply) in &self.replies {
            let seen = reply
                .iter()
                .filter_map(|reply| reply.observations.get(&CheckKind::Caa)?.caa.as_ref())
                .find(|seen| seen.decision == CaaDecision::Prohibit);
            if let Some(CaaSeen { found_at: Some(found_at), records, .. }) = seen {
                let records = records.iter().map(property).collect();
                sets.entry((found_at.clone(), records)).or_default().push((*code).clone());
            }
        }
        sets.into_iter()
            .map(|((found_at, records), seen_by)| CaaRecords { found_at, records, seen_by })
            .collect()
    }
}

/// The job of a decision for which nobody was asked.
fn unasked(decision: &DecisionRecord) -> Result<Job, EvidenceError> {
    let octets = decision.job_envelope.as_ref().ok_or(EvidenceError::NoJob)?;
    let envelope = Envelope::parse(&octets.0, JOB_OCTETS_MAX)?;
    Job::parse(envelope.body).map_err(|_| EvidenceError::NoJob)
}

fn verify(
    record: &ReplyRecord,
    decision: &DecisionRecord,
    assignments: &[VerifiedAssignment],
    directory: &Directory,
) -> Result<VerifiedReply, Rejected> {
    let perspective = &record.perspective;
    let mut given = assignments.iter();
    let asked = given
        .find(|asked| asked.assignment.perspectives.contains(perspective))
        .ok_or(Rejected::WrongAssignment)?;
    let is_primary = decision.primary.perspective.as_ref() == Some(perspective);
    let asked = Asked {
        perspective,
        role: if is_primary { PerspectiveRole::Primary } else { PerspectiveRole::Remote },
        assignment_digest: asked.digest,
        job: &asked.job,
        job_digest: asked.assignment.job_digest,
        octets_max: asked.assignment.reply_octets_max,
    };
    Reply::verify(&record.reply.0, &asked, directory, record.received_ms)
}
