//! The stream of records as the source of the log: its settings, its state, its messages.

use std::time::Duration;

use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, consumer::PullConsumer};
use bytes::Bytes;
use mpic_common::limits::DUPLICATE_WINDOW;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// Gives messages by sequence.
pub trait Source: Send + 'static {
    /// The payload of a sequence, or `None` where the stream has no such message. Waits for as
    /// long as nobody answers.
    fn fetch(&self, seq: u64) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A stream with the settings on which evidence rests.
#[derive(Clone, Debug)]
pub struct AuditStream {
    context: jetstream::Context,
    name: String,
    stream: Stream<()>,
}

/// What the stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// The first sequence that it has.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
    /// Octets stored.
    pub octets: u64,
    /// Octets that it takes; `None` for no limit.
    pub octets_max: Option<u64>,
}

/// Why the stream cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The server does not answer.
    #[error("cannot ask for the state of {what}")]
    Ask {
        /// The stream or consumer.
        what: String,
        /// Why.
        source: async_nats::RequestError,
    },
    /// The server says no.
    #[error("the server has no {what}: {answer}")]
    Absent {
        /// The stream or consumer.
        what: String,
        /// Its answer.
        answer: String,
    },
    /// A setting is another one.
    #[error("{what} has {setting} {found}, which must be {expected}")]
    Setting {
        /// The stream or consumer.
        what: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: Value,
        /// What it must be.
        expected: Value,
    },
    /// The answer is not one.
    #[error("the server's answer about {what} cannot be read: {why}")]
    Answer {
        /// The stream or consumer.
        what: String,
        /// Why.
        why: String,
    },
}

impl SourceError {
    /// 75 where a later start may succeed, 70 where the stream is refused.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Ask { .. }) { 75 } else { 70 }
    }
}

impl AuditStream {
    /// Reads the settings of the stream and of its consumer, and refuses any that would let
    /// evidence be lost.
    pub async fn check(
        context: jetstream::Context,
        name: &str,
        consumer: &str,
    ) -> Result<(Self, StreamState), SourceError> {
        let what = format!("stream {name}");
        let info = ask(&context, &what, format!("STREAM.INFO.{name}")).await?;
        check_settings(&what, &info, &stream_settings())?;
        if info.pointer("/config/num_replicas").and_then(Value::as_u64) < Some(3) {
            tracing::warn!(stream = name, "the stream has fewer than 3 replicas");
        }
        let state = parse_state(&what, info)?;
        let what = format!("consumer {consumer} of {what}");
        let info = ask(&context, &what, format!("CONSUMER.INFO.{name}.{consumer}")).await?;
        check_settings(&what, &info, &consumer_settings(consumer))?;
        let stream = context.get_stream_no_info(name).await.map_err(|error| {
            SourceError::Absent { what: what.clone(), answer: error.to_string() }
        })?;
        Ok((Self { context, name: name.to_owned(), stream }, state))
    }

    /// What it holds now.
    pub async fn state(&self) -> Result<StreamState, SourceError> {
        let what = format!("stream {}", self.name);
        let info = ask(&self.context, &what, format!("STREAM.INFO.{}", self.name)).await?;
        parse_state(&what, info)
    }

    /// When a message was stored; `None` if it cannot be had.
    pub async fn stored_at(&self, seq: u64) -> Option<UnixMs> {
        let message = self.stream.get_raw_message(seq).await.ok()?;
        let ms = message.time.unix_timestamp_nanos() / 1_000_000;
        Some(UnixMs(u64::try_from(ms).ok()?))
    }

    /// The consumer of this name, which provisioning has made.
    pub async fn consumer(&self, name: &str) -> Result<PullConsumer, SourceError> {
        let found = self.context.get_consumer_from_stream(name, &self.name).await;
        found.map_err(|error| SourceError::Absent {
            what: format!("consumer {name} of stream {}", self.name),
            answer: error.to_string(),
        })
    }
}

