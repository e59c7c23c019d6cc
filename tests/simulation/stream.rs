//! A played JetStream: the stream of records, its consumer, and the bucket that fences the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE as AFTER, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::StreamError;
use async_nats::message::OutboundMessage;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use mpic_audit::appender::{Acknowledge, Delivered};
use mpic_audit::fence::{Bucket, Moved, NoAnswer, SharedHead};
use mpic_audit::pull::{Deliveries, Disturbance, Pull};
use mpic_audit::source::{Source, StreamState};
use mpic_common::limits::DUPLICATE_WINDOW;
use mpic_common::subject;
use mpic_coordinator::records::{Last, ReadError, Records};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::link::{Asked, Link};
use crate::op::{Mood, index};

/// What the server holds.
#[derive(Debug)]
pub(crate) struct PlayedStream {
    pub(crate) messages: Vec<Stored>,
    ids: BTreeMap<String, (u64, u64)>,
    pub(crate) mood: Mood,
    /// All up to here is acked.
    pub(crate) acked: u64,
    /// When what was delivered and not acked is delivered again.
    outstanding: BTreeMap<u64, u64>,
    head: Option<SharedHead>,
    changed: Arc<Notify>,
}

/// A message of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) payload: Bytes,
}

/// There is no stream.
#[derive(Debug)]
pub(crate) struct Absent;

/// `ack_wait` of the consumer.
const ACK_WAIT_MS: u64 = 30_000;
/// How long a client waits for an answer of the server.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Two missed heartbeats of the server.
const HEARTBEATS: Duration = Duration::from_secs(30);

impl Default for PlayedStream {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            ids: BTreeMap::new(),
            mood: Mood::Takes,
            acked: 0,
            outstanding: BTreeMap::new(),
            head: None,
            changed: Arc::default(),
        }
    }
}

impl PlayedStream {
    /// Stores a message, unless it has its id; gives what the publisher is told.
    pub(crate) fn take(
        &mut self,
        message: &OutboundMessage,
        now_ms: u64,
    ) -> Result<Option<Bytes>, Absent> {
        let error = |err_code: u64, description: &str| {
            let error = json!({"code": 503, "err_code": err_code, "description": description});
            Bytes::from(json!({"error": error}).to_string())
        };
        match self.mood {
            Mood::Absent => return Err(Absent),
            Mood::Full => return Ok(Some(error(10_077, "maximum bytes exceeded"))),
            Mood::Loses => return Ok(None),
            Mood::Takes | Mood::Mute | Mood::InProcess => {}
        }
        let window_ms = u64::try_from(DUPLICATE_WINDOW.as_millis()).unwrap();
        self.ids.retain(|_, (_, at_ms)| *at_ms + window_ms > now_ms);
        let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
        let known = id.and_then(|id| self.ids.get(id.as_str())).map(|(seq, _)| *seq);
        let after = message.headers.as_ref().and_then(|headers| headers.get(AFTER));
        let last = self.last(&message.subject).map_or(0, |(seq, _)| seq).to_string();
        if known.is_none() && after.is_some_and(|after| after.as_str() != last) {
            let text = format!("wrong last sequence: {last}");
            let error = json!({"code": 400, "err_code": 10_071, "description": text});
            return Ok(Some(json!({"error": error}).to_string().into()));
        }
        let seq = known.unwrap_or(self.messages.len() as u64 + 1);
        if known.is_none() {
            let (subject, payload) = (message.subject.to_string(), message.payload.clone());
            self.messages.push(Stored { subject, payload });
            if let Some(id) = id {
                self.ids.insert(id.as_str().to_owned(), (seq, now_ms));
            }
            self.changed.notify_one();
        }
        let mut ack = json!({"stream": subject::AUDIT_STREAM, "seq": seq});
        if known.is_some() {
            ack["duplicate"] = json!(true);
        }
        Ok(match self.mood {
            Mood::Mute => None,
            Mood::InProcess => Some(error(10_158, "duplicate message id is in process")),
            _ => Some(Bytes::from(ack.to_string())),
        })
    }

    /// The last message of a subject and its sequence.
    fn last(&self, subject: &str) -> Option<(u64, &Stored)> {
        (1..).zip(&self.messages).filter(|(_, stored)| stored.subject == subject).last()
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Stored> {
        self.messages.get(index(seq.checked_sub(1)?))
    }

    /// What the consumer delivers next: nearly always the first that waits, now and then another.
    fn deliver(&mut self, now_ms: u64, drawn: u64) -> Option<(u64, Bytes)> {
        let last = self.messages.len() as u64;
        let is_due = |seq: &u64| self.outstanding.get(seq).is_none_or(|at_ms| *at_ms <= now_ms);
        let due: Vec<_> = (self.acked + 1..=last).filter(is_due).take(4).collect();
        let chosen = if drawn.is_multiple_of(8) { index(drawn / 8) % due.len().max(1) } else { 0 };
        let seq = *due.get(chosen)?;
        self.outstanding.insert(seq, now_ms + ACK_WAIT_MS);
        self.get(seq).map(|stored| (seq, stored.payload.clone()))
    }

    fn ack(&mut self, seq: u64) {
        self.acked = self.acked.max(seq);
        self.outstanding.retain(|other, _| *other > seq);
    }
}

/// The stream as a process reads it.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Link);

impl Reader {
    pub(crate) async fn state(&self) -> StreamState {
        while self.0.ask("state").await.0 != Asked::Answered {
            sleep(ANSWER_WAIT).await;
        }
        let last_seq = self.0.network().lock().stream.messages.len() as u64;
        StreamState { created_ns: 1, first_seq: 1, last_seq, octets: 0, octets_max: None }
    }

