//! Every figure that a process tells: one table, from which `/metrics` takes type and help, and to
//! which documents, dashboard and alert rules are held.

use Kind::{Counter, Gauge, Histogram};

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the process starts anew.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Durations, counted by how long they were.
    Histogram,
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// `mpic_` and more; a counter's ends in `_total`.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What tells its series apart: each from a closed set, or from the signed directory document.
    pub labels: &'static [&'static str],
    /// Which processes tell it.
    pub of: &'static str,
    /// What it says.
    pub help: &'static str,
}

impl Kind {
    /// As Prometheus spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The definition of the figure of this name.
pub fn definition(name: &str) -> Option<&'static Definition> {
    METRICS.iter().find(|definition| definition.name == name)
}

const fn defined(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    of: &'static str,
    help: &'static str,
) -> Definition {
    Definition { name, kind, labels, of, help }
}

const EVERY: &str = "every process";
const COORDINATOR: &str = "coordinator";
const AGENT: &str = "agent";
const GATEWAY: &str = "gateway";
const AUDIT: &str = "audit consumer";

/// All of them.
pub const METRICS: &[Definition] = &[
    defined("mpic_ready", Gauge, &[], EVERY, "1 where /readyz says 200, else 0."),
    defined(
        "mpic_nats_events_total",
        Counter,
        &["kind"],
        EVERY,
        "What befell the connection to the bus: connected, disconnected, slow_consumer, lame_duck, \
         unauthorized, subscription_denied, publish_denied, other.",
    ),
    defined(
        "mpic_nats_reconnects_total",
        Counter,
        &[],
        EVERY,
        "Connections to the bus after the first.",
    ),
    defined(
        "mpic_nats_round_trip_seconds",
        Gauge,
        &[],
        EVERY,
        "How long the last echo took to the bus and back.",
    ),
    defined(
        "mpic_log_lines_left_out_total",
        Counter,
        &[],
        EVERY,
        "Warnings and errors that were not logged since there were more than ten a second of their \
         kind.",
    ),
    defined(
        "mpic_jobs_total",
        Counter,
        &["outcome"],
        COORDINATOR,
        "Jobs that were answered: corroborate, refuse (decisions), superseded (with another \
         coordinator's decision), repeat (with the record of the first), no-decision (with a refusal).",
    ),
    defined(
        "mpic_job_duration_seconds",
        Histogram,
        &["outcome"],
        COORDINATOR,
        "From a job's arrival to the end of its answer.",
    ),
    defined(
        "mpic_jobs_inflight",
        Gauge,
        &[],
        COORDINATOR,
        "Jobs that are at work and not answered yet.",
    ),
    defined("mpic_jobs_capacity", Gauge, &[], COORDINATOR, "Above so many a job is busy."),
    defined(
        "mpic_refusals_total",
        Counter,
        &["code"],
        COORDINATOR,
        "Refusals that CAs were told, recorded or not.",
    ),
    defined(
        "mpic_sends_total",
        Counter,
        &["perspective"],
        COORDINATOR,
        "Assignments sent, repeats among them.",
    ),
    defined(
        "mpic_resends_total",
        Counter,
        &["perspective"],
        COORDINATOR,
        "Assignments sent once more to who was asked before.",
    ),
    defined(
        "mpic_no_responders_total",
        Counter,
        &["perspective"],
        COORDINATOR,
        "Sends that no agent serves, as the server of the bus says.",
    ),
    defined(
        "mpic_busy_total",
        Counter,
        &["perspective"],
        COORDINATOR,
        "Sends that an agent had no permit for.",
    ),
    defined(
        "mpic_replies_total",
        Counter,
        &["perspective", "outcome"],
        COORDINATOR,
        "Replies: first (counts), further (after that), late (after the decision), rejected, \
         unknown_token (nobody waits for it).",
    ),
    defined(
        "mpic_reply_duration_seconds",
        Histogram,
        &["perspective"],
        COORDINATOR,
        "From the first send to the reply that counts.",
    ),
    defined(
        "mpic_pubacks_total",
        Counter,
        &["outcome"],
        COORDINATOR,
        "What the stream said of a record: stored, duplicate, retry (nothing in time, or not now), \
         refused.",
    ),
    defined(
        "mpic_puback_duration_seconds",
        Histogram,
        &["outcome"],
        COORDINATOR,
        "How long the stream took to say it.",
    ),
    defined(
        "mpic_breaker_open",
        Gauge,
        &[],
        COORDINATOR,
        "1 while the stream takes no records, so that no job is begun.",
    ),
    defined(
        "mpic_agents_seen",
        Gauge,
        &["perspective"],
        COORDINATOR,
        "Agents that answer to discovery with a key that the directory lists for their perspective.",
    ),
    defined(
        "mpic_agents_foreign",
        Gauge,
        &[],
        COORDINATOR,
        "Agents that answer to discovery with a perspective or key that the directory does not list.",
    ),
    defined("mpic_agent_inflight", Gauge, &["perspective"], AGENT, "Jobs at work."),
    defined("mpic_agent_capacity", Gauge, &["perspective"], AGENT, "Above so many it is busy."),
    defined(
        "mpic_agent_dropped_total",
        Counter,
        &["perspective", "reason"],
        AGENT,
        "Assignments that are dropped without an answer.",
    ),
    defined(
        "mpic_gateway_responses_total",
        Counter,
        &["ca", "check", "status"],
        GATEWAY,
        "Requests answered: whose, for which check, with which HTTP status; without a CA where the \
         client did not say who it is.",
    ),
    defined(
        "mpic_gateway_response_duration_seconds",
        Histogram,
        &["check"],
        GATEWAY,
        "From a request's head to its answer.",
    ),
    defined("mpic_gateway_inflight", Gauge, &[], GATEWAY, "POSTs that are being answered."),
    defined(
        "mpic_gateway_bus_connected",
        Gauge,
        &["ca"],
        GATEWAY,
        "1 while the CA's connection to the bus stands.",
    ),
    defined("mpic_audit_entries", Gauge, &[], AUDIT, "Entries that the log has."),
    defined(
        "mpic_audit_lag_messages",
        Gauge,
        &[],
        AUDIT,
        "Messages of the stream that are not in the log yet.",
    ),
    defined("mpic_audit_lag_seconds", Gauge, &[], AUDIT, "How long the oldest of them has waited."),
    defined(
        "mpic_audit_hours_until_full",
        Gauge,
        &[],
        AUDIT,
        "Until the stream is full, if it goes on filling as in the last hour; +Inf where it does \
         not fill, 0 where it takes no more.",
    ),
    defined(
        "mpic_audit_commit_duration_seconds",
        Histogram,
        &[],
        AUDIT,
        "From a batch in order to its published checkpoint.",
    ),
    defined("mpic_audit_batch_entries", Gauge, &[], AUDIT, "Entries that the last commit added."),
    defined(
        "mpic_audit_checkpoint_age_seconds",
        Gauge,
        &[],
        AUDIT,
        "Since the last checkpoint was published, or since the start where none was yet.",
    ),
    defined(
        "mpic_audit_acks_failed_total",
        Counter,
        &[],
        AUDIT,
        "Acks that the stream did not answer.",
    ),
    defined(
        "mpic_audit_foreign_total",
        Counter,
        &[],
        AUDIT,
        "Entries that are no record: somebody publishes what is none.",
    ),
    defined(
        "mpic_audit_gaps",
        Gauge,
        &[],
        AUDIT,
        "Entries that this process put in the place of lost messages, by order of an operator.",
    ),
    defined(
        "mpic_audit_damage",
        Gauge,
        &[],
        AUDIT,
        "Errors that the verification of the whole log has found, which begins with each start.",
    ),
    defined(
        "mpic_audit_conflict",
        Gauge,
        &["kind"],
        AUDIT,
        "1 where the process ends for what contradicts the log, for a minute before it does: gap (the \
         stream has lost a message), fork (two logs under one name), writer (another one has moved \
         the head), stream (rewritten, rolled back, made anew, or set otherwise), log (its files).",
    ),
];