impl Source for AuditStream {
    async fn fetch(&self, seq: u64) -> Option<Bytes> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.stream.get_raw_message(seq).await {
                Ok(message) => return Some(message.payload),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return None,
                Err(error) => tracing::warn!(seq, %error, "cannot fetch a message, trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }
}

async fn ask(
    context: &jetstream::Context,
    what: &str,
    subject: String,
) -> Result<Value, SourceError> {
    let what = what.to_owned();
    // An empty payload: that of the library's own requests is refused for consumers.
    let asked = context.client().request(subject::jetstream(&subject), Bytes::new()).await;
    let answer = match asked {
        Ok(message) => message.payload,
        Err(source) => return Err(SourceError::Ask { what, source }),
    };
    let answer: Value = serde_json::from_slice(&answer)
        .map_err(|error| SourceError::Answer { what: what.clone(), why: error.to_string() })?;
    match answer.get("error") {
        Some(error) => Err(SourceError::Absent { what, answer: error.to_string() }),
        None => Ok(answer),
    }
}

fn check_settings(
    what: &str,
    info: &Value,
    settings: &[(&'static str, Value)],
) -> Result<(), SourceError> {
    for (setting, expected) in settings {
        let found = info.get("config").and_then(|config| config.get(setting));
        let found = found.cloned().unwrap_or(Value::Null);
        let is_absent = matches!(&found, Value::Null | Value::Bool(false))
            || found.as_array().is_some_and(Vec::is_empty);
        if found != *expected && !(expected.is_null() && is_absent) {
            let (what, expected) = (what.to_owned(), expected.clone());
            return Err(SourceError::Setting { what, setting, found, expected });
        }
    }
    Ok(())
}

/// Null stands for: absent, false or empty. The last lines are of newer servers.
fn stream_settings() -> Vec<(&'static str, Value)> {
    vec![
        ("subjects", json!([subject::AUDIT_SUBJECTS])),
        ("storage", json!("file")),
        ("retention", json!("limits")),
        ("discard", json!("new")),
        ("max_msg_size", json!(65_535)),
        ("duplicate_window", nanoseconds(DUPLICATE_WINDOW)),
        ("deny_delete", json!(true)),
        ("deny_purge", json!(true)),
        ("allow_rollup_hdrs", Value::Null),
        ("mirror", Value::Null),
        ("sources", Value::Null),
        ("republish", Value::Null),
        ("allow_msg_ttl", Value::Null),
        ("persist_mode", Value::Null),
        ("allow_atomic", Value::Null),
        ("allow_msg_counter", Value::Null),
        ("allow_msg_schedules", Value::Null),
        ("allow_batched", Value::Null),
    ]
}

fn consumer_settings(name: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("durable_name", json!(name)),
        ("deliver_subject", Value::Null),
        ("deliver_policy", json!("all")),
        ("ack_policy", json!("all")),
        ("filter_subject", Value::Null),
        ("filter_subjects", Value::Null),
        ("ack_wait", nanoseconds(Duration::from_secs(30))),
        ("max_deliver", json!(-1)),
        ("max_ack_pending", json!(4_096)),
        ("max_waiting", json!(8)),
    ]
}

fn nanoseconds(span: Duration) -> Value {
    json!(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

fn parse_state(what: &str, info: Value) -> Result<StreamState, SourceError> {
    let unreadable = |why: String| SourceError::Answer { what: what.to_owned(), why };
    let info: Info = serde_json::from_value(info).map_err(|error| unreadable(error.to_string()))?;
    let created: jiff::Timestamp =
        info.created.parse().map_err(|error: jiff::Error| unreadable(error.to_string()))?;
    Ok(StreamState {
        created_ns: u64::try_from(created.as_nanosecond())
            .map_err(|error| unreadable(error.to_string()))?,
        first_seq: info.state.first_seq,
        last_seq: info.state.last_seq,
        octets: info.state.bytes,
        octets_max: u64::try_from(info.config.max_bytes).ok().filter(|max| *max > 0),
    })
}

#[derive(Deserialize)]
struct Info {
    created: String,
    config: InfoConfig,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoConfig {
    max_bytes: i64,
}

#[derive(Deserialize)]
struct InfoState {
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
