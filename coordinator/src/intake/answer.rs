//! What the CA is told: a recorded decision, or a signed refusal.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use mpic_common::code::CaId;
use mpic_common::directory::{Key, Owner};
use mpic_common::limits::{BUDGET, RECORD_OCTETS_MAX};
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::{
    Answer, DecisionRecord, RefusalCode, RefusalRecord, SupersededRecord, leaf_hash,
};
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::bus;
use mpic_runtime::clock::Clock;

use super::{Begun, Intake, REFUSAL_WAIT, Request, conflict};
use crate::admission::{Admitted, Refusal};
use crate::decision::Signed;
use crate::figures::{NO_DECISION, SUPERSEDED};
use crate::perspectives::Perspectives;
use crate::recorder::Publication;

/// What the stream holds under a job's id, where that is not ours.
enum Other {
    /// A decision on this job, of a coordinator that is known.
    Stands,
    /// A decision on a job of this id, of whom nobody here knows yet, or knows any more.
    Unknown,
    /// No decision on this job.
    Conflict,
}

impl<P: Perspectives, C: Clock> Intake<P, C> {
    /// Answers with a record, and so does whoever joined.
    pub(super) async fn answer(&self, begun: &Begun, record: &Bytes, seq: u64) {
        let answer = recorded(record, seq);
        let joined = begun.in_flight.finish(Some(seq));
        for reply in std::iter::once(&begun.request.reply).chain(&joined) {
            self.tell(reply, &answer).await;
        }
    }

    /// Answers a repeat with the record of the first.
    pub(super) async fn answer_again(&self, request: &Request, admitted: &Admitted, seq: u64) {
        match self.recorder.read(seq).await {
            Some(record) => self.tell(&request.reply, &recorded(&record, seq)).await,
            None => {
                let refusal = Refusal::of(admitted, RefusalCode::Unrecorded, Vec::new());
                self.refuse(request, refusal).await;
            }
        }
    }

    /// Answers with another coordinator's decision, which came first and stands; ours goes on
    /// record as superseded. Where it is of another job, the id was used twice.
    pub(super) async fn answer_with_other(
        &self,
        begun: &Begun,
        signed: &Signed,
        seq: u64,
        other: Bytes,
    ) {
        let Begun { request, admitted, .. } = begun;
        match self.judge(&other, admitted) {
            Other::Stands => self.answer(begun, &other, seq).await,
            Other::Unknown => {
                let refusal = Refusal::of(admitted, RefusalCode::Unrecorded, Vec::new());
                tracing::warn!(job = %admitted.job.id, seq, "the decision there is a stranger's");
                return self.give_up(begun, refusal).await;
            }
            Other::Conflict => return self.give_up(begun, conflict(admitted)).await,
        }
        self.figures.ended(SUPERSEDED, request.arrived.elapsed());
        let superseded = SupersededRecord {
            ca: request.ca.clone(),
            job: admitted.job.id,
            coordinator: self.asker.coordinator.clone(),
            decision: Octets(signed.body.clone()),
            lost_to: seq,
            at_ms: self.asker.clock.now(),
        };
        let record = Signed::new(Kind::Superseded, &superseded, &self.asker.key, admitted.digest);
        let publication = Publication {
            subject: subject::audit_late(&request.ca),
            id: subject::superseded_id(&Hash::of(&record.octets)),
            octets: record.octets,
            after: None,
        };
        if let Err(error) = self.recorder.record(&publication, Instant::now() + BUDGET).await {
            tracing::error!(job = %admitted.job.id, %error, "a superseded decision is not recorded");
        }
    }

    /// What these octets are to the job. Whose they are is looked up in the newest document: the
    /// job's own may be older than the coordinator that was faster.
    fn judge(&self, octets: &[u8], admitted: &Admitted) -> Other {
        let envelope = Envelope::parse(octets, RECORD_OCTETS_MAX);
        let Ok(envelope) = envelope.and_then(|envelope| envelope.of_kind(Kind::Decision)) else {
            return Other::Conflict;
        };
        let job = &admitted.job;
        let is_of_id = decode_body(Kind::Decision, envelope.body)
            .is_ok_and(|decided: DecisionRecord| decided.job == job.id && decided.ca == job.ca);
        let Some(seal) = envelope.seal.filter(|_| is_of_id) else { return Other::Conflict };
        let (directory, now) = (self.directories.current(), self.asker.clock.now());
        match directory.key(seal.key, now) {
            None => Other::Unknown,
            Some(Key { owner: Owner::Coordinator(_), public, .. })
                if envelope.verify(public, Some(admitted.digest)).is_ok() =>
            {
                Other::Stands
            }
            Some(_) => Other::Conflict,
        }
    }

