//! Proofs, as a CA gets them that wants more than an answer: of the log as it is on the disk at that
//! moment, whatever its writer is about to do.

use std::path::Path;
use std::time::Duration;

use mpic_audit::appender::Progress;
use mpic_audit::proof::Proof;
use mpic_audit::prover::Desk;
use mpic_audit::reader::LogReader;
use mpic_common::proof::{ProofAnswer, ProofOf, ProofRequest, ProofStatus};
use mpic_common::record::leaf_hash;
use mpic_common::subject;
use mpic_common::wire::{Kind, envelope};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::ca::Believed;
use crate::system::System;

/// Asks for the proof of what the CA was told of a job, if it was: one that is given verifies, and
/// what was told is never denied.
pub(crate) async fn ask(system: &System, job: usize, log: &Path) -> Option<ProofStatus> {
    let believed = system.jobs.lock().unwrap()[job].believed.clone();
    let Some(Believed::Decided { record, seq }) = believed else { return None };
    let (key, leaf) = (system.fixture.audit.key().unwrap().public().clone(), leaf_hash(&record));
    let size = LogReader::open(log, &key).map_or(0, |log| log.head().size);
    let (_published, progress) = watch::channel(Progress { size, ..Progress::default() });
    let base_seq = system.fixture.audit.base_seq.get();
    let stream = subject::AUDIT_STREAM.to_owned();
    let desk = Desk::new(log.to_owned(), key.clone(), stream.clone(), base_seq, progress);
    let of = ProofOf::Record { stream, seq, leaf };
    let body = ProofRequest { of, timeout: Duration::ZERO }.to_body();
    let request = envelope::unsigned(Kind::ProofRequest, &body);
    let answer = desk.answer(&request, &CancellationToken::new()).await;
    let broken = match &answer {
        ProofAnswer { status: ProofStatus::Ok, proof: Some(text) } => {
            let proof: Proof = text.parse().unwrap();
            proof.check(&key, leaf).err().map(|error| error.to_string())
        }
        ProofAnswer { status: ProofStatus::Pending, .. } => None,
        other => Some(format!("{other:?}")),
    };
    let mut server = system.network.lock();
    let is_proven = answer.status == ProofStatus::Ok;
    server.witness.count(if is_proven { "proven" } else { "not proven yet" });
    let broken =
        broken.map(|text| format!("a_proof_given_to_a_ca_verifies: sequence {seq}: {text}"));
    server.witness.violations.extend(broken);
    Some(answer.status)
}

/// Once everything is in the log, there is a proof of whatever a CA was told.
pub(crate) async fn must_be_given(system: &System, job: usize, log: &Path) {
    if let Some(ProofStatus::Pending) = ask(system, job, log).await {
        let text = format!("what_a_ca_was_told_is_proven_in_the_end: job {job} is not");
        system.network.lock().witness.violations.push(text);
    }
}
