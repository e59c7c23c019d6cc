//! What must hold when everything has come to rest, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mpic_audit::finding::Severity;
use mpic_audit::log::Storage;
use mpic_audit::log::memory::Memory;
use mpic_audit::reader::LogReader;
use mpic_audit::replay::{self, replay};
use mpic_audit::verify;
use mpic_common::assignment::Assignment;
use mpic_common::job::JobId;
use mpic_common::limits::{ASSIGNMENT_OCTETS_MAX, RECORD_OCTETS_MAX};
use mpic_common::policy::Outcome;
use mpic_common::record::{DecisionRecord, LateRecord, RefusalCode, SupersededRecord};
use mpic_common::reply::Reply;
use mpic_common::testing::Fleet;
use mpic_common::wire::{Envelope, Kind, decode_body};
use tempfile::TempDir;

use crate::ca::Believed;
use crate::system::System;

/// Each decision of the stream, and its sequence.
type Decisions = Vec<(u64, DecisionRecord)>;

/// Checks everything, and adds what does not hold to what was seen.
pub(crate) fn check(system: &System, log: &Path) {
    let decisions = decisions(system);
    let mut broken = Vec::new();
    for (name, found) in [
        ("every_job_is_answered", every_job_is_answered(system)),
        ("a_job_has_at_most_one_decision", a_job_has_at_most_one_decision(&decisions)),
        (
            "no_reply_of_a_key_counts_in_a_job_that_came_after_its_revocation_was_read",
            no_reply_of_a_revoked_key_counts(system, &decisions),
        ),
        ("no_finding_crosses_attempts", no_finding_crosses_attempts(&decisions)),
        (
            "an_attacker_short_of_the_quorum_never_gains_issuance",
            an_attacker_short_of_the_quorum_never_gains_issuance(&decisions),
        ),
        ("the_log_is_the_stream", the_log_is_the_stream(system, log)),
        (
            "every_record_re_decides_to_its_decision",
            every_record_re_decides_to_its_decision(system, &decisions, log),
        ),
    ] {
        broken.extend(found.into_iter().map(|text| format!("{name}: {text}")));
    }
    let mut server = system.network.lock();
    for (_, decision) in &decisions {
        server.witness.count(match decision.outcome {
            Outcome::Corroborate => "corroborated",
            Outcome::Refuse => "not corroborated",
        });
        if !decision.rejected.is_empty() {
            server.witness.count("rejected replies");
        }
    }
    for stored in server.stream.messages.clone() {
        if let Ok(envelope) = Envelope::parse(&stored.payload, RECORD_OCTETS_MAX) {
            server.witness.count(envelope.kind.as_str());
        }
    }
    server.witness.violations.extend(broken);
}

pub(crate) fn is_every_job_answered(system: &System) -> bool {
    every_job_is_answered(system).is_empty()
}

pub(crate) fn is_everything_in_the_log(system: &System) -> bool {
    let logged = system.disk.lock().unwrap().list("checkpoints").unwrap_or_default();
    let size = logged.into_iter().filter_map(|(name, _)| name.parse::<u64>().ok()).max();
    let server = system.network.lock();
    let last = server.stream.messages.len() as u64;
    size == Some(last + 1) && server.stream.acked == last
}

/// Once faults stop. A job whose id was used for another one may be refused as a conflict.
fn every_job_is_answered(system: &System) -> Vec<String> {
    let jobs = system.jobs.lock().unwrap();
    let unanswered = jobs.iter().filter(|job| match &job.believed {
        Some(Believed::Decided { .. }) => false,
        Some(Believed::Refused(RefusalCode::Conflict)) => !job.is_contested,
        _ => true,
    });
    unanswered.map(|job| format!("job {} has {:?}", job.job.id, job.believed)).collect()
}

fn decisions(system: &System) -> Decisions {
    let server = system.network.lock();
    let of_stream = (1..).zip(&server.stream.messages).filter_map(|(seq, stored)| {
        let envelope = Envelope::parse(&stored.payload, RECORD_OCTETS_MAX).ok()?;
        let envelope = envelope.of_kind(Kind::Decision).ok()?;
        Some((seq, decode_body(Kind::Decision, envelope.body).ok()?))
    });
    of_stream.collect()
}