    async fn get(&self, seq: u64) -> Result<Option<Stored>, ReadError> {
        if self.0.ask(("get", seq)).await.0 != Asked::Answered {
            sleep(ANSWER_WAIT).await;
            return Err(ReadError("no answer".to_owned()));
        }
        Ok(self.0.network().lock().stream.get(seq).cloned())
    }
}

impl Records for Reader {
    fn get(&self, seq: u64) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let stored = Reader::get(self, seq).await?;
            stored.map(|stored| stored.payload).ok_or_else(|| ReadError("none".to_owned()))
        })
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Last, ReadError>> {
        Box::pin(async move {
            if self.0.ask(("last", subject)).await.0 != Asked::Answered {
                sleep(ANSWER_WAIT).await;
                return Err(ReadError("no answer".to_owned()));
            }
            let server = self.0.network().lock();
            let last = server.stream.last(subject);
            Ok(last.map(|(seq, stored)| (seq, stored.payload.clone())))
        })
    }
}

impl Source for Reader {
    async fn fetch(&self, seq: u64) -> Option<Bytes> {
        loop {
            if let Ok(stored) = self.get(seq).await {
                return stored.map(|stored| stored.payload);
            }
        }
    }
}

impl Bucket for Reader {
    async fn head(&self, key: &str) -> Result<Option<SharedHead>, NoAnswer> {
        match self.0.ask(("head", key)).await.0 {
            Asked::Answered => Ok(self.0.network().lock().stream.head.clone()),
            _ => Err(NoAnswer("lost".to_owned())),
        }
    }

    async fn put(&self, key: &str, note: Bytes, revision: Option<u64>) -> Result<Moved, NoAnswer> {
        let asked = self.0.ask(("put", key, &note)).await.0;
        if asked == Asked::Lost {
            return Err(NoAnswer("lost".to_owned()));
        }
        let mut server = self.0.network().lock();
        let held = &mut server.stream.head;
        if held.as_ref().map(|head| head.revision) != revision {
            return Ok(Moved::OtherRevision);
        }
        let revision = revision.unwrap_or(0) + 1;
        *held = Some(SharedHead { revision, note });
        match asked {
            Asked::Answered => Ok(Moved::To(revision)),
            _ => Err(NoAnswer("the answer is lost".to_owned())),
        }
    }
}

impl Pull for Reader {
    type Ack = PlayedAck;

    async fn pull(&self) -> Result<Deliveries<PlayedAck>, StreamError> {
        let deliveries = futures_util::stream::unfold(self.clone(), |reader| async move {
            let delivery = reader.next().await;
            Some((delivery, reader))
        });
        Ok(deliveries.boxed())
    }
}

impl Reader {
    async fn next(&self) -> Result<Delivered<PlayedAck>, Disturbance> {
        loop {
            if self.0.is_cut() {
                sleep(HEARTBEATS).await;
                return Err(Disturbance::Passing("no heartbeat".to_owned()));
            }
            let (changed, due) = {
                let mut server = self.0.network().lock();
                let drawn = server.draw_delivery();
                let now_ms = server.now_ms();
                (Arc::clone(&server.stream.changed), server.stream.deliver(now_ms, drawn))
            };
            let Some((seq, payload)) = due else {
                let _ = tokio::time::timeout(Duration::from_secs(5), changed.notified()).await;
                continue;
            };
            if self.0.ask(("delivery", seq)).await.0 != Asked::Lost {
                let ack = PlayedAck { reader: self.clone(), seq };
                return Ok(Delivered { seq, payload, ack });
            }
        }
    }
}

/// Acks a message and all before it.
#[derive(Debug)]
pub(crate) struct PlayedAck {
    reader: Reader,
    seq: u64,
}

impl Acknowledge for PlayedAck {
    async fn acknowledge(self) -> bool {
        let link = &self.reader.0;
        link.network().lock().witness.acked(self.seq);
        let asked = link.ask(("ack", self.seq)).await.0;
        if asked != Asked::Lost {
            link.network().lock().stream.ack(self.seq);
        }
        if asked != Asked::Answered {
            sleep(Duration::from_secs(2)).await;
        }
        asked == Asked::Answered
    }
}
