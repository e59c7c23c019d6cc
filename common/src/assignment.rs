//! What a coordinator asks perspectives: signed once for all that get it.

use serde::{Deserialize, Serialize};

use crate::code::{CoordinatorId, PerspectiveId};
use crate::directory::{Directory, NotAdmitted, Owner};
use crate::job::{FieldError, Job, JobId};
use crate::limits::{ASSIGNMENT_OCTETS_MAX, JOB_OCTETS_MAX};
use crate::octets::{Hash, Octets};
use crate::signature::{SigningKey, Strict, Verifier};
use crate::time::UnixMs;
use crate::wire::{Envelope, Kind, Malformed, decode_body, encode_body, envelope};

/// The body of an `assignment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who asks.
    pub coordinator: CoordinatorId,
    /// For which job.
    pub job: JobId,
    /// Who is asked.
    pub perspectives: Vec<PerspectiveId>,
    /// The CA's job, byte for byte.
    pub job_envelope: Octets,
    /// SHA-256 of the job's body.
    pub job_digest: Hash,
    /// How long the checks may take.
    pub budget_ms: u64,
    /// By when the reply must have left.
    pub deadline_ms: UnixMs,
    /// The largest reply.
    pub reply_octets_max: usize,
}

/// A signed assignment: its exact octets, and what replies to it sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAssignment {
    /// The envelope.
    pub octets: Vec<u8>,
    /// SHA-256 of the body.
    pub digest: Hash,
}

/// An assignment that a coordinator of the directory signed, and the job in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAssignment {
    /// The assignment.
    pub assignment: Assignment,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// The job that it hands on, admitted by the directory.
    pub job: Job,
}

/// Why octets are no assignment to be performed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// No envelope, or no assignment in it.
    #[error("cannot decode the assignment")]
    Malformed(#[from] Malformed),
    /// Signed by no coordinator's key in force, or for another coordinator.
    #[error("the assignment is signed by no coordinator `{0}` of the directory")]
    UnknownKey(CoordinatorId),
    /// The signature does not hold.
    #[error("the assignment's signature does not verify")]
    BadSignature,
    /// The job inside is not the one that is named.
    #[error("the assignment does not hold the job that it names")]
    OtherJob,
    /// The job inside does not parse.
    #[error("the assignment's job is invalid: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    InvalidJob(Vec<FieldError>),
    /// The directory does not admit the job.
    #[error("the assignment's job is not admitted")]
    NotAdmitted(#[from] NotAdmitted),
}

impl Assignment {
    /// Signs the assignment, over the digest of the job's body.
    pub fn sign(&self, key: &SigningKey) -> SignedAssignment {
        let body = encode_body(Kind::Assignment, self);
        let octets = envelope::seal(Kind::Assignment, &body, key, Some(self.job_digest));
        SignedAssignment { octets, digest: Hash::of(&body) }
    }

    /// Verifies that a coordinator of `directory`, whose key is in force at `at`, signed `octets`,
    /// and that the directory admits the job.
    pub fn verify(
        octets: &[u8],
        directory: &Directory,
        at: UnixMs,
    ) -> Result<VerifiedAssignment, AssignmentError> {
        Self::verify_with(&Strict, octets, directory, at)
    }

    /// The same, with what holds signatures against keys.
    pub fn verify_with(
        verifier: &dyn Verifier,
        octets: &[u8],
        directory: &Directory,
        at: UnixMs,
    ) -> Result<VerifiedAssignment, AssignmentError> {
        let envelope = Envelope::parse(octets, ASSIGNMENT_OCTETS_MAX)?.of_kind(Kind::Assignment)?;
        let assignment: Self = decode_body(Kind::Assignment, envelope.body)?;
        let key = envelope
            .seal
            .and_then(|seal| directory.key(seal.key, at))
            .filter(|key| key.owner == Owner::Coordinator(assignment.coordinator.clone()))
            .ok_or_else(|| AssignmentError::UnknownKey(assignment.coordinator.clone()))?;
        envelope
            .verify_with(verifier, &key.public, Some(assignment.job_digest))
            .map_err(|_| AssignmentError::BadSignature)?;
        let job_envelope =
            Envelope::parse(&assignment.job_envelope.0, JOB_OCTETS_MAX)?.of_kind(Kind::Job)?;
        if job_envelope.digest() != assignment.job_digest {
            return Err(AssignmentError::OtherJob);
        }
        let job = Job::parse(job_envelope.body).map_err(AssignmentError::InvalidJob)?;
        if job.id != assignment.job {
            return Err(AssignmentError::OtherJob);
        }
        directory.admit_with(verifier, &job_envelope, &job, at)?;
        let digest = envelope.digest();
        Ok(VerifiedAssignment { assignment, digest, job })
    }
}

#[cfg(test)]
mod tests;
