//! The stream of records and its consumer: how provisioning makes them, and what every process
//! that relies on them checks first.

use std::time::Duration;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::{self, consumer, stream};

use mpic_common::limits::DUPLICATE_WINDOW;
use mpic_common::subject;

/// The largest message of the stream, headers included; an entry of the log holds no more.
const MESSAGE_OCTETS_MAX: i32 = 65_535;

/// Days of decisions that the stream holds, and octets of one with its replies.
const DAYS: i64 = 6;
const DECISION_OCTETS: i64 = 16 * 1_024;

/// What the stream must be able to hold.
pub fn octets_for(decisions_per_day: u32) -> i64 {
    i64::from(decisions_per_day) * DAYS * DECISION_OCTETS
}

/// Why the stream cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The server could not be asked.
    #[error("cannot ask the bus for {what}: {why}")]
    Ask {
        /// For what.
        what: String,
        /// Its answer.
        why: String,
    },
    /// It could not be made.
    #[error("cannot make {what}: {why}")]
    Make {
        /// What.
        what: String,
        /// The answer.
        why: String,
    },
    /// A setting on which evidence rests is another.
    #[error("{what} has {setting} {found}, and must have {expected}")]
    Setting {
        /// Which stream or consumer.
        what: String,
        /// Which setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
}

/// The stream of records. `octets_max` bounds it; a full stream refuses records rather than drop
/// old ones.
pub fn audit_config(octets_max: i64, replicas: usize) -> stream::Config {
    stream::Config {
        name: subject::AUDIT_STREAM.to_owned(),
        subjects: vec![subject::AUDIT_SUBJECTS.to_owned()],
        retention: stream::RetentionPolicy::Limits,
        discard: stream::DiscardPolicy::New,
        storage: stream::StorageType::File,
        num_replicas: replicas,
        max_bytes: octets_max,
        max_consumers: 64,
        max_age: Duration::from_secs(3 * 24 * 3_600),
        duplicate_window: DUPLICATE_WINDOW,
        max_message_size: MESSAGE_OCTETS_MAX,
        deny_delete: true,
        deny_purge: true,
        ..stream::Config::default()
    }
}

/// The only consumer of the stream, held by the audit consumer.
pub fn consumer_config() -> consumer::pull::Config {
    consumer::pull::Config {
        durable_name: Some(subject::AUDIT_CONSUMER.to_owned()),
        deliver_policy: consumer::DeliverPolicy::All,
        ack_policy: consumer::AckPolicy::All,
        ack_wait: Duration::from_secs(30),
        max_deliver: -1,
        max_ack_pending: 4_096,
        max_waiting: 8,
        ..consumer::pull::Config::default()
    }
}

/// The bucket that fences the writer of the log, as a stream: the library's own way of making it
/// asks for account information that older servers give in another shape.
pub fn head_config(replicas: usize) -> stream::Config {
    stream::Config {
        name: subject::AUDIT_HEAD_STREAM.to_owned(),
        subjects: vec![subject::AUDIT_HEAD_SUBJECTS.to_owned()],
        discard: stream::DiscardPolicy::New,
        storage: stream::StorageType::File,
        num_replicas: replicas,
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream::Config::default()
    }
}

/// Makes what is absent and compares what is present; never lowers, purges or makes anew.
pub async fn provision(
    context: &jetstream::Context,
    octets_max: i64,
    replicas: usize,
) -> Result<(), StreamError> {
    let make = |what: &str, why: String| StreamError::Make { what: what.to_owned(), why };
    let audit = context
        .get_or_create_stream(audit_config(octets_max, replicas))
        .await
        .map_err(|error| make(subject::AUDIT_STREAM, error.to_string()))?;
    context
        .get_or_create_stream(head_config(replicas))
        .await
        .map_err(|error| make(subject::AUDIT_HEAD_STREAM, error.to_string()))?;
    audit
        .get_or_create_consumer(subject::AUDIT_CONSUMER, consumer_config())
        .await
        .map_err(|error| make(subject::AUDIT_CONSUMER, error.to_string()))?;
    check_audit(context).await.map(drop)
}

/// How often the stream is asked for, and the pause before it is again.
const ASKS_MAX: usize = 4;
const ASK_PAUSE: Duration = Duration::from_millis(500);

/// The stream of records. Servers that are choosing a leader do not answer for a while.
async fn get_audit(context: &jetstream::Context) -> Result<stream::Stream, GetStreamError> {
    for _ in 1..ASKS_MAX {
        match context.get_stream(subject::AUDIT_STREAM).await {
            Err(error) if error.kind() == GetStreamErrorKind::Request => {
                tracing::info!(%error, "the stream does not answer");
                tokio::time::sleep(ASK_PAUSE).await;
            }
            got => return got,
        }
    }
    context.get_stream(subject::AUDIT_STREAM).await
}

/// The state of the stream of records, once its settings are those on which evidence rests.
pub async fn check_audit(context: &jetstream::Context) -> Result<stream::Info, StreamError> {
    let stream = get_audit(context).await.map_err(|error| StreamError::Ask {
        what: subject::AUDIT_STREAM.to_owned(),
        why: error.to_string(),
    })?;
    let info = stream.cached_info().clone();
    let (found, expected) =
        (&info.config, audit_config(info.config.max_bytes, info.config.num_replicas));
    let same = |setting, found: String, expected: String| {
        if found == expected {
            Ok(())
        } else {
            let what = subject::AUDIT_STREAM.to_owned();
            Err(StreamError::Setting { what, setting, found, expected })
        }
    };
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    same("subjects", text(&found.subjects), text(&expected.subjects))?;
    same("retention", text(&found.retention), text(&expected.retention))?;
    same("storage", text(&found.storage), text(&expected.storage))?;
    same("discard", text(&found.discard), text(&expected.discard))?;
    same("max_msg_size", text(&found.max_message_size), text(&expected.max_message_size))?;
    same("duplicate_window", text(&found.duplicate_window), text(&expected.duplicate_window))?;
    same("deny_delete", text(&found.deny_delete), text(&true))?;
    same("deny_purge", text(&found.deny_purge), text(&true))?;
    same("allow_rollup_hdrs", text(&found.allow_rollup), text(&false))?;
    same("mirror", text(&found.mirror.is_some()), text(&false))?;
    same("sources", text(&found.sources.as_ref().is_some_and(|s| !s.is_empty())), text(&false))?;
    same("republish", text(&found.republish.is_some()), text(&false))?;
    Ok(info)
}
