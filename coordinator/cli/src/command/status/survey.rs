//! Asks around on the bus.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use mpic_audit::note::LogPublicKey;
use mpic_common::subject;
use mpic_runtime::discovery::Described;
use mpic_runtime::nats::{self, Role};
use serde::{Deserialize, Serialize};

use crate::client::ClientConfig;
use crate::command::Failure;

/// What came of asking around.
pub(super) struct Survey {
    /// By name, code and id.
    pub(super) processes: Vec<Described>,
    pub(super) stream: StreamState,
    pub(super) log: Option<LogHead>,
}

/// The stream of records.
#[derive(Debug, Serialize)]
pub(super) struct StreamState {
    name: String,
    messages: u64,
    first_seq: u64,
    last_seq: u64,
    octets: u64,
    octets_max: i64,
    /// Records that are not in the log yet.
    lag_messages: u64,
}

/// How far the log is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogHead {
    origin: String,
    size: u64,
    root: Option<String>,
}

/// How long to wait for the next answer to a question to everyone.
const SILENCE: Duration = Duration::from_millis(500);

/// The audit consumer tells its status every 5 s.
const STATUS_WAIT: Duration = Duration::from_secs(6);

impl Survey {
    /// Asks everyone.
    pub(super) async fn make(config: &ClientConfig) -> Result<Self, Failure> {
        let role = Role {
            name: "ops".to_owned(),
            inbox_prefix: subject::OPS_INBOX.to_owned(),
            subscription_capacity: 8_192,
            client_capacity: 64,
        };
        let (client, _) = nats::connect(config.ops.as_ref().unwrap_or(&config.bus), role).await?;
        let statuses = client.subscribe(subject::STATUS_AUDIT).await?;
        let processes = discover(&client).await?;
        let stream = stream_state(&client).await?;
        let log = match read_head(config)? {
            Some(head) => Some(head),
            None => hear_head(statuses).await,
        };
        Ok(Self { processes, stream, log })
    }
}

/// Everyone who answers to STATS.
async fn discover(client: &Client) -> Result<Vec<Described>, Failure> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let question = subject::discovery("STATS", None, None);
    client.publish_with_reply(question, inbox, bytes::Bytes::new()).await?;
    let mut processes = BTreeMap::new();
    while let Ok(Some(answer)) = tokio::time::timeout(SILENCE, answers.next()).await {
        // Other services may be on the bus; what does not read as ours is not shown.
        if let Ok(described) = serde_json::from_slice::<Described>(&answer.payload) {
            let service = &described.service;
            let code = service.metadata.get("code").cloned();
            processes.insert((service.name.clone(), code, service.id.clone()), described);
        }
    }
    Ok(processes.into_values().collect())
}

async fn stream_state(client: &Client) -> Result<StreamState, Failure> {
    let context = jetstream::new(client.clone());
    let stream = context.get_stream(subject::AUDIT_STREAM).await?;
    let info = stream.cached_info();
    let consumer = stream.consumer_info(subject::AUDIT_CONSUMER).await?;
    let lag_messages = info.state.last_sequence.saturating_sub(consumer.ack_floor.stream_sequence);
    Ok(StreamState {
        name: info.config.name.clone(),
        messages: info.state.messages,
        first_seq: info.state.first_sequence,
        last_seq: info.state.last_sequence,
        octets: info.state.bytes,
        octets_max: info.config.max_bytes,
        lag_messages,
    })
}

/// The head of the log on this machine, under its verified signature.
fn read_head(config: &ClientConfig) -> Result<Option<LogHead>, Failure> {
    let (Some(log), Some(key_file)) = (&config.log, &config.log_key_file) else { return Ok(None) };
    let key: LogPublicKey = read_key(key_file)?;
    let checkpoint = key.open(&std::fs::read(log.join("checkpoint"))?)?;
    let (origin, size) = (checkpoint.origin, checkpoint.size);
    Ok(Some(LogHead { origin, size, root: Some(checkpoint.root.to_string()) }))
}

fn read_key(path: &Path) -> Result<LogPublicKey, Failure> {
    Ok(std::fs::read_to_string(path)?.trim_end().parse()?)
}

/// What the audit consumer tells everyone.
async fn hear_head(mut statuses: Subscriber) -> Option<LogHead> {
    let heard = tokio::time::timeout(STATUS_WAIT, statuses.next()).await.ok()??;
    serde_json::from_slice(&heard.payload).ok()
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, messages, first_seq, last_seq, octets, octets_max, lag_messages } = self;
        writeln!(
            f,
            "stream  {name}: {messages} records, {first_seq} to {last_seq}, {octets} of \
             {octets_max} octets, {lag_messages} not in the log yet"
        )
    }
}

impl fmt::Display for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        let root = root.as_ref().map(|root| format!(", root {root}")).unwrap_or_default();
        writeln!(f, "log     {origin}: {size} entries{root}")
    }
}
