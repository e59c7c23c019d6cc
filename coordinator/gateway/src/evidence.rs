//! What each remote of a decision said, under its own signature.

use std::collections::BTreeMap;

use mpic_common::assignment::{Assignment, AssignmentError, VerifiedAssignment};
use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::observation::{CheckKind, Finding, Observation};
use mpic_common::record::{DecisionRecord, ReplyRecord};
use mpic_common::reply::{Asked, PerspectiveRole, Rejected, Reply, VerifiedReply};
use mpic_common::time::UnixMs;

/// One member of a cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Its code.
    pub code: PerspectiveId,
    /// What it said, or why nothing that it said counts.
    pub said: Said,
}

/// What is known of one remote.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Its observation under its verified signature, and how that compares.
    Observed(Box<Observation>, Finding),
    /// Nothing that counts, since then.
    Nothing {
        /// Why, as in the record.
        why: String,
        /// When that was certain.
        at: UnixMs,
    },
}

/// The remotes of `decision` for its one check, by code.
pub fn remotes(
    decision: &DecisionRecord,
    check: CheckKind,
    directory: &Directory,
) -> Result<Vec<Remote>, AssignmentError> {
    let verify = |octets: &mpic_common::octets::Octets| {
        Assignment::verify(&octets.0, directory, decision.started_ms)
    };
    let assignments: Vec<_> = decision.assignments.iter().map(verify).collect::<Result<_, _>>()?;
    let findings = decision.checks.get(&check).map(|record| &record.findings);
    let replies: BTreeMap<_, _> =
        decision.replies.iter().map(|reply| (&reply.perspective, reply)).collect();
    let said = |code: &PerspectiveId| {
        let nothing = |why: &str| Said::Nothing { why: why.to_owned(), at: decision.decided_ms };
        let Some(reply) = replies.get(code) else {
            let missing = decision.missing.iter().find(|missing| missing.perspective == *code);
            return nothing(missing.map_or("not-asked", |missing| missing.reason.as_str()));
        };
        let finding = findings.and_then(|findings| findings.get(code)).copied();
        match opened(reply, &assignments, directory) {
            Ok(verified) => verified.observations.get(&check).map_or_else(
                || nothing("busy"),
                |seen| {
                    let finding = finding.unwrap_or(Finding::Unavailable);
                    Said::Observed(Box::new(seen.clone()), finding)
                },
            ),
            Err(rejected) => nothing(rejected.as_str()),
        }
    };
    Ok(decision.cohort.iter().map(|code| Remote { code: code.clone(), said: said(code) }).collect())
}

fn opened(
    record: &ReplyRecord,
    assignments: &[VerifiedAssignment],
    directory: &Directory,
) -> Result<VerifiedReply, Rejected> {
    let perspective = &record.perspective;
    let mut given = assignments.iter();
    let asked = given
        .find(|asked| asked.assignment.perspectives.contains(perspective))
        .ok_or(Rejected::WrongAssignment)?;
    let asked = Asked {
        perspective,
        role: PerspectiveRole::Remote,
        assignment_digest: asked.digest,
        job: &asked.job,
        job_digest: asked.assignment.job_digest,
        octets_max: asked.assignment.reply_octets_max,
    };
    Reply::verify(&record.reply.0, &asked, directory, record.received_ms)
}
