//! A CA's side of the bus: submits a job, repeats the same octets where that helps, and believes
//! only what a coordinator of the directory signed over its own job.

mod inbox;
mod proof;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use mpic_common::code::CaId;
use mpic_common::directory::{Directory, Owner};
use mpic_common::job::JobId;
use mpic_common::limits::{ANSWER_OCTETS_MAX, JOB_LIFETIME, RECORD_OCTETS_MAX};
use mpic_common::octets::Hash;
use mpic_common::record::{Answer, DecisionRecord, RefusalRecord, leaf_hash};
use mpic_common::signature::SigningKey;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body, envelope};

use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::BusConfig;
use crate::nats::{self, BusError, BusEvent, Role};

use inbox::{Heard, Inbox, SILENCE};
pub use proof::NoProof;

/// What a CA has of one job: the decision and where it is recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The decision.
    pub decision: DecisionRecord,
    /// Its exact octets, which the CA keeps as evidence.
    pub octets: Vec<u8>,
    /// The stream that holds it.
    pub stream: String,
    /// Its sequence there.
    pub seq: u64,
    /// Its leaf hash in the log.
    pub leaf: Hash,
}

/// What came of a job.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// A decision was recorded.
    Decided(Box<Recorded>),
    /// No decision was due.
    Refused(RefusalRecord),
}

/// Why nothing is known of a job. No answer is no issuance.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nobody answered while the job lived.
    #[error("no coordinator answered while the job lived: {0}")]
    Unanswered(String),
    /// Refused for now, again and again until the time was up.
    #[error("no decision while the job lived: {}", .0.code.as_str())]
    StillRefused(Box<RefusalRecord>),
    /// The caller's time was up while an answer was still to come.
    #[error("no answer in the time that there was")]
    Late,
    /// Answers came while the job lived, and none that anybody should believe.
    #[error("no answer came while the job lived that can be believed: {answers} others, {reason}")]
    Unbelievable {
        /// How many.
        answers: u64,
        /// What is wrong with the last of them.
        reason: String,
    },
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be believed: {0}")]
pub struct Unbelievable(pub String);

impl From<Malformed> for Unbelievable {
    fn from(error: Malformed) -> Self {
        Self(error.to_string())
    }
}

/// A CA's connection.
#[derive(Debug, Clone)]
pub struct CaClient {
    bus: Arc<dyn Bus>,
    ca: CaId,
}

/// A job as it is sent, again and again the same octets.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The job's id, whose time bounds the repeats.
    pub job: JobId,
    /// The envelope.
    pub octets: Vec<u8>,
    /// SHA-256 of the body: what a believable answer signs.
    pub digest: Hash,
    /// The job's budget.
    pub budget: Duration,
}

impl Submission {
    /// Puts a job's body into an envelope, signed where there is a key.
    pub fn new(job: JobId, body: &[u8], budget: Duration, key: Option<&SigningKey>) -> Self {
        let octets = match key {
            Some(key) => envelope::seal(Kind::Job, body, key, None),
            None => envelope::unsigned(Kind::Job, body),
        };
        Self { job, octets, digest: Hash::of(body), budget }
    }
}

/// Waits between repeats; jitter is added.
fn pauses() -> impl Iterator<Item = Duration> {
    let longest = Duration::from_secs(4);
    let doubled = move |pause: &Duration| Some((*pause * 2).min(longest));
    std::iter::successors(Some(Duration::from_millis(500)), doubled)
}

/// What is waited for beyond the job's budget, for the way there and back.
const ANSWER_ALLOWANCE: Duration = Duration::from_secs(2);

impl CaClient {
    /// Connects as `ca`.
    pub async fn connect(config: &BusConfig, ca: CaId) -> Result<Self, BusError> {
        Self::connect_observed(config, ca).await.map(|(ca, _, _)| ca)
    }

    /// Connects as `ca`, and gives the connection and what befalls it from then on.
    pub async fn connect_observed(
        config: &BusConfig,
        ca: CaId,
    ) -> Result<(Self, Client, mpsc::Receiver<BusEvent>), BusError> {
        let role = Role {
            name: format!("ca/{ca}"),
            inbox_prefix: subject::answer_inbox(&ca),
            subscription_capacity: 65_536,
            client_capacity: 2_048,
        };
        let (client, events) = nats::connect(config, role).await?;
        Ok((Self::over(Arc::new(client.clone()), ca), client, events))
    }

    /// Asks as `ca` over a connection that is there.
    pub fn over(bus: Arc<dyn Bus>, ca: CaId) -> Self {
        Self { bus, ca }
    }

    /// Submits a job, repeating it while it lives where a repeat can help: nobody served, no
    /// answer, busy, unrecorded.
    ///
    /// Whoever can send to an inbox could say anything there, so what cannot be believed is no
    /// answer: it ends nothing. An answer to an earlier send counts whenever it comes.
    pub async fn submit(
        &self,
        submission: &Submission,
        directory: &Directory,
        clock: &impl Clock,
    ) -> Result<Submitted, SubmitError> {
        let left = JOB_LIFETIME + submission.budget + ANSWER_ALLOWANCE;
        self.submit_until(submission, directory, clock, Instant::now() + left).await
    }

