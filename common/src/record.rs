//! What goes into the log: all that `decide` was given, what it said, and what else happened.
//!
//! Fields stand in wire order and are all present, nil where absent. Every record is signed by
//! its coordinator but `note`, which an operator signs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::{CaId, CoordinatorId, PerspectiveId};
use crate::identifier::Identifier;
use crate::job::{FieldError, JobId};
use crate::observation::{CheckKind, Finding};
use crate::octets::{Hash, Octets};
use crate::policy::{CheckDecision, Outcome};
use crate::reply::Rejected;
use crate::time::UnixMs;

/// The body of a `decision`: one a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The CA as the bus authenticated it.
    pub ca: CaId,
    /// The job.
    pub job: JobId,
    /// Who decided.
    pub coordinator: CoordinatorId,
    /// Name, version and source revision.
    pub software: String,
    /// The CA's own id of the certificate request.
    pub ca_request: Option<String>,
    /// What is to be certified.
    pub identifier: Identifier,
    /// The directory document used.
    pub directory_hash: Hash,
    /// The relaxations that the coordinator allows in a reply.
    pub relaxations: Vec<String>,
    /// The exact signed assignments, once each.
    pub assignments: Vec<Octets>,
    /// The CA's job, where nobody was asked.
    pub job_envelope: Option<Octets>,
    /// Of the cohort's selection.
    pub seed: u64,
    /// Who made the primary determination.
    pub primary: PrimaryRecord,
    /// The remotes selected, sorted: the "4" of "3/4".
    pub cohort: Vec<PerspectiveId>,
    /// The exact signed reply of each perspective that answered, sorted.
    pub replies: Vec<ReplyRecord>,
    /// Every other one, and why.
    pub missing: Vec<MissingRecord>,
    /// Replies that do not count.
    pub rejected: Vec<RejectedRecord>,
    /// One a check asked.
    pub checks: BTreeMap<CheckKind, CheckRecord>,
    /// Where both checks were asked: what the perspectives that corroborate both come to.
    pub both: Option<QuorumRecord>,
    /// `Corroborate` only if every check is, and both.
    pub outcome: Outcome,
    /// When the job was admitted; its UTC date is the one that the policy goes by.
    pub requested_ms: UnixMs,
    /// When the first assignment was sent; when the decision was made where none was.
    pub started_ms: UnixMs,
    /// When the decision was made.
    pub decided_ms: UnixMs,
}

/// Who made the primary determination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryRecord {
    /// The perspective of ours that was asked.
    pub perspective: Option<PerspectiveId>,
    /// Where the determination comes from.
    pub source: PrimarySource,
}

/// Where the primary determination comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrimarySource {
    /// The primary perspective's agent.
    Agent,
    /// The CA.
    External,
}

/// One reply that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyRecord {
    /// Whose it is.
    pub perspective: PerspectiveId,
    /// When it came.
    pub received_ms: UnixMs,
    /// Its exact octets.
    pub reply: Octets,
}

/// A perspective without a reply that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRecord {
    /// Who.
    pub perspective: PerspectiveId,
    /// Why.
    pub reason: Missing,
}

/// Why a perspective has no reply that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Nobody serves the perspective.
    NoResponders,
    /// Silent until the deadline.
    Timeout,
    /// Its agents have no permit left.
    Busy,
    /// It answered, and nothing that it said counts.
    Rejected,
    /// The primary did not pass, or the policy refuses beforehand.
    NotAsked,
    /// Decided without it.
    Pending,
}

impl Missing {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoResponders => "no-responders",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::NotAsked => "not-asked",
            Self::Pending => "pending",
        }
    }
}

/// A reply that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRecord {
    /// Who was asked for it.
    pub perspective: Option<PerspectiveId>,
    /// When it came.
    pub received_ms: UnixMs,
    /// Why it does not count.
    pub reason: Rejected,
    /// SHA-256 of its octets.
    pub hash: Hash,
    /// Its octets, where they fit.
    pub raw: Option<Octets>,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The method's id; nil for CAA.
    pub method: Option<String>,
    /// One a member of the cohort; silence is unavailable.
    pub findings: BTreeMap<PerspectiveId, Finding>,
    /// Such as "3/4".
    pub quorum: String,
    /// What `decide` said.
    pub outcome: Outcome,
    /// Why it refuses.
    pub shortfalls: Vec<String>,
}

