//! Asking for the proof that a record is in the log, and what the audit consumer answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::JobId;
use crate::limits::PROOF_WAIT_MAX;
use crate::octets::Hash;
use crate::time::millis;
use crate::wire::{Kind, Malformed, decode_body, encode_body};

/// The body of a `proof-request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRequest {
    /// Which entry.
    pub of: ProofOf,
    /// How long to wait for an entry that is not there yet; at most [`PROOF_WAIT_MAX`].
    pub timeout: Duration,
}

/// How a request names its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofOf {
    /// As an answer to a CA names its record.
    Record {
        /// The stream that holds it.
        stream: String,
        /// Its sequence there.
        seq: u64,
        /// Its leaf hash.
        leaf: Hash,
    },
    /// The decision on a job, once it is in the log.
    Job(JobId),
    /// The place in the log.
    Index(u64),
}

/// The body of a `proof`, the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofAnswer {
    /// What came of the request.
    pub status: ProofStatus,
    /// A `c2sp.org/tlog-proof@v1` text, which its checkpoint's signature makes good; nil unless
    /// `ok`.
    pub proof: Option<String>,
}

/// What came of a request for a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofStatus {
    /// Here it is.
    Ok,
    /// The entry is not in the log yet, or too many wait: ask again.
    Pending,
    /// This log follows another stream, or decides on no such job.
    NotFound,
    /// The entry at that place is another one: a record was lost or altered. Wake somebody.
    Mismatch,
    /// The request is none.
    Malformed,
}

impl ProofStatus {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::NotFound => "not-found",
            Self::Mismatch => "mismatch",
            Self::Malformed => "malformed",
        }
    }
}

/// All fields in wire order; those of the other ways to name an entry are nil.
#[derive(Serialize, Deserialize)]
struct Fields {
    stream: Option<String>,
    seq: Option<u64>,
    leaf: Option<Hash>,
    job: Option<JobId>,
    index: Option<u64>,
    timeout_ms: u64,
}

impl ProofRequest {
    /// The body on the wire.
    pub fn to_body(&self) -> Vec<u8> {
        let timeout_ms = millis(self.timeout);
        let none =
            || Fields { stream: None, seq: None, leaf: None, job: None, index: None, timeout_ms };
        let fields = match &self.of {
            ProofOf::Record { stream, seq, leaf } => Fields {
                stream: Some(stream.clone()),
                seq: Some(*seq),
                leaf: Some(*leaf),
                ..none()
            },
            ProofOf::Job(job) => Fields { job: Some(*job), ..none() },
            ProofOf::Index(index) => Fields { index: Some(*index), ..none() },
        };
        encode_body(Kind::ProofRequest, &fields)
    }

    /// Reads a body; it names one entry in one way.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let Fields { stream, seq, leaf, job, index, timeout_ms } =
            decode_body(Kind::ProofRequest, body)?;
        let of = match (stream, seq, leaf, job, index) {
            (Some(stream), Some(seq), Some(leaf), None, None) => {
                ProofOf::Record { stream, seq, leaf }
            }
            (None, None, None, Some(job), None) => ProofOf::Job(job),
            (None, None, None, None, Some(index)) => ProofOf::Index(index),
            _ => return Err(malformed("it names not one entry in one way")),
        };
        let timeout = Duration::from_millis(timeout_ms);
        if timeout > PROOF_WAIT_MAX {
            return Err(malformed("timeout_ms is above 30000"));
        }
        Ok(Self { of, timeout })
    }
}

fn malformed(why: &str) -> Malformed {
    Malformed::Body { kind: Kind::ProofRequest, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::job_id;

    fn record() -> ProofOf {
        ProofOf::Record { stream: "MPIC_AUDIT".to_owned(), seq: 2, leaf: Hash::ZERO }
    }

    #[test]
    fn a_request_names_its_entry_in_one_of_three_ways() {
        for of in [record(), ProofOf::Job(job_id(0)), ProofOf::Index(u64::MAX)] {
            let request = ProofRequest { of, timeout: PROOF_WAIT_MAX };
            assert_eq!(ProofRequest::parse(&request.to_body()), Ok(request));
        }
    }

    #[test]
    fn a_request_that_names_no_entry_or_two_or_waits_too_long_is_refused() {
        let fields = |index, job, timeout_ms| Fields {
            stream: None,
            seq: None,
            leaf: None,
            job,
            index,
            timeout_ms,
        };
        for bad in [
            fields(None, None, 0),
            fields(Some(1), Some(job_id(0)), 0),
            fields(Some(1), None, 30_001),
            Fields { seq: Some(1), ..fields(None, None, 0) },
        ] {
            assert!(ProofRequest::parse(&encode_body(Kind::ProofRequest, &bad)).is_err());
        }
    }
}
