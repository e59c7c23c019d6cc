//! Publishes records to the stream and returns once they are there: recorded before answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{HeaderMap, Message, StatusCode, Subject, header};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use mpic_common::code::CoordinatorId;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_runtime::bus::Bus;
use mpic_runtime::metrics::Metric;
use mpic_runtime::trace;

use crate::figures::PubAcks;
use crate::multiplexer::{Answers, Multiplexer};
use crate::records::{Last, ReadError, Records};

/// Publishes, and waits for the stream's word.
#[derive(Debug)]
pub struct Recorder {
    bus: Arc<dyn Bus>,
    coordinator: CoordinatorId,
    acks: Multiplexer,
    records: Arc<dyn Records>,
    /// Set while the stream takes nothing.
    broken: AtomicBool,
    /// The second in which the last job was let through all the same.
    tried: AtomicU64,
    /// Records without the stream's word.
    pending: AtomicUsize,
    pubacks: PubAcks,
}

/// What is to be recorded where.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The subject within the stream.
    pub subject: String,
    /// The stream takes the first with this id.
    pub id: String,
    /// The exact octets.
    pub octets: Bytes,
    /// The sequence of the last message of the subject, zero where there is none, after which alone
    /// the stream is to take it.
    pub after: Option<u64>,
}

/// What the stream holds under the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// These octets, at this sequence.
    Ours(u64),
    /// What came before, at this sequence.
    Other(u64, Bytes),
}

/// Why nothing is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The stream did not say in time that it has it.
    #[error("the stream did not acknowledge the record in time")]
    Unacknowledged,
    /// The stream is full, or its store failed.
    #[error("the stream takes no records: {0}")]
    Full(String),
    /// The stream will never take this.
    #[error("the stream refuses the record: {0}")]
    Refused(String),
    /// It takes others, but none of this size.
    #[error("the stream takes no record of this size: {0}")]
    TooLarge(String),
    /// The last message of the subject is another one by now.
    #[error("another message of the subject came first: {0}")]
    Overtaken(String),
}

/// The stream's word, or its refusal.
#[derive(Debug, Deserialize)]
struct PubAck {
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    error: Option<AckError>,
}

#[derive(Debug, Deserialize)]
struct AckError {
    code: u16,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// What to do about one answer of the stream.
enum Said {
    Stored(u64),
    Duplicate(u64),
    Again,
    Never(RecordError),
}

impl Said {
    /// As a label.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Duplicate(_) => "duplicate",
            Self::Again => "retry",
            Self::Never(_) => "refused",
        }
    }
}

/// A try's wait for the stream's word.
const ACK_WAIT: Duration = Duration::from_secs(1);
/// Between tries.
const PAUSE: Duration = Duration::from_millis(250);
/// Above this many records without the stream's word no job is taken.
const PENDING_MAX: usize = 4_096;

impl Recorder {
    /// A recorder whose acknowledgements come in through `acks`.
    pub fn new(
        bus: Arc<dyn Bus>,
        coordinator: CoordinatorId,
        acks: Multiplexer,
        records: Arc<dyn Records>,
    ) -> Self {
        Self {
            bus,
            coordinator,
            acks,
            records,
            broken: AtomicBool::new(false),
            tried: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            pubacks: PubAcks::default(),
        }
    }

    /// What the stream said of records, and whether it takes any.
    pub fn metrics(&self) -> Vec<Metric> {
        let is_open = Metric::count("mpic_breaker_open", self.is_broken().into());
        [self.pubacks.metrics(), vec![is_open]].concat()
    }

    /// Whether the stream took nothing when it was last asked.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether a job should be begun: not while the stream takes nothing, but for one a second
    /// that finds out.
    pub fn takes(&self, now: UnixMs) -> bool {
        let second = now.0 / 1_000;
        if self.broken.load(Ordering::Relaxed) {
            return self.tried.swap(second, Ordering::Relaxed) != second;
        }
        self.pending.load(Ordering::Relaxed) < PENDING_MAX
    }

    /// Publishes the same octets under the same id until the stream has them or another, it
    /// refuses them, or `give_up` passes.
    pub async fn record(
        &self,
        publication: &Publication,
        give_up: Instant,
    ) -> Result<Standing, RecordError> {
        self.record_while(publication, give_up, || true).await
    }