/// What both checks together come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumRecord {
    /// Such as "3/4".
    pub quorum: String,
    /// What `decide` said.
    pub outcome: Outcome,
    /// Why it refuses.
    pub shortfalls: Vec<String>,
}

impl From<&CheckDecision> for QuorumRecord {
    fn from(decision: &CheckDecision) -> Self {
        Self {
            quorum: decision.quorum.to_string(),
            outcome: decision.outcome,
            shortfalls: decision.shortfalls.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The body of a `late`: replies of the late window, which change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRecord {
    /// The CA.
    pub ca: CaId,
    /// The job.
    pub job: JobId,
    /// Who decided.
    pub coordinator: CoordinatorId,
    /// The decision's leaf hash.
    pub decision_hash: Hash,
    /// Replies of perspectives that the decision has as missing.
    pub replies: Vec<ReplyRecord>,
    /// Replies that would not have counted.
    pub rejected: Vec<RejectedRecord>,
    /// When the window closed.
    pub closed_ms: UnixMs,
}

/// The body of a `superseded`: a decision that came second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupersededRecord {
    /// The CA.
    pub ca: CaId,
    /// The job.
    pub job: JobId,
    /// Who decided second.
    pub coordinator: CoordinatorId,
    /// The body of that decision.
    pub decision: Octets,
    /// The stream sequence of the decision that stands.
    pub lost_to: u64,
    /// When it was found out.
    pub at_ms: UnixMs,
}

/// The body of a `refusal`: no decision was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRecord {
    /// The CA.
    pub ca: CaId,
    /// The job, where it could be read.
    pub job: Option<JobId>,
    /// SHA-256 of the job's body, zeros where there is none.
    pub job_digest: Hash,
    /// Who refuses.
    pub coordinator: CoordinatorId,
    /// Why.
    pub code: RefusalCode,
    /// Every error of the job.
    pub errors: Vec<FieldError>,
    /// The remotes that would have been asked, where only what was asked of them is wrong.
    pub cohort: Option<Vec<PerspectiveId>>,
    /// When the same octets may be sent again; nil for never.
    pub retry_after_ms: Option<u64>,
    /// When.
    pub at_ms: UnixMs,
    /// How many refusals this one stands for.
    pub count: u64,
}

/// Why no decision was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// Octets that are no job.
    Malformed,
    /// A job whose content is wrong.
    Invalid,
    /// Another version.
    UnsupportedVersion,
    /// Not this CA's to ask.
    Forbidden,
    /// Too old, or from the future.
    Expired,
    /// The same id with other content.
    Conflict,
    /// A fault of the coordinator's own.
    Internal,
    /// No permit left.
    Busy,
    /// The decision could not be recorded, so there is none.
    Unrecorded,
    /// No cohort can be had now.
    NoCohort,
    /// Stands for a number of refusals.
    Counted,
}

impl RefusalCode {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Forbidden => "forbidden",
            Self::Expired => "expired",
            Self::Conflict => "conflict",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::Unrecorded => "unrecorded",
            Self::NoCohort => "no-cohort",
            Self::Counted => "counted",
        }
    }

    /// When the same octets may be sent again, ms; nil where repeating is no use.
    pub fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::Busy => Some(1_000),
            Self::Unrecorded => Some(5_000),
            Self::NoCohort => Some(30_000),
            _ => None,
        }
    }
}

/// The body of a `note`, which an operator signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRecord {
    /// Who.
    pub operator: String,
    /// `note`, `gap` or `incident`.
    pub kind: NoteKind,
    /// The stream sequences that it explains.
    pub seqs: Vec<u64>,
    /// When.
    pub at_ms: UnixMs,
    /// At most 8,192 octets.
    pub text: String,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// Anything.
    Note,
    /// A sequence that the stream lost.
    Gap,
    /// Something that went wrong.
    Incident,
}

/// The body of an `answer`, what a CA is told; unsigned, since what it carries is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The recorded decision, its exact octets.
    pub record: Option<Octets>,
    /// The stream that holds it.
    pub stream: Option<String>,
    /// Its sequence there.
    pub seq: Option<u64>,
    /// Its leaf hash in the log.
    pub leaf: Option<Hash>,
    /// A signed refusal instead.
    pub refusal: Option<Octets>,
}

/// SHA-256(0x00 || entry): the leaf hash of RFC 6962 2.1.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::of(&[&[0x00], entry].concat())
}
