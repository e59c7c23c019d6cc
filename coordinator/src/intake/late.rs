//! Replies that come after the decision: on record, and without effect.

use tokio::time::Instant;

use mpic_common::job::Job;
use mpic_common::limits::LATE_WINDOW;
use mpic_common::octets::Hash;
use mpic_common::record::LateRecord;
use mpic_runtime::clock::Clock;

use crate::corroboration::{Asker, Stragglers};
use crate::decision::{Signed, reply_record, sign_late};
use crate::perspectives::Answered;

/// Waits for the late window, or until nobody is still out, and signs what came; nothing where
/// nothing came.
pub(super) async fn collect<P, C: Clock>(
    mut stragglers: Stragglers,
    job: &Job,
    job_digest: Hash,
    decision_hash: Hash,
    asker: &Asker<P, C>,
) -> Option<Signed> {
    if stragglers.is_empty() {
        return None;
    }
    let closes = Instant::now() + LATE_WINDOW;
    let mut replies = Vec::new();
    while let Some((perspective, answered)) = stragglers.next(closes).await {
        if let Answered::Heard(heard) = answered {
            replies.push(reply_record(&perspective, &heard));
        }
    }
    replies.sort_by(|one, other| one.perspective.cmp(&other.perspective));
    let closed_ms = asker.clock.now();
    let late = LateRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: asker.coordinator.clone(),
        decision_hash,
        replies,
        rejected: stragglers.rejected(closed_ms),
        closed_ms,
    };
    sign_late(late, job_digest, &asker.key)
}
