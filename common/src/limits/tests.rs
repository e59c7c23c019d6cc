use crate::assignment::Assignment;
use crate::code::PerspectiveId;
use crate::identifier::Identifier;
use crate::observation::{CheckKind, Finding};
use crate::octets::{Hash, Octets};
use crate::policy::Outcome;
use crate::record::{
    CheckRecord, DecisionRecord, Missing, MissingRecord, PrimaryRecord, PrimarySource,
    QuorumRecord, RejectedRecord, ReplyRecord, SupersededRecord,
};
use crate::reply::Rejected;
use crate::testing::{Fleet, job_id};
use crate::time::UnixMs;
use crate::wire::{Kind, encode_body, envelope};

use super::*;

const LATE: UnixMs = UnixMs(1 << 60);

/// The longest codes there are.
fn codes(count: usize) -> Vec<PerspectiveId> {
    (0..count).map(|number| format!("p{number:031}").parse().unwrap()).collect()
}

fn code<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "c".repeat(32).parse().unwrap()
}

fn assignment(job: &[u8], perspectives: &[PerspectiveId]) -> Octets {
    let assignment = Assignment {
        coordinator: code(),
        job: job_id(0),
        perspectives: perspectives.to_vec(),
        job_envelope: Octets(job.to_vec()),
        job_digest: Hash([0xFF; 32]),
        budget_ms: u64::MAX,
        deadline_ms: LATE,
        reply_octets_max: 8_192,
    };
    Octets(assignment.sign(&Fleet::key("c0")).octets)
}

fn quorum() -> QuorumRecord {
    QuorumRecord {
        quorum: "20/20".to_owned(),
        outcome: Outcome::Corroborate,
        shortfalls: vec!["x".repeat(96); 4],
    }
}

/// The largest record of a job of so many octets that `perspectives` replied to, or did not.
fn fullest(job_octets: usize, perspectives: usize, has_replied: bool) -> DecisionRecord {
    let (job, codes) = (vec![0xFF; job_octets], codes(perspectives));
    let reply = vec![0xFF; reply_octets_max(perspectives, job_octets)];
    let of_all = |finding| codes.iter().map(|code| (code.clone(), finding)).collect();
    let QuorumRecord { quorum: text, outcome, shortfalls } = quorum();
    let check = CheckRecord {
        method: Some("x".repeat(48)),
        findings: of_all(Finding::Unavailable),
        quorum: text,
        outcome,
        shortfalls,
    };
    let reply = |code: &PerspectiveId| ReplyRecord {
        perspective: code.clone(),
        received_ms: LATE,
        reply: Octets(reply.clone()),
    };
    let missing = |code: &PerspectiveId| MissingRecord {
        perspective: code.clone(),
        reason: Missing::NoResponders,
    };
    let rejected = |code: &PerspectiveId| RejectedRecord {
        perspective: Some(code.clone()),
        received_ms: LATE,
        reason: Rejected::WrongPerspective,
        hash: Hash([0xFF; 32]),
        raw: None,
    };
    let name = format!("{0}.{0}.{0}.{1}.example", "a".repeat(60), "b".repeat(55));
    DecisionRecord {
        ca: code(),
        job: job_id(0),
        coordinator: code(),
        software: "x".repeat(48),
        ca_request: Some("x".repeat(128)),
        identifier: Identifier::parse(&name).unwrap(),
        directory_hash: Hash([0xFF; 32]),
        relaxations: vec!["x".repeat(RELAXATIONS_OCTETS_MAX / 8 - 2); 8],
        assignments: vec![assignment(&job, &codes[..1]), assignment(&job, &codes[1..])],
        job_envelope: None,
        seed: u64::MAX,
        primary: PrimaryRecord {
            perspective: codes.first().cloned(),
            source: PrimarySource::External,
        },
        cohort: codes.clone(),
        replies: codes.iter().filter(|_| has_replied).map(reply).collect(),
        missing: codes.iter().filter(|_| !has_replied).map(missing).collect(),
        rejected: codes.iter().cycle().take(3 * perspectives).map(rejected).collect(),
        checks: [(CheckKind::Caa, check.clone()), (CheckKind::Dcv, check)].into(),
        both: Some(quorum()),
        outcome: Outcome::Corroborate,
        requested_ms: LATE,
        started_ms: LATE,
        decided_ms: LATE,
    }
}

#[test]
fn whatever_was_asked_and_said_fits_its_record_and_so_does_its_supersession() {
    let key = Fleet::key("c0");
    for perspectives in 1..=COHORT_MAX + 1 {
        for job_octets in [200, 1_000, 4_000, JOB_OCTETS_MAX] {
            for has_replied in [true, false] {
                let record = fullest(job_octets, perspectives, has_replied);
                let body = encode_body(Kind::Decision, &record);
                let superseded = SupersededRecord {
                    ca: code(),
                    job: record.job,
                    coordinator: code(),
                    decision: Octets(body.clone()),
                    lost_to: u64::MAX,
                    at_ms: LATE,
                };
                let superseded = encode_body(Kind::Superseded, &superseded);
                for (kind, body) in [(Kind::Decision, body), (Kind::Superseded, superseded)] {
                    let octets = envelope::seal(kind, &body, &key, Some(Hash::ZERO)).len();
                    let what = format!("{perspectives} perspectives, a job of {job_octets}");
                    assert!(octets <= RECORD_OCTETS_MAX, "{what}: {octets} in a {kind:?}");
                }
            }
        }
    }
}

#[test]
fn a_usual_job_leaves_replies_the_room_that_they_had() {
    assert_eq!(reply_octets_max(7, 1_000), 40 * 1_024 / 7);
    assert_eq!(reply_octets_max(3, 1_000), 8_192);
    assert!(reply_octets_max(COHORT_MAX + 1, JOB_OCTETS_MAX) > 1_350);
}
