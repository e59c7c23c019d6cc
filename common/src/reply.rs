//! What a perspective answers, and what must hold before it counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::PerspectiveId;
use crate::directory::{Directory, Owner};
use crate::identifier::Identifier;
use crate::job::{Job, JobId};
use crate::limits::REPLY_TIMES_SLACK;
use crate::observation::{CheckKind, Finding, Observation, Primary, ResolverIdentity, compare};
use crate::octets::Hash;
use crate::perspective::RegionalInternetRegistry;
use crate::policy::Findings;
use crate::reason::Verdict;
use crate::signature::{SigningKey, Strict, Verifier};
use crate::time::UnixMs;
use crate::wire::{Envelope, Kind, decode_body, encode_body, envelope};

/// Whether a perspective makes the primary determination or corroborates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PerspectiveRole {
    /// The primary.
    Primary,
    /// A remote.
    Remote,
}

/// Whether an agent performed the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyOutcome {
    /// It did.
    Observed,
    /// It has no permit left; another agent of the perspective may have.
    Busy,
}

/// The body of a `reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whose it is.
    pub perspective: PerspectiveId,
    /// In which role.
    pub role: PerspectiveRole,
    /// The service region of the perspective.
    pub registry: RegionalInternetRegistry,
    /// The agent process, informational.
    pub agent: String,
    /// Name, version and source revision.
    pub software: String,
    /// SHA-256 of the effective configuration without secrets.
    pub config_digest: Hash,
    /// The DNS engines used; a `DnsSeen` names one by index.
    pub resolvers: Vec<ResolverIdentity>,
    /// Settings that weaken a rule, as `key=value`, sorted.
    pub relaxations: Vec<String>,
    /// What was checked.
    pub identifier: Identifier,
    /// For which job.
    pub job: JobId,
    /// SHA-256 of the body of the job that the agent was handed.
    pub job_digest: Hash,
    /// Whether there are observations.
    pub outcome: ReplyOutcome,
    /// One a check asked; none where busy.
    pub observations: BTreeMap<CheckKind, Observation>,
    /// When the agent began.
    pub started_ms: UnixMs,
    /// When it ended.
    pub ended_ms: UnixMs,
}

/// What a reply must answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who was asked.
    pub perspective: &'a PerspectiveId,
    /// In which role.
    pub role: PerspectiveRole,
    /// SHA-256 of the body of the assignment that was sent.
    pub assignment_digest: Hash,
    /// The job.
    pub job: &'a Job,
    /// SHA-256 of its body.
    pub job_digest: Hash,
    /// The largest reply.
    pub octets_max: usize,
}

/// Why a reply does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejected {
    /// It cannot be decoded, or contradicts itself.
    Malformed,
    /// The signature does not hold for this assignment.
    BadSignature,
    /// No key of an agent in force.
    UnknownKey,
    /// Another perspective's, or in another role.
    WrongPerspective,
    /// It answers another assignment.
    WrongAssignment,
    /// A further one where one counted.
    Duplicate,
    /// It came after its time, or was made at another by what it says.
    Expired,
}

impl Rejected {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadSignature => "bad-signature",
            Self::UnknownKey => "unknown-key",
            Self::WrongPerspective => "wrong-perspective",
            Self::WrongAssignment => "wrong-assignment",
            Self::Duplicate => "duplicate",
            Self::Expired => "expired",
        }
    }
}

/// A reply whose signature, perspective and assignment are those that were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReply(Reply);

impl std::ops::Deref for VerifiedReply {
    type Target = Reply;

    fn deref(&self) -> &Reply {
        &self.0
    }
}

impl Reply {
    /// Signs the reply to the assignment whose body has `assignment_digest`.
    pub fn sign(&self, key: &SigningKey, assignment_digest: Hash) -> Vec<u8> {
        let body = encode_body(Kind::Reply, self);
        envelope::seal(Kind::Reply, &body, key, Some(assignment_digest))
    }

    /// Verifies that `octets`, received at `received_ms`, are the reply of the perspective that was
    /// asked, to what it was asked.
    ///
    /// Its key is in force when it says that it ended, and when it was received: a key that was
    /// revoked in between may have signed an earlier time than there was. The coordinator that
    /// admits a reply and the auditor who looks at it again both ask here.
    pub fn verify(
        octets: &[u8],
        asked: &Asked<'_>,
        directory: &Directory,
        received_ms: UnixMs,
    ) -> Result<VerifiedReply, Rejected> {
        Self::verify_with(&Strict, octets, asked, directory, received_ms)
    }