    /// Refuses a job that was begun, so that a repeat is tried afresh.
    pub(super) async fn give_up(&self, begun: &Begun, refusal: Refusal) {
        let joined = begun.in_flight.finish(None);
        let ca = &begun.request.ca;
        self.end_without(&begun.request, refusal.clone()).await;
        for reply in joined {
            self.tell(&reply, &self.refusal_answer(ca, &refusal, 1).1).await;
        }
    }

    /// Ends a job with a refusal.
    pub(super) async fn end_without(&self, request: &Request, refusal: Refusal) {
        self.refuse(request, refusal).await;
        self.figures.ended(NO_DECISION, request.arrived.elapsed());
    }

    /// Signs, records and tells a refusal. What only says "again" is not recorded.
    pub(super) async fn refuse(&self, request: &Request, refusal: Refusal) {
        let (ca, now) = (&request.ca, self.asker.clock.now());
        self.figures.refused(refusal.code);
        let (record, answer) = self.refusal_answer(ca, &refusal, 1);
        let (code, errors) = (refusal.code.as_str(), refusal.errors.len());
        tracing::debug!(%ca, code, errors, "a refusal is told");
        if is_recorded(refusal.code) && self.refusals.admit(ca, now) {
            tracing::info!(%ca, code, errors, "refused");
            let publication = Publication {
                subject: subject::audit_decision(ca),
                id: subject::refusal_id(ca, &Hash::of(&request.payload)),
                octets: record.octets,
                after: None,
            };
            let recorded = self.recorder.record(&publication, Instant::now() + REFUSAL_WAIT).await;
            if let Err(error) = recorded {
                // Told all the same: a refusal permits nothing.
                tracing::error!(%ca, %error, "a refusal is not recorded");
            }
        }
        self.tell(&request.reply, &answer).await;
    }

    /// Puts on record, by `give_up`, how many refusals were only counted. What cannot be recorded
    /// is counted on.
    pub(super) async fn record_counted(self: Arc<Self>, give_up: Instant) {
        for (ca, count) in self.refusals.take() {
            let refusal = Refusal {
                code: RefusalCode::Counted,
                job: None,
                digest: Hash::ZERO,
                errors: Vec::new(),
                cohort: None,
            };
            let (record, _) = self.refusal_answer(&ca, &refusal, count);
            let publication = Publication {
                subject: subject::audit_decision(&ca),
                id: subject::refusal_id(&ca, &Hash::of(&record.octets)),
                octets: record.octets,
                after: None,
            };
            if let Err(error) = self.recorder.record(&publication, give_up).await {
                tracing::error!(%ca, count, %error, "counted refusals are not recorded yet");
                self.refusals.put_back(&ca, count);
            }
        }
    }

    fn refusal_answer(&self, ca: &CaId, refusal: &Refusal, count: u64) -> (Signed, Bytes) {
        let record = RefusalRecord {
            ca: ca.clone(),
            job: refusal.job,
            job_digest: refusal.digest,
            coordinator: self.asker.coordinator.clone(),
            code: refusal.code,
            errors: refusal.errors.clone(),
            cohort: refusal.cohort.clone(),
            retry_after_ms: refusal.code.retry_after_ms(),
            at_ms: self.asker.clock.now(),
            count,
        };
        let signed = Signed::new(Kind::Refusal, &record, &self.asker.key, refusal.digest);
        let answer = Answer {
            record: None,
            stream: None,
            seq: None,
            leaf: None,
            refusal: Some(Octets(signed.octets.to_vec())),
        };
        (signed, seal(&answer))
    }

    async fn tell(&self, reply: &async_nats::Subject, answer: &Bytes) {
        let told = self.bus.publish(bus::message(reply.clone(), answer.clone()));
        if let Err(error) = told.await {
            tracing::warn!(%reply, %error, "cannot answer; the CA will ask again");
        }
    }
}

/// Whether a refusal goes on record: not what the same octets may meet again a moment later.
fn is_recorded(code: RefusalCode) -> bool {
    !matches!(code, RefusalCode::Busy | RefusalCode::Unrecorded | RefusalCode::Internal)
}

fn recorded(record: &Bytes, seq: u64) -> Bytes {
    seal(&Answer {
        record: Some(Octets(record.to_vec())),
        stream: Some(subject::AUDIT_STREAM.to_owned()),
        seq: Some(seq),
        leaf: Some(leaf_hash(record)),
        refusal: None,
    })
}

fn seal(answer: &Answer) -> Bytes {
    envelope::unsigned(Kind::Answer, &encode_body(Kind::Answer, answer)).into()
}
