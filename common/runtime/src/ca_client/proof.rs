//! Asking the audit consumer for the proof that a record is in the log.

use mpic_common::limits::{ANSWER_OCTETS_MAX, MERGE_DELAY, PROOF_WAIT_MAX};
use mpic_common::proof::{ProofAnswer, ProofOf, ProofRequest, ProofStatus};
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body, envelope};
use tokio::time::Instant;

use super::inbox::{Inbox, SILENCE, UNSERVED, is_unserved};
use super::{ANSWER_ALLOWANCE, CaClient, Recorded, pauses};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The log still lacks the record; whoever keeps the record can show that.
    #[error("the record is not in the log after {MERGE_DELAY:?}: {0}")]
    Late(String),
    /// The last that came says that the log has no such record, or another one. Nobody signs that.
    #[error("no proof came within {MERGE_DELAY:?}; the last that came says `{}`", .0.as_str())]
    Denied(ProofStatus),
}

/// What came instead of a proof.
enum Instead {
    Denied(ProofStatus),
    Nothing(String),
}

/// What came of listening.
enum Heard<T> {
    Proof(T),
    /// It may be asked for once more.
    Instead(Instead),
    /// Nothing, or nothing but what is wrong.
    Silence(Option<String>),
}

impl Recorded {
    /// What names this record to the audit consumer.
    pub fn proof_of(&self) -> ProofOf {
        ProofOf::Record { stream: self.stream.clone(), seq: self.seq, leaf: self.leaf }
    }
}

impl CaClient {
    /// The first proof that an entry is in the log which `read` takes: a
    /// `c2sp.org/tlog-proof@v1` text, in which a signed checkpoint makes the entry good. Asks again
    /// until the merge delay is over, since the audit consumer may be away for a while.
    ///
    /// Nothing but such a proof is signed. Whoever can send to an inbox could deny there that
    /// there is one, so that ends nothing: it is told once the time is up.
    pub async fn prove<T>(
        &self,
        of: &ProofOf,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, NoProof> {
        let until = Instant::now() + MERGE_DELAY;
        let mut inbox = Inbox::new(&*self.bus, &self.ca).await.map_err(NoProof::Late)?;
        let mut pauses = pauses();
        loop {
            let (by, request) = request(of, until);
            let sent = inbox.send(&*self.bus, subject::proof(&self.ca), &request).await;
            let heard = match sent {
                Ok(()) => hear(&mut inbox, by, &read).await,
                Err(error) => Heard::Instead(Instead::Nothing(error.to_string())),
            };
            let mut last = match heard {
                Heard::Proof(proof) => return Ok(proof),
                Heard::Instead(instead) => instead,
                Heard::Silence(why) => Instead::Nothing(why.unwrap_or_else(|| SILENCE.to_owned())),
            };
            let pause = pauses.next().unwrap_or_default().mul_f64(self.jitter());
            let again = until.min(Instant::now() + pause);
            // What was asked before may still be answered.
            while Instant::now() < again {
                match hear(&mut inbox, again, &read).await {
                    Heard::Proof(proof) => return Ok(proof),
                    Heard::Instead(instead) => last = instead,
                    Heard::Silence(_) => {}
                }
            }
            if Instant::now() >= until {
                return Err(match last {
                    Instead::Denied(status) => NoProof::Denied(status),
                    Instead::Nothing(why) => NoProof::Late(why),
                });
            }
        }
    }

    /// Asks once and gives what came back, unread.
    pub async fn ask_proof(&self, request: &ProofRequest) -> Result<bytes::Bytes, String> {
        let octets = envelope::unsigned(Kind::ProofRequest, &request.to_body());
        let within = request.timeout + ANSWER_ALLOWANCE;
        self.ask_once(subject::proof(&self.ca), &octets, within).await
    }
}

/// The octets of a request, and until when it may be answered.
fn request(of: &ProofOf, until: Instant) -> (Instant, Vec<u8>) {
    let (now, left) = (Instant::now(), until.saturating_duration_since(Instant::now()));
    let timeout = left.saturating_sub(ANSWER_ALLOWANCE).min(PROOF_WAIT_MAX);
    let body = ProofRequest { of: of.clone(), timeout }.to_body();
    let by = until.min(now + timeout + ANSWER_ALLOWANCE);
    (by, envelope::unsigned(Kind::ProofRequest, &body))
}

/// Listens until `until`, or until something came for which it may be asked once more.
async fn hear<T>(
    inbox: &mut Inbox,
    until: Instant,
    read: &impl Fn(&str) -> Result<T, String>,
) -> Heard<T> {
    let mut wrong = None;
    while let Some(message) = inbox.next(until).await {
        if is_unserved(&message) {
            return Heard::Instead(Instead::Nothing(UNSERVED.to_owned()));
        }
        match open(&message.payload) {
            Ok(ProofAnswer { status: ProofStatus::Ok, proof: Some(text) }) => match read(&text) {
                Ok(proof) => return Heard::Proof(proof),
                Err(why) => wrong = Some(why),
            },
            Ok(ProofAnswer { status: ProofStatus::Pending, .. }) => {
                return Heard::Instead(Instead::Nothing("it is pending".to_owned()));
            }
            Ok(ProofAnswer { status, .. }) => return Heard::Instead(Instead::Denied(status)),
            Err(error) => wrong = Some(error.to_string()),
        }
    }
    Heard::Silence(wrong)
}

fn open(octets: &[u8]) -> Result<ProofAnswer, Malformed> {
    let envelope = Envelope::parse(octets, ANSWER_OCTETS_MAX)?.of_kind(Kind::Proof)?;
    decode_body(Kind::Proof, envelope.body)
}
