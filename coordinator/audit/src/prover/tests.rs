use std::time::Duration;

use mpic_common::limits::PROOF_WAIT_MAX;
use mpic_common::proof::ProofOf;
use mpic_common::record::leaf_hash;
use mpic_common::testing::job_id;
use mpic_common::wire::{Kind, envelope};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::appender::Progress;
use crate::proof::Proof;
use crate::testing::{decision, fleet, genesis, job, key, sign_decision, unanimous, write};

const ORIGIN: &str = "log.example/1";
const STREAM: &str = "S";

/// A log of genesis, a document and a decision, and its desk; more can be published.
struct Office {
    directory: TempDir,
    entries: Vec<Vec<u8>>,
    progress: watch::Sender<Progress>,
    desk: Desk,
    stop: CancellationToken,
}

impl Office {
    fn open() -> Self {
        let fleet = fleet();
        let decided = sign_decision(&unanimous(&fleet, &job(0)), &job(0));
        let entries = vec![genesis(ORIGIN, None), fleet.document(), decided];
        let directory = tempfile::tempdir().expect("a directory");
        write(directory.path(), ORIGIN, &entries);
        let (progress, watched) = watch::channel(Progress { size: 3, ..Progress::default() });
        let key = key(ORIGIN).public().clone();
        let desk = Desk::new(directory.path().to_owned(), key, STREAM.to_owned(), 1, watched);
        Self { directory, entries, progress, desk, stop: CancellationToken::new() }
    }

    /// Publishes one more entry, as the appender would.
    fn publish(&mut self, entry: Vec<u8>) {
        write(self.directory.path(), ORIGIN, std::slice::from_ref(&entry));
        self.entries.push(entry);
        self.progress.send_modify(|progress| progress.size += 1);
    }

    async fn ask(&self, of: ProofOf, timeout: Duration) -> ProofAnswer {
        let request = mpic_common::proof::ProofRequest { of, timeout };
        let octets = envelope::unsigned(Kind::ProofRequest, &request.to_body());
        self.desk.answer(&octets, &self.stop).await
    }

    async fn status(&self, of: ProofOf, timeout: Duration) -> ProofStatus {
        let answer = self.ask(of, timeout).await;
        assert!(answer.proof.is_none(), "{answer:?}");
        answer.status
    }

    /// Asks for the record of a sequence as a CA does.
    fn record(seq: u64, octets: &[u8]) -> ProofOf {
        ProofOf::Record { stream: STREAM.to_owned(), seq, leaf: leaf_hash(octets) }
    }
}

fn assert_proves(answer: &ProofAnswer, index: u64, entry: &[u8]) {
    assert_eq!(answer.status, ProofStatus::Ok);
    let proof: Proof = answer.proof.as_deref().expect("a proof").parse().expect("well-formed");
    assert_eq!(proof.index, index);
    proof.check(key(ORIGIN).public(), leaf_hash(entry)).expect("valid");
}

#[tokio::test]
async fn an_entry_is_proven_by_sequence_by_index_and_by_job() {
    let office = Office::open();
    let entry = office.entries[2].clone();
    for of in [Office::record(2, &entry), ProofOf::Index(2), ProofOf::Job(job(0).id)] {
        assert_proves(&office.ask(of, Duration::ZERO).await, 2, &entry);
    }
    let figures = office.desk.figures();
    assert_eq!((figures.requests(), figures.unproven()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_yet_is_waited_for_and_then_pending() {
    let office = Office::open();
    let asked = tokio::time::Instant::now();
    let of = Office::record(3, b"later");
    assert_eq!(office.status(of, PROOF_WAIT_MAX).await, ProofStatus::Pending);
    assert_eq!(asked.elapsed(), PROOF_WAIT_MAX);
    assert_eq!(office.status(ProofOf::Index(u64::MAX), PROOF_WAIT_MAX).await, ProofStatus::Pending);
    let unknown = ProofOf::Job(job_id(7));
    assert_eq!(office.status(unknown, Duration::ZERO).await, ProofStatus::NotFound);
}

#[tokio::test]
async fn who_waits_is_answered_once_the_entry_is_published() {
    let mut office = Office::open();
    let (fleet, later) = (fleet(), job(1));
    let entry = sign_decision(&decision(&fleet, &later, |_| None), &later);
    let (by_job, by_seq) = (ProofOf::Job(later.id), Office::record(3, &entry));
    office.publish(entry.clone());
    office.progress.send_modify(|progress| progress.size = 3);
    let waiting = async {
        tokio::join!(office.ask(by_job, PROOF_WAIT_MAX), office.ask(by_seq, PROOF_WAIT_MAX))
    };
    let publishing = async {
        tokio::task::yield_now().await;
        office.progress.send_modify(|progress| progress.size = 4);
    };
    let ((by_job, by_seq), ()) = tokio::join!(waiting, publishing);
    assert_proves(&by_job, 3, &entry);
    assert_proves(&by_seq, 3, &entry);
}

#[tokio::test]
async fn another_stream_another_leaf_and_what_is_no_request_are_told_apart() {
    let office = Office::open();
    let entry = office.entries[2].clone();
    let elsewhere = ProofOf::Record { stream: "OTHER".to_owned(), seq: 2, leaf: leaf_hash(&entry) };
    assert_eq!(office.status(elsewhere, Duration::ZERO).await, ProofStatus::NotFound);
    let before = Office::record(0, &entry);
    assert_eq!(office.status(before, Duration::ZERO).await, ProofStatus::NotFound);
    let altered = Office::record(2, b"altered");
    assert_eq!(office.status(altered, Duration::ZERO).await, ProofStatus::Mismatch);
    for junk in [&b""[..], b"junk", &[0x80; 300]] {
        let answer = office.desk.answer(junk, &office.stop).await;
        assert_eq!(answer.status, ProofStatus::Malformed);
    }
    assert_eq!(office.desk.figures().unproven(), 6);
}

#[tokio::test]
async fn who_waits_when_the_process_stops_is_told_pending() {
    let office = Office::open();
    office.stop.cancel();
    assert_eq!(office.status(ProofOf::Index(3), PROOF_WAIT_MAX).await, ProofStatus::Pending);
}

#[test]
fn an_answer_goes_to_who_asks_and_to_nobody_else() {
    let message = |subject: &str, reply: Option<&str>| Message {
        subject: subject.into(),
        reply: reply.map(Into::into),
        payload: Bytes::new(),
        headers: None,
        status: None,
        description: None,
        length: 0,
    };
    let own = Some("mpic.v1.answer.ca1.x");
    assert!(admitted(message("mpic.v1.proof.ca1", own)).is_some());
    for (subject, reply) in [
        ("mpic.v1.proof.ca1", None),
        ("mpic.v1.proof.ca1", Some("mpic.v1.answer.ca2.x")),
        ("mpic.v1.proof.ca1", Some("mpic.v1.job.ca1")),
        ("mpic.v1.proof.ca1.x", own),
    ] {
        assert!(admitted(message(subject, reply)).is_none(), "{subject} {reply:?}");
    }
}