    /// The same, as long as `may_publish` says so before each try.
    pub async fn record_while(
        &self,
        publication: &Publication,
        give_up: Instant,
        may_publish: impl Fn() -> bool,
    ) -> Result<Standing, RecordError> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let result = self.record_until(publication, give_up, may_publish).await;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        // A stream that refuses one record refuses others too, unless it says that this one is too
        // large or not in its turn. Silence says nothing at all.
        let broken = match result {
            Ok(_) => Some(false),
            Err(RecordError::Full(_) | RecordError::Refused(_)) => Some(true),
            Err(
                RecordError::TooLarge(_) | RecordError::Overtaken(_) | RecordError::Unacknowledged,
            ) => None,
        };
        if broken.is_some_and(|broken| self.broken.swap(broken, Ordering::Relaxed) != broken) {
            tracing::warn!(broken, "whether the stream takes records has changed");
        }
        result
    }

    async fn record_until(
        &self,
        publication: &Publication,
        give_up: Instant,
        may_publish: impl Fn() -> bool,
    ) -> Result<Standing, RecordError> {
        let mut answers = self.acks.answers();
        loop {
            if Instant::now() >= give_up || !may_publish() {
                return Err(RecordError::Unacknowledged);
            }
            let published = Instant::now();
            let said = match self.publish_once(publication, &mut answers).await {
                Some(message) => read(&message),
                None => Said::Again,
            };
            self.pubacks.said(said.outcome(), published.elapsed());
            match said {
                Said::Stored(seq) => return Ok(Standing::Ours(seq)),
                Said::Duplicate(seq) => {
                    if let Some(standing) = self.standing(publication, seq).await {
                        return Ok(standing);
                    }
                }
                Said::Never(error) => return Err(error),
                Said::Again => {}
            }
            if Instant::now() + PAUSE >= give_up {
                return Err(RecordError::Unacknowledged);
            }
            sleep(PAUSE).await;
        }
    }

    /// One try; none where no word came.
    async fn publish_once(
        &self,
        publication: &Publication,
        answers: &mut Answers,
    ) -> Option<Message> {
        // The library keeps what it is given while it is away, and would send it when it is back:
        // too late for a decision.
        if !self.bus.is_connected() {
            return None;
        }
        let token = self.bus.random().ok()?;
        let reply = Subject::from(subject::puback(&self.coordinator, &token));
        answers.await_token(token, &reply);
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, publication.id.as_str());
        headers.insert(header::NATS_EXPECTED_STREAM, subject::AUDIT_STREAM);
        if let Some(after) = publication.after {
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string().as_str());
        }
        trace::inject(&mut headers);
        let sent = self.bus.publish(OutboundMessage {
            subject: publication.subject.clone().into(),
            reply: Some(reply),
            payload: publication.octets.clone(),
            headers: Some(headers),
        });
        sent.await.ok()?;
        timeout(ACK_WAIT, answers.next()).await.ok()
    }

    /// What the stream holds at `seq`, where it says that it had our id before.
    async fn standing(&self, publication: &Publication, seq: u64) -> Option<Standing> {
        let octets = self.read(seq).await?;
        Some(if octets == publication.octets {
            Standing::Ours(seq)
        } else {
            Standing::Other(seq, octets)
        })
    }

    /// The record at `seq` of the stream.
    pub async fn read(&self, seq: u64) -> Option<Bytes> {
        let stored = self.records.get(seq).await;
        stored.inspect_err(|error| tracing::warn!(seq, %error, "cannot read a record")).ok()
    }

    /// The last record on `subject` and its sequence, if there is one.
    pub async fn last(&self, subject: &str) -> Result<Last, ReadError> {
        self.records.last(subject).await
    }
}

fn read(message: &Message) -> Said {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Said::Again;
    }
    match serde_json::from_slice::<PubAck>(&message.payload) {
        Ok(PubAck { stream: Some(stream), seq: Some(seq), duplicate, error: None })
            if stream == subject::AUDIT_STREAM =>
        {
            if duplicate {
                Said::Duplicate(seq)
            } else {
                Said::Stored(seq)
            }
        }
        Ok(PubAck { error: Some(error), .. }) => read_error(&error),
        // Octets that no stream of ours sent say nothing.
        _ => Said::Again,
    }
}

/// The codes of nats-server: 10158 duplicate in process, 10008 and 10009 no leader or not yet;
/// 10077, 10002, 10023, 10047 the store is full or failed; 10054 the message is too large; 10071
/// and 10164 another sequence was expected.
fn read_error(error: &AckError) -> Said {
    let text = format!("{} ({})", error.description, error.err_code);
    match error.err_code {
        10_158 | 10_008 | 10_009 => Said::Again,
        10_077 | 10_002 | 10_023 | 10_047 => Said::Never(RecordError::Full(text)),
        10_054 => Said::Never(RecordError::TooLarge(text)),
        10_071 | 10_164 => Said::Never(RecordError::Overtaken(text)),
        _ if error.code == 503 => Said::Again,
        _ => Said::Never(RecordError::Refused(text)),
    }
}

#[cfg(test)]
mod tests;
