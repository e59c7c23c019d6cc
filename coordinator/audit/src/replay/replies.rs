//! R8: the signed replies of a decision, and those that came late.

use std::collections::BTreeMap;

use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::record::{RejectedRecord, ReplyRecord};
use mpic_common::reply::{self, PerspectiveRole, Rejected, Reply, ReplyOutcome, VerifiedReply};
use mpic_common::time::UnixMs;
use mpic_common::wire::Envelope;

use super::asked::Asked;
use super::documents::Grounds;
use super::problem::Problems;

/// What replies must fit.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) asked: &'a Asked,
    pub(super) directory: &'a Directory,
    pub(super) grounds: Grounds<'a>,
    pub(super) primary: Option<&'a PerspectiveId>,
    /// The first send.
    pub(super) started_ms: UnixMs,
    /// The decision, or the end of the late window.
    pub(super) closed_ms: UnixMs,
}

/// The replies that hold, by perspective.
pub(super) fn check(
    replies: &[ReplyRecord],
    expected: Expected<'_>,
    problems: &mut Problems,
) -> BTreeMap<PerspectiveId, VerifiedReply> {
    let mut verified = BTreeMap::new();
    for record in replies {
        let what = format!("reply of {}", record.perspective);
        let reply = problems.keep("R8", &what, verify(record, expected));
        let Some(reply) = reply else { continue };
        problems.demand(reply.outcome == ReplyOutcome::Observed, "R8", || {
            format!("{what}: a busy perspective has not replied")
        });
        check_times(record, &reply, expected, &what, problems);
        if verified.insert(record.perspective.clone(), reply).is_some() {
            problems.error("R8", format!("{what}: there are two"));
        }
    }
    let in_order = replies.is_sorted_by(|one, two| one.perspective < two.perspective);
    problems.demand(in_order, "R8", || "the replies are not sorted".to_owned());
    verified
}

/// The reply as its perspective signed it, over the assignment that asked for it.
pub(super) fn verify(
    record: &ReplyRecord,
    expected: Expected<'_>,
) -> Result<VerifiedReply, String> {
    let perspective = &record.perspective;
    let sent = expected.asked.of(perspective).ok_or("no assignment lists it")?;
    let is_primary = expected.primary == Some(perspective);
    let envelope = Envelope::parse(&record.reply.0, RECORD_OCTETS_MAX);
    let envelope = envelope.map_err(|error| error.to_string())?;
    expected.grounds.check_carried(envelope.seal, record.received_ms)?;
    let asked = reply::Asked {
        perspective,
        role: if is_primary { PerspectiveRole::Primary } else { PerspectiveRole::Remote },
        assignment_digest: sent.digest,
        job: &expected.asked.job,
        job_digest: expected.asked.job_digest,
        octets_max: sent.reply_octets_max,
    };
    let Expected { directory, grounds: Grounds { verifier, .. }, .. } = expected;
    let verified =
        Reply::verify_with(verifier, &record.reply.0, &asked, directory, record.received_ms);
    verified.map_err(|rejected: Rejected| rejected.as_str().to_owned())
}

/// A reply that was put aside for what it is must be so: a coordinator could otherwise silence
/// whom it likes.
pub(super) fn check_rejected(
    rejected: &[RejectedRecord],
    expected: Expected<'_>,
    problems: &mut Problems,
) {
    // A batch cannot tell that a signature does not hold.
    let expected = Expected { grounds: Grounds::strict(expected.grounds.documents), ..expected };
    for record in rejected {
        let RejectedRecord { perspective, received_ms, reason, hash, raw } = record;
        let Some(raw) = raw else { continue };
        problems.demand(Hash::of(&raw.0) == *hash, "R8", || {
            format!("a rejected reply does not have the hash {hash}")
        });
        let depends_on_octets_alone = matches!(
            reason,
            Rejected::Malformed
                | Rejected::BadSignature
                | Rejected::WrongPerspective
                | Rejected::WrongAssignment
        );
        let Some(perspective) = perspective.clone().filter(|_| depends_on_octets_alone) else {
            continue;
        };
        let what = format!("reply of {perspective}");
        let reply = ReplyRecord { perspective, received_ms: *received_ms, reply: raw.clone() };
        problems.demand(verify(&reply, expected).is_err(), "R8", || {
            format!("{what}: it was rejected as {}, and holds", reason.as_str())
        });
    }
}

/// Started, sent, observed, received, decided: in this order, as far as clocks agree.
fn check_times(
    record: &ReplyRecord,
    reply: &VerifiedReply,
    expected: Expected<'_>,
    what: &str,
    problems: &mut Problems,
) {
    let Reply { started_ms, ended_ms, .. } = **reply;
    let in_order = reply.is_timely(expected.started_ms, record.received_ms)
        && record.received_ms <= expected.closed_ms;
    problems.demand(in_order, "R8", || {
        format!(
            "{what}: asked at {}, begun {started_ms}, ended {ended_ms}, received {}, closed {}",
            expected.started_ms, record.received_ms, expected.closed_ms
        )
    });
}
