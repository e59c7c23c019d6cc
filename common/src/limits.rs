//! The constants that processes must agree on. Change one of them only with the others: see
//! `DUPLICATE_WINDOW`.

use std::time::Duration;

/// A job id is a UUIDv7; an older one is refused as `expired`: an older question is a new job.
pub const JOB_LIFETIME: Duration = Duration::from_secs(120);

/// How far two hosts' clocks may be apart. Relative budgets govern; absolute times only drop what
/// has waited.
pub const CLOCK_SKEW: Duration = Duration::from_secs(2);

/// How far the times that a reply states may lie outside of those of who asked. A reply further
/// off does not count: an auditor could not tell it from one of another time.
pub const REPLY_TIMES_SLACK: Duration = Duration::from_secs(5);

/// Everything up to the answer, where the job does not say.
pub const BUDGET: Duration = Duration::from_secs(30);
/// The shortest budget of a job.
pub const BUDGET_MIN: Duration = Duration::from_secs(5);
/// The longest budget of a job.
pub const BUDGET_MAX: Duration = Duration::from_secs(60);

/// How long the stream remembers a message id. Longer than `JOB_LIFETIME`, the largest budget and
/// twice `CLOCK_SKEW` together, so a job has at most one decision for ever.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(240);

/// No decision is published once its job is this old.
pub const PUBLISH_AGE_MAX: Duration = Duration::from_secs(180);

/// What is kept of a budget for recording: an election of a stream leader takes 4 to 8 s.
pub const RECORD_RESERVE_MAX: Duration = Duration::from_secs(10);

/// The longest time for the perspectives to reply.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(20);

/// What an assignment's deadline lies before the coordinator's own.
pub const NETWORK_ALLOWANCE: Duration = Duration::from_millis(250);

/// The shortest wait for stragglers once the outcome is settled.
pub const STRAGGLER_WAIT_MIN: Duration = Duration::from_millis(20);
/// The longest wait for stragglers, where neither job nor config says.
pub const STRAGGLER_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that a job may ask for.
pub const STRAGGLER_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long after the decision replies still go on record.
pub const LATE_WINDOW: Duration = Duration::from_secs(2);

/// How long a record may take from the stream into the log. A CA that waits for a proof waits so
/// long; a decision that the log still lacks then is evidence against the operator.
pub const MERGE_DELAY: Duration = Duration::from_secs(60);

/// The longest that one request for a proof may wait.
pub const PROOF_WAIT_MAX: Duration = Duration::from_secs(30);

/// Sends to one perspective: the first, one repeat after 503 or busy, one re-send.
pub const SENDS_MAX: usize = 3;

/// The largest cohort.
pub const COHORT_MAX: usize = 20;

/// A job's envelope.
pub const JOB_OCTETS_MAX: usize = 8_192;
/// An assignment's envelope.
pub const ASSIGNMENT_OCTETS_MAX: usize = 10_240;
/// A record's envelope; headers take the rest of 65,535.
pub const RECORD_OCTETS_MAX: usize = 64_512;
/// A directory document's envelope.
pub const DIRECTORY_OCTETS_MAX: usize = 40_960;
/// A request for a proof, its envelope.
pub const PROOF_REQUEST_OCTETS_MAX: usize = 256;
/// An answer's envelope.
pub const ANSWER_OCTETS_MAX: usize = 73_728;

/// Octets of a decision's record, and of what wraps a superseded one, beside the job, the replies
/// and what each member takes; among them those of the coordinator's relaxations.
const RECORD_FRAME_OCTETS: usize = 4_608;
/// Octets that one perspective takes in a decision's record beside its reply: its code where it is
/// asked, listed and found, and the hashes of three replies that do not count.
const RECORD_MEMBER_OCTETS: usize = 680;
/// Octets of the relaxations that a coordinator allows, each with two more.
pub const RELAXATIONS_OCTETS_MAX: usize = 1_024;

/// The largest reply where `perspectives` are asked, primary included, about a job whose envelope
/// has `job_octets`: so what was asked can be recorded, whatever comes back. The record may hold
/// the job twice.
pub fn reply_octets_max(perspectives: usize, job_octets: usize) -> usize {
    let perspectives = perspectives.max(1);
    let taken = RECORD_FRAME_OCTETS + 2 * job_octets + perspectives * RECORD_MEMBER_OCTETS;
    let left = RECORD_OCTETS_MAX.saturating_sub(taken).min(40 * 1_024);
    (left / perspectives).min(8_192)
}

#[cfg(test)]
mod tests;
