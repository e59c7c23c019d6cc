//! Jobs that go on while something is done to the system.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::certification_authority::{CertificationAuthority, carried, dns_01, http_01};
use crate::process::eventually;
use futures_util::{StreamExt, stream};
use mpic_common::job::Job;
use mpic_common::limits::BUDGET_MIN;
use mpic_common::record::DecisionRecord;
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_runtime::ca_client::{Recorded, SubmitError, Submitted};

/// Jobs of one load.
pub const JOBS: usize = 60;
/// Jobs of it that are in flight at any time.
const IN_FLIGHT: usize = 24;

/// How far a load is.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicUsize,
}

impl Progress {
    /// Waits until so many jobs have their answer.
    pub async fn reaches(&self, count: usize) {
        let reached = || (self.answered.load(Ordering::Relaxed) >= count).then_some(());
        eventually("jobs are answered", reached).await;
    }
}

/// Submits the jobs of a load, repeating each as long as it lives, while `faults` come to pass;
/// gives the decisions, one a job.
///
/// Panics where a job has none in the end.
pub async fn decisions_under<F: Future<Output = ()>>(
    ca: &CertificationAuthority,
    progress: &Progress,
    faults: F,
) -> Vec<Recorded> {
    let submit = |number: usize| async move {
        let job = job(number);
        let submitted = ca.submit(&job).await;
        progress.answered.fetch_add(1, Ordering::Relaxed);
        decision(&job, submitted)
    };
    let load = stream::iter(0..JOBS).map(submit).buffer_unordered(IN_FLIGHT).collect();
    tokio::join!(load, faults).0
}

/// Asks each of these jobs once, while `faults` come to pass; gives the decisions, one a job.
///
/// Panics where one is answered with anything else, or not at all: nobody repeats here.
pub async fn asked_once_under<F: Future<Output = ()>>(
    ca: &CertificationAuthority,
    progress: &Progress,
    job: impl Fn(usize) -> Job,
    faults: F,
) -> Vec<DecisionRecord> {
    let ask = |number: usize| {
        let submission = ca.submission(&job(number));
        async move {
            let octets = carried(&ca.ask_once(&submission).await);
            progress.answered.fetch_add(1, Ordering::Relaxed);
            let envelope = Envelope::parse(&octets, usize::MAX).unwrap();
            assert_eq!(envelope.kind, Kind::Decision, "{} is not decided", submission.job);
            decode_body(Kind::Decision, envelope.body).unwrap()
        }
    };
    let load = stream::iter(0..JOBS).map(ask).buffer_unordered(IN_FLIGHT).collect();
    tokio::join!(load, faults).0
}

/// A job that the CA gives up on soon, so that it repeats soon.
pub fn job(number: usize) -> Job {
    let job = match number % 2 {
        0 => dns_01("honest.example"),
        _ => http_01("honest.example"),
    };
    Job { budget: Some(BUDGET_MIN), ..job }
}

fn decision(job: &Job, submitted: Result<Submitted, SubmitError>) -> Recorded {
    match submitted {
        Ok(Submitted::Decided(recorded)) => *recorded,
        other => panic!("no decision on {}: {other:?}", job.id),
    }
}