fn a_job_has_at_most_one_decision(decisions: &Decisions) -> Vec<String> {
    let mut of_job: BTreeMap<JobId, Vec<u64>> = BTreeMap::new();
    for (seq, decision) in decisions {
        of_job.entry(decision.job).or_default().push(*seq);
    }
    let doubled = of_job.into_iter().filter(|(_, seqs)| seqs.len() > 1);
    doubled.map(|(job, seqs)| format!("job {job} is decided at {seqs:?}")).collect()
}

fn no_reply_of_a_revoked_key_counts(system: &System, decisions: &Decisions) -> Vec<String> {
    let mut server = system.network.lock();
    let Some((revoked, readers)) = server.witness.revoked.clone() else { return Vec::new() };
    let came_after = decisions.iter().filter(|(_, decision)| {
        readers.get(&decision.coordinator).is_some_and(|read| decision.requested_ms > *read)
    });
    let mut counted = Vec::new();
    for (seq, decision) in came_after {
        server.witness.count("revoked");
        if decision.replies.iter().any(|reply| reply.perspective == revoked) {
            counted.push(format!("sequence {seq} counts a reply of {revoked}"));
        }
    }
    counted
}

/// Each reply that a decision rests on was signed for an assignment of the same decision.
fn no_finding_crosses_attempts(decisions: &Decisions) -> Vec<String> {
    let mut crossed = Vec::new();
    for (seq, decision) in decisions {
        let mut asked = Vec::new();
        for octets in &decision.assignments {
            let envelope = Envelope::parse(&octets.0, ASSIGNMENT_OCTETS_MAX).unwrap();
            let assignment: Assignment = decode_body(Kind::Assignment, envelope.body).unwrap();
            if assignment.job != decision.job {
                crossed.push(format!("sequence {seq} holds an assignment of {}", assignment.job));
            }
            asked.push(envelope.digest());
        }
        for reply in &decision.replies {
            let envelope = Envelope::parse(&reply.reply.0, RECORD_OCTETS_MAX).unwrap();
            let key = Fleet::key(reply.perspective.as_str()).public();
            let answers = |digest| envelope.verify(&key, Some(digest)).is_ok();
            let body: Reply = decode_body(Kind::Reply, envelope.body).unwrap();
            if body.job != decision.job || !asked.iter().copied().any(answers) {
                let text = format!("the reply of {} answers no assignment", reply.perspective);
                crossed.push(format!("sequence {seq}: {text} of this decision"));
            }
        }
    }
    crossed
}

/// He holds at most three of six remotes, and the primary sees the victim's own site.
fn an_attacker_short_of_the_quorum_never_gains_issuance(decisions: &Decisions) -> Vec<String> {
    let gained = decisions.iter().filter(|(_, decision)| {
        decision.identifier.to_string().contains("victim")
            && decision.outcome == Outcome::Corroborate
    });
    gained.map(|(seq, decision)| format!("{} at {seq}", decision.identifier)).collect()
}

/// Genesis, then every message of the stream, once each, in order.
fn the_log_is_the_stream(system: &System, directory: &Path) -> Vec<String> {
    let key = system.fixture.audit.key().unwrap();
    let log = match LogReader::open(directory, key.public()) {
        Ok(log) => log,
        Err(error) => return vec![error.to_string()],
    };
    let entries: Result<Vec<_>, _> = log.entries().collect();
    let entries: Vec<_> = match entries {
        Ok(entries) => entries.into_iter().skip(1).map(|(_, entry)| entry).collect(),
        Err(error) => return vec![error.to_string()],
    };
    let server = system.network.lock();
    let stored: Vec<_> =
        server.stream.messages.iter().map(|stored| stored.payload.clone()).collect();
    if entries == stored {
        return Vec::new();
    }
    let same = entries.iter().zip(&stored).take_while(|(entry, stored)| entry == stored).count();
    let (entries, stored) = (entries.len(), stored.len());
    vec![format!("{entries} entries, {stored} messages, the first {same} are the same")]
}