    /// The same, with what holds the signature against the key.
    pub fn verify_with(
        verifier: &dyn Verifier,
        octets: &[u8],
        asked: &Asked<'_>,
        directory: &Directory,
        received_ms: UnixMs,
    ) -> Result<VerifiedReply, Rejected> {
        let envelope = Envelope::parse(octets, asked.octets_max)
            .and_then(|envelope| envelope.of_kind(Kind::Reply))
            .map_err(|_| Rejected::Malformed)?;
        let seal = envelope.seal.ok_or(Rejected::BadSignature)?;
        let key = directory.key(seal.key, received_ms).ok_or(Rejected::UnknownKey)?;
        if key.owner != Owner::Agent(asked.perspective.clone()) {
            return Err(Rejected::WrongPerspective);
        }
        envelope
            .verify_with(verifier, &key.public, Some(asked.assignment_digest))
            .map_err(|_| Rejected::BadSignature)?;
        let reply: Self =
            decode_body(Kind::Reply, envelope.body).map_err(|_| Rejected::Malformed)?;
        directory.key(seal.key, reply.ended_ms).ok_or(Rejected::UnknownKey)?;
        reply.answers(asked)?;
        Ok(VerifiedReply(reply))
    }

    /// Whether it was made between being asked for and being received, as far as clocks agree.
    pub fn is_timely(&self, asked_ms: UnixMs, received_ms: UnixMs) -> bool {
        asked_ms <= self.started_ms.plus(REPLY_TIMES_SLACK)
            && self.started_ms <= self.ended_ms
            && self.ended_ms <= received_ms.plus(REPLY_TIMES_SLACK)
    }

    fn answers(&self, asked: &Asked<'_>) -> Result<(), Rejected> {
        if self.perspective != *asked.perspective || self.role != asked.role {
            return Err(Rejected::WrongPerspective);
        }
        let same_job = self.job == asked.job.id
            && self.job_digest == asked.job_digest
            && self.identifier == asked.job.identifier;
        if !same_job {
            return Err(Rejected::WrongAssignment);
        }
        match self.outcome {
            ReplyOutcome::Busy if self.observations.is_empty() => Ok(()),
            ReplyOutcome::Busy => Err(Rejected::Malformed),
            ReplyOutcome::Observed if !self.observations.keys().copied().eq(asked.job.checks()) => {
                Err(Rejected::WrongAssignment)
            }
            ReplyOutcome::Observed => self
                .observations
                .iter()
                .try_for_each(|(check, observation)| is_of(observation, *check, asked.job)),
        }
    }
}

/// Whether an observation is of this check and method, and its determination is one.
fn is_of(observation: &Observation, check: CheckKind, job: &Job) -> Result<(), Rejected> {
    let method = match check {
        CheckKind::Dcv => job.dcv.as_ref().map(|dcv| dcv.challenge.method_id()),
        CheckKind::Caa => None,
    };
    if observation.check != check || observation.method.as_deref() != method {
        return Err(Rejected::WrongAssignment);
    }
    let fits = match (observation.verdict, observation.reason) {
        (Verdict::Pass, None) => observation.observed.is_some() == (check == CheckKind::Dcv),
        (Verdict::Pass, Some(_)) | (_, None) => false,
        (verdict, Some(reason)) => reason.verdict() == verdict && observation.observed.is_none(),
    };
    if fits { Ok(()) } else { Err(Rejected::Malformed) }
}

/// How one reply compares with the primary's observation. A relaxation that the coordinator does
/// not allow makes it unavailable.
pub fn finding(check: CheckKind, primary: Primary, reply: &Reply, allowed: &[String]) -> Finding {
    match reply.observations.get(&check) {
        Some(observation) if is_allowed(reply, allowed) => compare(primary, observation),
        _ => Finding::Unavailable,
    }
}

/// The primary's observation as what remotes are compared with; one made under a relaxation that
/// is not allowed counts as not passed.
pub fn primary(check: CheckKind, reply: &Reply, allowed: &[String]) -> Primary {
    match reply.observations.get(&check) {
        Some(observation) if is_allowed(reply, allowed) => Primary::from_observation(observation),
        _ => Primary::DidNotPass,
    }
}

fn is_allowed(reply: &Reply, allowed: &[String]) -> bool {
    reply.relaxations.iter().all(|relaxation| allowed.contains(relaxation))
}

/// The findings of one check from the replies of the remotes, silence left out.
pub fn findings<'a, R: std::ops::Deref<Target = Reply> + 'a>(
    check: CheckKind,
    primary: Primary,
    replies: impl IntoIterator<Item = (&'a PerspectiveId, &'a R)>,
    allowed: &[String],
) -> Findings {
    Findings {
        primary_passed: primary != Primary::DidNotPass,
        remotes: replies
            .into_iter()
            .map(|(code, reply)| (code.clone(), finding(check, primary, reply, allowed)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
