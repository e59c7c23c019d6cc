//! Whether an assignment is performed: signed by a coordinator, for this perspective, in time.

use std::time::Duration;

use mpic_common::assignment::{Assignment, AssignmentError, VerifiedAssignment};
use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::job::{Job, JobId};
use mpic_common::octets::Hash;
use mpic_common::record::RefusalCode;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::Malformed;
use serde::Serialize;

use super::Dropped;

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Admission {
    Admitted(Box<Admitted>),
    /// It is in a version that this software does not speak.
    OtherVersion,
    Dropped(Dropped),
}

/// An assignment to be performed.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) job: Job,
    /// SHA-256 of the job's body.
    pub(super) job_digest: Hash,
    /// SHA-256 of the assignment's body.
    pub(super) digest: Hash,
    /// What is left of the assignment's time.
    pub(super) budget: Duration,
    /// How far the deadline lies beyond the budget, which is one of the clocks' fault.
    pub(super) skew: Duration,
    pub(super) deadline_ms: UnixMs,
    pub(super) reply_octets_max: usize,
}

/// The body of an agent's refusal: unsigned, a hint to ask another agent.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    job: Option<JobId>,
    job_digest: Hash,
    code: RefusalCode,
    retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(super) fn other_version() -> Self {
        let code = RefusalCode::UnsupportedVersion;
        let retry_after_ms = code.retry_after_ms();
        Self { job: None, job_digest: Hash::ZERO, code, retry_after_ms }
    }
}

/// Judges a message for the agents of `own`, whose sender wants its reply at `reply_to`.
pub(super) fn admit(
    payload: &[u8],
    reply_to: &str,
    own: &PerspectiveId,
    directory: &Directory,
    now: UnixMs,
) -> Admission {
    let Some((_, coordinator, _)) =
        subject::parse_reply(reply_to).filter(|(perspective, ..)| perspective == own)
    else {
        return Admission::Dropped(Dropped::ReplySubject);
    };
    let verified = match Assignment::verify(payload, directory, now) {
        Ok(verified) => verified,
        Err(AssignmentError::Malformed(Malformed::Version(_))) => return Admission::OtherVersion,
        Err(error) => return Admission::Dropped(dropped(&error)),
    };
    if verified.assignment.coordinator != coordinator {
        return Admission::Dropped(Dropped::OtherCoordinator);
    }
    if !verified.assignment.perspectives.contains(own) {
        return Admission::Dropped(Dropped::NotAsked);
    }
    if now >= verified.assignment.deadline_ms {
        return Admission::Dropped(Dropped::Expired);
    }
    Admission::Admitted(Box::new(admitted(verified, now)))
}

fn admitted(verified: VerifiedAssignment, now: UnixMs) -> Admitted {
    let VerifiedAssignment { assignment, digest, job } = verified;
    let (given, left) =
        (Duration::from_millis(assignment.budget_ms), assignment.deadline_ms.since(now));
    Admitted {
        job,
        job_digest: assignment.job_digest,
        digest,
        budget: given.min(left),
        skew: left.saturating_sub(given),
        deadline_ms: assignment.deadline_ms,
        reply_octets_max: assignment.reply_octets_max,
    }
}

fn dropped(error: &AssignmentError) -> Dropped {
    match error {
        AssignmentError::Malformed(_) => Dropped::Malformed,
        AssignmentError::UnknownKey(_) => Dropped::UnknownKey,
        AssignmentError::BadSignature => Dropped::BadSignature,
        AssignmentError::OtherJob => Dropped::OtherJob,
        AssignmentError::InvalidJob(_) => Dropped::InvalidJob,
        AssignmentError::NotAdmitted(_) => Dropped::NotAdmitted,
    }
}