/// An auditor who trusts nobody comes to the same decisions, finds in the log what the CA was
/// told, and finds that the log is a continuation of every head that was kept.
fn every_record_re_decides_to_its_decision(
    system: &System,
    decisions: &Decisions,
    directory: &Path,
) -> Vec<String> {
    let heads = scratch();
    let mut kept = verify::Options::default();
    for (place, note) in system.kept.iter().enumerate() {
        let path = heads.path().join(place.to_string());
        std::fs::write(&path, note).unwrap();
        kept.old_checkpoints.push(path);
    }
    let records = system.jobs.lock().unwrap();
    let records = records.iter().filter_map(|job| match &job.believed {
        Some(Believed::Decided { record, .. }) => Some((job.job.id.to_string(), record.clone())),
        _ => None,
    });
    let options = replay::Options {
        directories: vec![newest_document(system)],
        records: records.collect(),
        ..replay::Options::default()
    };
    let key = system.fixture.audit.key().unwrap().public().clone();
    let shard = replay::Shard { directory: directory.to_owned(), key, kept };
    match replay(&[shard], &options) {
        Ok(report) => {
            // Junk is in the log as it is, and named.
            let junk = system.network.lock().witness.junk.clone();
            let is_of = |seqs: &BTreeSet<u64>, index: Option<u64>| {
                index.is_some_and(|index| seqs.contains(&index))
            };
            let overtaken = overtaken_by_the_revocation(system, decisions);
            let errors = report.findings.iter().filter(|found| match found.check {
                "R3" => !is_of(&junk, found.index),
                "R8" | "R10" => !is_of(&overtaken, found.index),
                _ => true,
            });
            let errors = errors.filter(|found| found.severity == Severity::Error);
            errors
                .map(|found| format!("{} {:?}: {}", found.check, found.index, found.text))
                .collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

/// Records that hold a reply of a key which was revoked by then, though their coordinator could not
/// know when the job came: an auditor is told of each.
fn overtaken_by_the_revocation(system: &System, decisions: &Decisions) -> BTreeSet<u64> {
    let server = system.network.lock();
    let Some((_, readers)) = &server.witness.revoked else { return BTreeSet::new() };
    let came_before = |decision: &DecisionRecord| {
        let read = readers.get(&decision.coordinator);
        read.is_none_or(|read| decision.requested_ms <= *read)
    };
    let overtaken = (1..).zip(&server.stream.messages).filter(|(_, stored)| {
        let Ok(envelope) = Envelope::parse(&stored.payload, RECORD_OCTETS_MAX) else {
            return false;
        };
        match envelope.kind {
            Kind::Decision => decode_body(Kind::Decision, envelope.body)
                .is_ok_and(|decision| came_before(&decision)),
            Kind::Superseded => decode_body(Kind::Superseded, envelope.body)
                .and_then(|lost: SupersededRecord| decode_body(Kind::Decision, &lost.decision.0))
                .is_ok_and(|decision| came_before(&decision)),
            Kind::Late => decode_body(Kind::Late, envelope.body).is_ok_and(|late: LateRecord| {
                let of_job = decisions.iter().find(|(_, decision)| decision.job == late.job);
                of_job.is_some_and(|(_, decision)| came_before(decision))
            }),
            _ => false,
        }
    });
    overtaken.map(|(seq, _)| seq).collect()
}

/// The last directory document that the log can have: the run's own, once the stream holds it.
fn newest_document(system: &System) -> Vec<u8> {
    let newest = std::fs::read(system.document.path()).unwrap();
    let server = system.network.lock();
    let is_published = server.stream.messages.iter().any(|stored| stored.payload == newest);
    if is_published { newest } else { system.fixture.document.octets.to_vec() }
}

/// The log's directory, as an auditor gets it.
pub(crate) fn exported(disk: &Memory) -> TempDir {
    let dir = scratch();
    let mut waiting = vec![String::new()];
    while let Some(path) = waiting.pop() {
        for (name, is_directory) in disk.list(&path).unwrap() {
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if is_directory {
                std::fs::create_dir_all(dir.path().join(&path)).unwrap();
                waiting.push(path);
            } else {
                std::fs::write(dir.path().join(&path), disk.read(&path).unwrap()).unwrap();
            }
        }
    }
    dir
}

/// A directory in memory where there is one: a thousand runs write a hundred thousand files.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
