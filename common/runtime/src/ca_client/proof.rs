//! Asking the audit consumer for the proof that a record is in the log.

use std::time::Duration;

use mpic_common::limits::{ANSWER_OCTETS_MAX, MERGE_DELAY, PROOF_WAIT_MAX};
use mpic_common::proof::{ProofAnswer, ProofOf, ProofRequest, ProofStatus};
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body, envelope};
use tokio::time::Instant;

use super::{ANSWER_ALLOWANCE, CaClient, Recorded};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The log still lacks the record; whoever keeps the record can show that.
    #[error("the record is not in the log after {0:?}: {1}")]
    Late(Duration, String),
    /// The audit consumer says that the log has no such record, or another one.
    #[error("the audit consumer has no proof: {}", .0.as_str())]
    Refused(ProofStatus),
}

impl Recorded {
    /// What names this record to the audit consumer.
    pub fn proof_of(&self) -> ProofOf {
        ProofOf::Record { stream: self.stream.clone(), seq: self.seq, leaf: self.leaf }
    }
}

impl CaClient {
    /// The proof that an entry is in the log, a `c2sp.org/tlog-proof@v1` text that the caller has
    /// yet to verify. Asks again until the merge delay is over, since the audit consumer may be
    /// away for a while.
    pub async fn prove(&self, of: &ProofOf) -> Result<String, NoProof> {
        let started = Instant::now();
        loop {
            let left = MERGE_DELAY.saturating_sub(started.elapsed());
            let timeout = left.min(PROOF_WAIT_MAX);
            let why = match self.ask_proof(&ProofRequest { of: of.clone(), timeout }).await {
                Ok(octets) => match open(&octets) {
                    Ok(ProofAnswer { status: ProofStatus::Ok, proof: Some(proof) }) => {
                        return Ok(proof);
                    }
                    Ok(ProofAnswer { status: ProofStatus::Pending, .. }) => {
                        "it is pending".to_owned()
                    }
                    Ok(ProofAnswer { status, .. }) => return Err(NoProof::Refused(status)),
                    // Whoever sent it, it is no answer.
                    Err(error) => error.to_string(),
                },
                Err(why) => why,
            };
            if started.elapsed() >= MERGE_DELAY {
                return Err(NoProof::Late(MERGE_DELAY, why));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks once and gives what came back, unread.
    pub async fn ask_proof(&self, request: &ProofRequest) -> Result<bytes::Bytes, String> {
        let octets = envelope::unsigned(Kind::ProofRequest, &request.to_body());
        let within = request.timeout + ANSWER_ALLOWANCE;
        self.ask_once(subject::proof(&self.ca), &octets, within).await
    }
}

fn open(octets: &[u8]) -> Result<ProofAnswer, Malformed> {
    let envelope = Envelope::parse(octets, ANSWER_OCTETS_MAX)?.of_kind(Kind::Proof)?;
    decode_body(Kind::Proof, envelope.body)
}

/// Between two requests, for an audit consumer that is started again.
const PAUSE: Duration = Duration::from_millis(500);
