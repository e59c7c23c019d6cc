use mpic_common::assignment::Assignment;
use mpic_common::code::CoordinatorId;
use mpic_common::job::{FieldError, Job};
use mpic_common::octets::{Hash, Octets};
use mpic_common::record::{
    DecisionRecord, Missing, MissingRecord, PrimaryRecord, PrimarySource, RefusalCode, ReplyRecord,
};
use mpic_common::testing::{Fleet, Seen, dns_01_job};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Kind, envelope};

use super::*;

const AT: UnixMs = UnixMs(1_800_000_000_000);

/// A decision on which the primary, `r0` and `r1` have replied and `r2` has not.
fn recorded(fleet: &Fleet) -> Recorded {
    let job = dns_01_job("a.example");
    let codes: Vec<_> = [fleet.primary()].into_iter().chain(fleet.remotes()).cloned().collect();
    let assignment = assignment(&job, codes).sign(&Fleet::key("c0"));
    let seen = [Seen::Expected, Seen::Expected, Seen::Reason(Reason::RecordMismatch)];
    let replies = [fleet.primary()].into_iter().chain(fleet.remotes()).zip(seen);
    let replies = replies.map(|(code, seen)| ReplyRecord {
        perspective: code.clone(),
        received_ms: AT,
        reply: fleet.reply_to(assignment.digest, code, &job, seen).0.into(),
    });
    let decision = DecisionRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: coordinator(),
        software: String::new(),
        ca_request: None,
        identifier: job.identifier.clone(),
        directory_hash: Hash::ZERO,
        relaxations: vec![],
        assignments: vec![assignment.octets.into()],
        job_envelope: None,
        seed: 0,
        primary: PrimaryRecord {
            perspective: Some(fleet.primary().clone()),
            source: PrimarySource::Agent,
        },
        cohort: fleet.remotes().cloned().collect(),
        replies: replies.collect(),
        missing: vec![MissingRecord {
            perspective: "r2".parse().unwrap(),
            reason: Missing::Timeout,
        }],
        rejected: vec![],
        checks: BTreeMap::from([(CheckKind::Dcv, check(&job)), (CheckKind::Caa, check(&job))]),
        both: None,
        outcome: Outcome::Refuse,
        requested_ms: AT,
        started_ms: AT,
        decided_ms: AT,
    };
    let (octets, stream) = (vec![], "MPIC_AUDIT".to_owned());
    Recorded { decision, octets, stream, seq: 7, leaf: Hash::ZERO }
}

fn coordinator() -> CoordinatorId {
    "c0".parse().unwrap()
}

fn assignment(job: &Job, perspectives: Vec<PerspectiveId>) -> Assignment {
    let body = job.to_body();
    Assignment {
        coordinator: coordinator(),
        job: job.id,
        perspectives,
        job_envelope: envelope::unsigned(Kind::Job, &body).into(),
        job_digest: Hash::of(&body),
        budget_ms: 20_000,
        deadline_ms: AT.plus(Duration::from_secs(20)),
        reply_octets_max: 8_192,
    }
}

fn check(job: &Job) -> CheckRecord {
    CheckRecord {
        method: job.method().map(|method| method.id.to_owned()),
        findings: BTreeMap::new(),
        quorum: "1/3".to_owned(),
        outcome: Outcome::Refuse,
        shortfalls: vec!["too few".to_owned()],
    }
}

fn lines(recorded: &Recorded, fleet: &Fleet) -> Vec<String> {
    let elapsed = Duration::from_millis(12);
    let report = Report::new(recorded, &fleet.directory(), elapsed).unwrap();
    report.to_string().lines().map(str::to_owned).collect()
}

fn row(lines: &[String], code: &str) -> String {
    let row = lines.iter().find(|line| line.trim_start().starts_with(code)).unwrap();
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_perspective_has_a_row_with_what_it_concluded_or_why_it_did_not() {
    let fleet = Fleet::new(3);
    let lines = lines(&recorded(&fleet), &fleet);
    assert_eq!(lines[0], "a.example  refuse  (tls-server, answered in 12 ms)");
    assert_eq!(row(&lines, "dcv"), "dcv 1/3 refuse acme-dns-01");
    assert!(lines.iter().any(|line| line.trim() == "too few"));
    assert!(row(&lines, "p0").starts_with("p0 primary RIPE NCC pass pass"));
    assert!(row(&lines, "r0").contains(" remote ") && row(&lines, "r0").contains(" pass pass "));
    assert!(row(&lines, "r1").contains("fail record_mismatch fail record_mismatch"));
    assert!(row(&lines, "r2").ends_with("- timeout - timeout"));
    assert!(lines.last().unwrap().starts_with("  recorded in MPIC_AUDIT as 7, leaf 0000"));
}

#[test]
fn a_reply_that_was_changed_counts_for_nothing() {
    let fleet = Fleet::new(3);
    let mut recorded = recorded(&fleet);
    let Octets(reply) = &mut recorded.decision.replies[1].reply;
    *reply.last_mut().unwrap() ^= 1;
    let row = row(&lines(&recorded, &fleet), "r0");
    assert!(row.ends_with("- bad-signature - bad-signature"), "{row}");
}

#[test]
fn a_reply_under_the_name_of_another_perspective_counts_for_nothing() {
    let fleet = Fleet::new(3);
    let mut recorded = recorded(&fleet);
    recorded.decision.replies[2].reply = recorded.decision.replies[1].reply.clone();
    let row = row(&lines(&recorded, &fleet), "r1");
    assert!(row.ends_with("- wrong-perspective - wrong-perspective"), "{row}");
}

#[test]
fn an_assignment_that_no_coordinator_signed_is_not_shown() {
    let fleet = Fleet::new(3);
    let mut recorded = recorded(&fleet);
    let Octets(assignment) = &mut recorded.decision.assignments[0];
    *assignment.last_mut().unwrap() ^= 1;
    let report = Report::new(&recorded, &fleet.directory(), Duration::ZERO);
    assert!(matches!(report, Err(EvidenceError::Assignment(_))));
}

#[test]
fn a_refusal_lists_every_error() {
    let refusal = RefusalRecord {
        ca: "ca1".parse().unwrap(),
        job: None,
        job_digest: Hash::ZERO,
        coordinator: coordinator(),
        code: RefusalCode::Invalid,
        errors: vec![
            FieldError::new("dcv.method", "dns-99", "no such method"),
            FieldError::new("budget_ms", 1, "too short"),
        ],
        cohort: None,
        retry_after_ms: None,
        at_ms: AT,
        count: 1,
    };
    let text = Refusal(&refusal, |field| field).to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "not decided: invalid");
    assert_eq!(lines[2], "  dcv.method  dns-99  no such method");
    assert_eq!(lines[3], "  budget_ms   1       too short");
}