    /// As `submit`, and no longer than until `until`.
    pub async fn submit_until(
        &self,
        submission: &Submission,
        directory: &Directory,
        clock: &impl Clock,
        until: Instant,
    ) -> Result<Submitted, SubmitError> {
        let read = |payload: &[u8]| open(payload, submission, directory, clock.now());
        let mut inbox = Inbox::new(&*self.bus, &self.ca).await.map_err(SubmitError::Unanswered)?;
        let mut pauses = pauses();
        let span = tracing::info_span!("submit", job = %submission.job);
        loop {
            let by = until.min(Instant::now() + submission.budget + ANSWER_ALLOWANCE);
            let asking = self.ask_into(&mut inbox, submission, by, &read);
            let (why, wait) = match asking.instrument(span.clone()).await {
                Heard::Answer(submitted) => return Ok(submitted),
                Heard::Again(why, wait) => (why, wait),
                Heard::Silence if by == until => return Err(inbox.unbelieved(SubmitError::Late)),
                Heard::Silence => (SubmitError::Unanswered(SILENCE.to_owned()), None),
            };
            let pause = wait.or_else(|| pauses.next()).unwrap_or_default().mul_f64(self.jitter());
            let is_over = clock.now().plus(pause).since(submission.job.time()) >= JOB_LIFETIME;
            if is_over || Instant::now() + pause >= until {
                return Err(inbox.unbelieved(why));
            }
            if let Some(submitted) = inbox.hear_within(pause, &read).await {
                return Ok(submitted);
            }
        }
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.bus.is_connected()
    }

    /// Sends the octets once, and waits for an answer until `until`.
    async fn ask_into(
        &self,
        inbox: &mut Inbox,
        submission: &Submission,
        until: Instant,
        read: &impl Fn(&[u8]) -> Result<Submitted, Unbelievable>,
    ) -> Heard {
        match inbox.send(&*self.bus, subject::job(&self.ca), &submission.octets).await {
            Ok(()) => inbox.hear(until, read).await,
            Err(error) => Heard::Again(SubmitError::Unanswered(error.to_string()), None),
        }
    }

    /// Sends the octets once and gives the first that came back, unverified.
    pub async fn ask(&self, submission: &Submission) -> Result<Bytes, String> {
        let within = submission.budget + ANSWER_ALLOWANCE;
        self.ask_once(subject::job(&self.ca), &submission.octets, within).await
    }

    async fn ask_once(&self, to: String, octets: &[u8], within: Duration) -> Result<Bytes, String> {
        let until = Instant::now() + within;
        let mut inbox = Inbox::new(&*self.bus, &self.ca).await?;
        inbox.send(&*self.bus, to, octets).await.map_err(|error| error.to_string())?;
        inbox.first(until).await
    }

    /// Between 0.75 and 1.25.
    fn jitter(&self) -> f64 {
        let octet = self.bus.random().map_or(128, |[octet, ..]| octet);
        0.75 + f64::from(octet) / 512.0
    }
}

/// Opens an answer: the record in it is signed by a coordinator of `directory` over this job.
pub fn open(
    payload: &[u8],
    submission: &Submission,
    directory: &Directory,
    now: UnixMs,
) -> Result<Submitted, Unbelievable> {
    let answer = Envelope::parse(payload, ANSWER_OCTETS_MAX)?.of_kind(Kind::Answer)?;
    let answer: Answer = decode_body(Kind::Answer, answer.body)?;
    match answer {
        Answer {
            record: Some(record),
            stream: Some(stream),
            seq: Some(seq),
            leaf: Some(leaf),
            ..
        } => {
            let decision: DecisionRecord =
                verify(&record.0, Kind::Decision, submission.digest, directory, now)?;
            if decision.job != submission.job || leaf != leaf_hash(&record.0) {
                return Err(Unbelievable("it is of another job or record".to_owned()));
            }
            let octets = record.0;
            Ok(Submitted::Decided(Box::new(Recorded { decision, octets, stream, seq, leaf })))
        }
        Answer { refusal: Some(refusal), .. } => {
            verify(&refusal.0, Kind::Refusal, submission.digest, directory, now)
                .map(Submitted::Refused)
        }
        _ => Err(Unbelievable("it holds neither record nor refusal".to_owned())),
    }
}

/// The body of a record that a coordinator in force signed over the job's digest; a refusal of
/// octets that could not be read is signed over zeros.
fn verify<T: serde::de::DeserializeOwned>(
    octets: &[u8],
    kind: Kind,
    digest: Hash,
    directory: &Directory,
    now: UnixMs,
) -> Result<T, Unbelievable> {
    let envelope = Envelope::parse(octets, RECORD_OCTETS_MAX)?.of_kind(kind)?;
    let key = envelope
        .seal
        .and_then(|seal| directory.key(seal.key, now))
        .filter(|key| matches!(key.owner, Owner::Coordinator(_)))
        .ok_or_else(|| Unbelievable("no coordinator signed it".to_owned()))?;
    let digests = [digest, Hash::ZERO];
    let admitted = if kind == Kind::Refusal { &digests[..] } else { &digests[..1] };
    if !admitted.iter().any(|digest| envelope.verify(&key.public, Some(*digest)).is_ok()) {
        return Err(Unbelievable("its signature is not over this job".to_owned()));
    }
    Ok(decode_body(kind, envelope.body)?)
}

#[cfg(test)]
mod tests;
