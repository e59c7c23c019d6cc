//! What one request comes to: waits for the entry where it must, then reads the proof.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use mpic_common::job::JobId;
use mpic_common::limits::PROOF_REQUEST_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::proof::{ProofAnswer, ProofOf, ProofRequest, ProofStatus};
use mpic_common::wire::{Envelope, Kind, Malformed};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::appender::Progress;
use crate::note::LogPublicKey;
use crate::proof::ProofError;
use crate::reader::{LogReadError, LogReader};
use crate::search::decision_since;

/// Proves what is in one log.
#[derive(Debug)]
pub struct Desk {
    log: LogFiles,
    stream: String,
    base_seq: u64,
    progress: watch::Receiver<Progress>,
    reads: Semaphore,
    searches: Semaphore,
    figures: Figures,
}

/// Where a log is, and its key.
#[derive(Clone, Debug)]
struct LogFiles {
    directory: PathBuf,
    key: LogPublicKey,
}

/// Requests so far.
#[derive(Debug, Default)]
pub struct Figures {
    requests: AtomicU64,
    unproven: AtomicU64,
}

impl Figures {
    /// Requests answered.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Those of them that were not answered with a proof.
    pub fn unproven(&self) -> u64 {
        self.unproven.load(Ordering::Relaxed)
    }
}

impl Desk {
    /// The desk of the log in `directory`, which follows `stream` from `base_seq` on and is
    /// published as far as `progress` says.
    pub fn new(
        directory: PathBuf,
        key: LogPublicKey,
        stream: String,
        base_seq: u64,
        progress: watch::Receiver<Progress>,
    ) -> Self {
        Self {
            log: LogFiles { directory, key },
            stream,
            base_seq,
            progress,
            reads: Semaphore::new(READS_MAX),
            searches: Semaphore::new(1),
            figures: Figures::default(),
        }
    }

    /// Requests so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Answers a request's envelope; an entry that is not there yet is waited for until the
    /// request's time is over, or until `stop`.
    pub async fn answer(&self, request: &[u8], stop: &CancellationToken) -> ProofAnswer {
        let answer = match parse(request) {
            Ok(request) => self.find(request, stop).await,
            Err(error) => {
                tracing::debug!(%error, "no request for a proof");
                Err(ProofStatus::Malformed)
            }
        };
        self.figures.requests.fetch_add(1, Ordering::Relaxed);
        self.figures.unproven.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
        match answer {
            Ok(proof) => ProofAnswer { status: ProofStatus::Ok, proof: Some(proof) },
            Err(status) => ProofAnswer { status, proof: None },
        }
    }

    async fn find(
        &self,
        request: ProofRequest,
        stop: &CancellationToken,
    ) -> Result<String, ProofStatus> {
        let until = Until { deadline: Instant::now() + request.timeout, stop };
        match request.of {
            ProofOf::Record { stream, seq, leaf } => {
                let index = seq.checked_sub(self.base_seq).and_then(|place| place.checked_add(1));
                let index = index.filter(|_| stream == self.stream);
                let index = index.ok_or(ProofStatus::NotFound)?;
                self.reach(index, until).await?;
                self.prove(index, Some(leaf)).await
            }
            ProofOf::Index(index) => {
                self.reach(index, until).await?;
                self.prove(index, None).await
            }
            ProofOf::Job(job) => {
                let index = self.find_job(job, until).await?;
                self.prove(index, None).await
            }
        }
    }

    /// Waits until the published log has this entry.
    async fn reach(&self, index: u64, until: Until<'_>) -> Result<(), ProofStatus> {
        let mut progress = self.progress.clone();
        let grown = until.wait(progress.wait_for(|progress| progress.size > index)).await;
        if matches!(grown, Some(Ok(_))) { Ok(()) } else { Err(ProofStatus::Pending) }
    }

    /// Looks for the decision on a job, and again in what is added until the time is over.
    async fn find_job(&self, job: JobId, until: Until<'_>) -> Result<u64, ProofStatus> {
        let mut progress = self.progress.clone();
        let mut from = 0;
        loop {
            let size = progress.borrow_and_update().size;
            let found =
                self.read(&self.searches, move |log| decision_since(log, job, from)).await?;
            if let Some(index) = found {
                return Ok(index);
            }
            from = size;
            if !matches!(until.wait(progress.changed()).await, Some(Ok(()))) {
                return Err(ProofStatus::NotFound);
            }
        }
    }

    /// The proof of an entry that is published, which must have this leaf.
    async fn prove(&self, index: u64, leaf: Option<Hash>) -> Result<String, ProofStatus> {
        let proof = self.read(&self.reads, move |log| log.prove(index)).await?;
        if let Some(leaf) = leaf {
            match proof.check(&self.log.key, leaf) {
                Ok(_) => {}
                Err(ProofError::Path) => {
                    tracing::error!(index, %leaf, "the log has another entry than was acknowledged");
                    return Err(ProofStatus::Mismatch);
                }
                Err(error) => {
                    tracing::error!(%error, index, "cannot prove an entry");
                    return Err(ProofStatus::Pending);
                }
            }
        }
        Ok(proof.to_string())
    }

    /// Reads the log under its published head, off the threads that serve the bus.
    async fn read<T: Send + 'static>(
        &self,
        permits: &Semaphore,
        work: impl FnOnce(&LogReader) -> Result<T, LogReadError> + Send + 'static,
    ) -> Result<T, ProofStatus> {
        let _permit = permits.acquire().await.map_err(|_| ProofStatus::Pending)?;
        let LogFiles { directory, key } = self.log.clone();
        let read = tokio::task::spawn_blocking(move || work(&LogReader::open(&directory, &key)?));
        match read.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot read the log for a proof"
                );
                Err(ProofStatus::Pending)
            }
            Err(_) => Err(ProofStatus::Pending),
        }
    }
}

/// How long a request may wait.
#[derive(Clone, Copy)]
struct Until<'a> {
    deadline: Instant,
    stop: &'a CancellationToken,
}

impl Until<'_> {
    /// What it gives, if it gives it in time.
    async fn wait<T>(self, what: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.deadline, self.stop.run_until_cancelled(what)).await.ok().flatten()
    }
}

fn parse(request: &[u8]) -> Result<ProofRequest, Malformed> {
    let envelope = Envelope::parse(request, PROOF_REQUEST_OCTETS_MAX)?;
    ProofRequest::parse(envelope.of_kind(Kind::ProofRequest)?.body)
}

/// Proofs read from the disk at one time, so that they leave it to the writer.
const READS_MAX: usize = 4;
