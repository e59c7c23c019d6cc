//! What a coordinator counts, for whoever runs it. Labels are outcomes, codes, and perspectives
//! that the signed directory lists.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::code::PerspectiveId;
use mpic_common::record::RefusalCode;
use mpic_runtime::metrics::{Family, Histogram, Metric};

/// What became of jobs.
#[derive(Debug, Default)]
pub struct Jobs {
    durations: Family<&'static str, Histogram>,
    refusals: Family<RefusalCode, u64>,
}

/// How a job is answered. A decision is told by its own outcome.
const OUTCOMES: [&str; 5] = ["corroborate", "refuse", SUPERSEDED, REPEAT, NO_DECISION];
/// With another coordinator's decision.
pub const SUPERSEDED: &str = "superseded";
/// With the record of the first, or with the others that joined it.
pub const REPEAT: &str = "repeat";
/// With a refusal.
pub const NO_DECISION: &str = "no-decision";

/// What a CA can be told.
const CODES: [RefusalCode; 10] = [
    RefusalCode::Malformed,
    RefusalCode::Invalid,
    RefusalCode::UnsupportedVersion,
    RefusalCode::Forbidden,
    RefusalCode::Expired,
    RefusalCode::Conflict,
    RefusalCode::Internal,
    RefusalCode::Busy,
    RefusalCode::Unrecorded,
    RefusalCode::NoCohort,
];

impl Jobs {
    /// A job was answered, so long after it came.
    pub fn ended(&self, outcome: &'static str, after: Duration) {
        self.durations.update(&outcome, |durations| durations.observe(after));
    }

    /// A CA is told a refusal.
    pub fn refused(&self, code: RefusalCode) {
        self.refusals.update(&code, |count| *count += 1);
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<Metric> {
        let (mut totals, mut spans) = (Vec::new(), Vec::new());
        for (outcome, durations) in self.durations.read(OUTCOMES) {
            let total = Metric::count("mpic_jobs_total", durations.count());
            totals.push(total.of("outcome", outcome));
            let span = Metric::durations("mpic_job_duration_seconds", durations);
            spans.push(span.of("outcome", outcome));
        }
        let refusals = self.refusals.read(CODES).into_iter();
        let refused = refusals.map(|(code, count)| {
            Metric::count("mpic_refusals_total", count).of("code", code.as_str())
        });
        totals.into_iter().chain(spans).chain(refused).collect()
    }
}

/// What was sent to each perspective, and what came back.
#[derive(Debug, Clone, Default)]
pub struct Exchanges(Arc<Family<PerspectiveId, Exchange>>);

#[derive(Debug, Clone, Default)]
struct Exchange {
    sends: u64,
    resends: u64,
    no_responders: u64,
    busy: u64,
    replies: [u64; REPLIES.len()],
    durations: Histogram,
}

/// What a reply is to the question that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replied {
    /// The one that counts.
    First,
    /// Another, after the one that counts.
    Further,
    /// The first of its perspective, but after the decision.
    Late,
    /// It does not count.
    Rejected,
    /// Nobody waits for it.
    UnknownToken,
}

/// As labels, in the order of the variants.
const REPLIES: [&str; 5] = ["first", "further", "late", "rejected", "unknown_token"];

impl Exchanges {
    /// An assignment was sent; not the first to this perspective for its job.
    pub fn sent(&self, to: &PerspectiveId, is_repeat: bool) {
        self.0.update(to, |exchange| {
            exchange.sends += 1;
            exchange.resends += u64::from(is_repeat);
        });
    }

    /// No agent serves a send.
    pub fn unserved(&self, to: &PerspectiveId) {
        self.0.update(to, |exchange| exchange.no_responders += 1);
    }

    /// An agent had no permit for a send.
    pub fn busy(&self, to: &PerspectiveId) {
        self.0.update(to, |exchange| exchange.busy += 1);
    }

    /// A reply came.
    pub fn replied(&self, from: &PerspectiveId, replied: Replied) {
        self.0.update(from, |exchange| exchange.reply(replied));
    }

    /// A reply came that is the first of its perspective, so long after the first send.
    pub fn heard(&self, from: &PerspectiveId, replied: Replied, after: Duration) {
        self.0.update(from, |exchange| {
            exchange.reply(replied);
            exchange.durations.observe(after);
        });
    }

    /// All of it; nothing for `listed` perspectives that nobody asked yet.
    pub fn metrics(&self, listed: &BTreeSet<PerspectiveId>) -> Vec<Metric> {
        let all = self.0.read(listed.iter().cloned());
        let mut metrics = Vec::new();
        for (perspective, exchange) in &all {
            for (name, count) in [
                ("mpic_sends_total", exchange.sends),
                ("mpic_resends_total", exchange.resends),
                ("mpic_no_responders_total", exchange.no_responders),
                ("mpic_busy_total", exchange.busy),
            ] {
                metrics.push(Metric::count(name, count).of("perspective", perspective));
            }
            for (outcome, count) in REPLIES.into_iter().zip(exchange.replies) {
                let replies = Metric::count("mpic_replies_total", count);
                metrics.push(replies.of("perspective", perspective).of("outcome", outcome));
            }
            let span = Metric::durations("mpic_reply_duration_seconds", exchange.durations);
            metrics.push(span.of("perspective", perspective));
        }
        metrics
    }
}

impl Exchange {
    fn reply(&mut self, replied: Replied) {
        if let Some(count) = self.replies.get_mut(replied as usize) {
            *count += 1;
        }
    }
}

/// What the stream said of records.
#[derive(Debug, Default)]
pub struct PubAcks(Family<&'static str, Histogram>);

impl PubAcks {
    /// The stream said so of one try, so long after it was published.
    pub fn said(&self, outcome: &'static str, after: Duration) {
        self.0.update(&outcome, |durations| durations.observe(after));
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<Metric> {
        let (mut totals, mut spans) = (Vec::new(), Vec::new());
        for (outcome, durations) in self.0.read(["stored", "duplicate", "retry", "refused"]) {
            let total = Metric::count("mpic_pubacks_total", durations.count());
            totals.push(total.of("outcome", outcome));
            let span = Metric::durations("mpic_puback_duration_seconds", durations);
            spans.push(span.of("outcome", outcome));
        }
        totals.into_iter().chain(spans).collect()
    }
}
