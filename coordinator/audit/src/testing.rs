//! Decisions as a coordinator makes them, and logs of what one likes, for tests.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a broken builder should panic")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use mpic_common::assignment::{Assignment, SignedAssignment};
use mpic_common::code::PerspectiveId;
use mpic_common::cohort::{Cohort, PrimaryPlace};
use mpic_common::directory::Directory;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::octets::{Hash, Octets};
use mpic_common::policy::{Case, decide};
use mpic_common::record::{
    CheckRecord, DecisionRecord, LateRecord, Missing, MissingRecord, PrimaryRecord, PrimarySource,
    QuorumRecord, ReplyRecord, leaf_hash,
};
use mpic_common::reply::{self, VerifiedReply};
use mpic_common::testing::{Fleet, Seen, dns_01_job, job_id};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Kind, encode_body, envelope};
use serde::Serialize;

use crate::genesis::{Genesis, OwnEntry, Previous};
use crate::log::{Disk, Shard, ShardOptions, Steps};
use crate::note::LogKey;

/// The moment of all tests.
pub const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// A primary and six remotes.
pub fn fleet() -> Fleet {
    Fleet::new(6)
}

/// The key of the log of this name.
pub fn key(origin: &str) -> LogKey {
    LogKey::new(origin, &[1; 32]).expect("a valid origin")
}

/// The job made `ms` after the moment of all tests.
pub fn job(ms: u64) -> Job {
    Job { id: job_id(ms), ca_request: Some(format!("order-{ms}")), ..dns_01_job("a.example") }
}

/// What an answer to the job signs.
pub fn job_digest(job: &Job) -> Hash {
    Hash::of(&job.to_body())
}

/// One assignment for everybody, by the coordinator `c0`.
pub fn assignment(fleet: &Fleet, job: &Job) -> SignedAssignment {
    let job_octets = envelope::unsigned(Kind::Job, &job.to_body());
    let assignment = Assignment {
        coordinator: "c0".parse().expect("a code"),
        job: job.id,
        perspectives: std::iter::once(fleet.primary()).chain(fleet.remotes()).cloned().collect(),
        job_envelope: Octets(job_octets),
        job_digest: job_digest(job),
        budget_ms: 19_750,
        deadline_ms: UnixMs(NOW.0 + 19_750),
        reply_octets_max: 5_851,
    };
    assignment.sign(&Fleet::key("c0"))
}

/// The decision on what everybody saw; who is `None` was silent.
pub fn decision(
    fleet: &Fleet,
    job: &Job,
    saw: impl Fn(&PerspectiveId) -> Option<Seen>,
) -> DecisionRecord {
    let assignment = assignment(fleet, job);
    let directory = fleet.directory();
    let mut replies = BTreeMap::new();
    let mut missing = Vec::new();
    for code in std::iter::once(fleet.primary()).chain(fleet.remotes()) {
        match saw(code) {
            Some(seen) => {
                let reply = fleet.reply_to(assignment.digest, code, job, seen);
                replies.insert(code.clone(), reply);
            }
            None => {
                let (perspective, reason) = (code.clone(), Missing::Pending);
                missing.push(MissingRecord { perspective, reason });
            }
        }
    }
    let mut record = DecisionRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: "c0".parse().expect("a code"),
        software: "test".to_owned(),
        ca_request: job.ca_request.clone(),
        identifier: job.identifier.clone(),
        directory_hash: directory.hash(),
        relaxations: vec![],
        assignments: vec![Octets(assignment.octets)],
        job_envelope: None,
        seed: 7,
        primary: PrimaryRecord {
            perspective: Some(fleet.primary().clone()),
            source: PrimarySource::Agent,
        },
        cohort: fleet.remotes().cloned().collect(),
        replies: replies.iter().map(|(code, (octets, _))| reply_record(code, octets)).collect(),
        missing,
        rejected: vec![],
        checks: BTreeMap::new(),
        both: None,
        outcome: mpic_common::policy::Outcome::Refuse,
        requested_ms: NOW,
        started_ms: NOW,
        decided_ms: UnixMs(NOW.0 + 20),
    };
    let verified = replies.into_iter().map(|(code, (_, verified))| (code, verified)).collect();
    decide_as_recorded(&mut record, job, &directory, &verified);
    record
}

/// The reply as a decision holds it, received 10 ms after the moment of all tests.
pub fn reply_record(code: &PerspectiveId, octets: &[u8]) -> ReplyRecord {
    let (perspective, received_ms) = (code.clone(), UnixMs(NOW.0 + 10));
    ReplyRecord { perspective, received_ms, reply: Octets(octets.to_vec()) }
}

/// Fills in what `decide` says.
fn decide_as_recorded(
    record: &mut DecisionRecord,
    job: &Job,
    directory: &Directory,
    replies: &BTreeMap<PerspectiveId, VerifiedReply>,
) {
    let find = |code| directory.perspective(code, NOW).expect("in the directory");
    let primary = record.primary.perspective.clone().expect("an agent's");
    let remotes: Vec<_> = record.cohort.iter().map(find).collect();
    let cohort = Cohort::new(PrimaryPlace::Perspective(find(&primary)), &remotes);
    let cohort = cohort.expect("distinct");
    let findings = |check: CheckKind| {
        let seen =
            replies.get(&primary).map_or(mpic_common::observation::Primary::DidNotPass, |reply| {
                reply::primary(check, reply, &record.relaxations)
            });
        let remotes = replies.iter().filter(|(code, _)| **code != primary);
        reply::findings(check, seen, remotes, &record.relaxations)
    };
    let checks: BTreeMap<_, _> = job.checks().map(|check| (check, findings(check))).collect();
    let decision = decide(&Case {
        certificate_type: job.certificate_type,
        date: NOW.date(),
        policy: directory.policy(),
        stricter: job.stricter,
        cohort: cohort.remotes(),
        checks: checks.clone(),
    });
    record.checks = decision
        .checks
        .iter()
        .map(|(check, decided)| {
            let of = |code: &PerspectiveId| checks[check].remotes.get(code).copied();
            let findings = record.cohort.iter();
            let findings = findings.map(|code| (code.clone(), of(code).unwrap_or(UNKNOWN)));
            let QuorumRecord { quorum, outcome, shortfalls } = decided.into();
            let method = (*check == CheckKind::Dcv).then(|| "acme-dns-01".to_owned());
            let findings = findings.collect();
            (*check, CheckRecord { method, findings, quorum, outcome, shortfalls })
        })
        .collect();
    record.both = decision.both.as_ref().map(QuorumRecord::from);
    record.outcome = decision.outcome;
}

const UNKNOWN: Finding = Finding::Unavailable;

/// Everybody saw what the job expects.
pub fn unanimous(fleet: &Fleet, job: &Job) -> DecisionRecord {
    decision(fleet, job, |_| Some(Seen::Expected))
}

/// The late replies of a decision.
pub fn late(decided: &[u8], job: &Job, codes: &[&str]) -> Vec<u8> {
    let fleet = fleet();
    let digest = assignment(&fleet, job).digest;
    let reply = |code: &&str| {
        let code = code.parse().expect("a code");
        let (octets, _) = fleet.reply_to(digest, &code, job, Seen::Expected);
        reply_record(&code, &octets)
    };
    let record = LateRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: "c0".parse().expect("a code"),
        decision_hash: leaf_hash(decided),
        replies: codes.iter().map(reply).collect(),
        rejected: vec![],
        closed_ms: UnixMs(NOW.0 + 2_000),
    };
    sign(Kind::Late, &record, "c0", job_digest(job))
}

/// An envelope signed by the holder of this name.
pub fn sign<T: Serialize>(kind: Kind, body: &T, name: &str, digest: Hash) -> Vec<u8> {
    envelope::seal(kind, &encode_body(kind, body), &Fleet::key(name), Some(digest))
}

/// A decision signed by the coordinator `c0`.
pub fn sign_decision(record: &DecisionRecord, job: &Job) -> Vec<u8> {
    sign(Kind::Decision, record, "c0", job_digest(job))
}

/// Entry 0 of a log.
pub fn genesis(origin: &str, previous: Option<Previous>) -> Vec<u8> {
    let genesis = Genesis {
        origin: origin.to_owned(),
        stream: "S".to_owned(),
        stream_created_ns: 1,
        base_seq: 1,
        previous,
    };
    OwnEntry::Genesis(genesis).encode().expect("encoded")
}

/// Writes these entries as a log and gives its head, as the next one names it.
pub fn write(directory: &Path, origin: &str, entries: &[Vec<u8>]) -> Previous {
    let options =
        ShardOptions { key: key(origin), io_threads: NonZeroUsize::MIN, steps: Steps::default() };
    let shard = Shard::open(Disk::new(directory), options).expect("opened");
    let entries: Vec<_> = entries.iter().map(|entry| entry.clone().into()).collect();
    let shard = shard.commit(&entries).expect("committed").publish().expect("published");
    Previous { origin: origin.to_owned(), size: shard.size(), root: shard.root().0 }
}
