//! Logs that violate one check each, and logs that violate none.

mod hostile;
mod reader;
mod signatures;

use mpic_common::directory::DirectoryDocument;
use mpic_common::octets::{Fixed, Octets};
use mpic_common::policy::Outcome;
use mpic_common::reason::Reason;
use mpic_common::record::{
    DecisionRecord, Missing, NoteKind, NoteRecord, RefusalCode, RefusalRecord, SupersededRecord,
};
use mpic_common::testing::{Fleet, Seen, job_id};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};

use super::*;
use crate::genesis::{Gap, OwnEntry};
use crate::reader::LogReader;
use crate::testing::{
    NOW, assignment, decision, fleet, genesis, job, job_digest, key, late, sign, sign_decision,
    unanimous, write,
};

type Alteration = Box<dyn FnOnce(&mut DecisionRecord)>;

const ORIGIN: &str = "log.example/1";

/// Genesis, the directory document, and these.
fn log_of(entries: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    [vec![genesis(ORIGIN, None), fleet().document()], entries].concat()
}

fn replay_log(entries: &[Vec<u8>], options: &Options) -> Report {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), ORIGIN, entries);
    let shard = Shard {
        directory: directory.path().to_owned(),
        key: key(ORIGIN).public().clone(),
        kept: verify::Options::default(),
    };
    replay(&[shard], options).expect("readable")
}

fn with_directory() -> Options {
    Options { directories: vec![fleet().document()], ..Options::default() }
}

/// What is more than a note, as check and entry.
fn found_in(entries: &[Vec<u8>]) -> Vec<(&'static str, Option<u64>)> {
    let report = replay_log(entries, &with_directory());
    let serious = report.findings.iter().filter(|finding| finding.severity > Severity::Note);
    let mut found: Vec<_> = serious.map(|finding| (finding.check, finding.index)).collect();
    found.dedup();
    found
}

fn text_of(entries: &[Vec<u8>]) -> String {
    let report = replay_log(entries, &with_directory());
    report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A log with one decision that a coordinator altered before it signed it.
fn altered(alter: impl FnOnce(&mut DecisionRecord)) -> Vec<Vec<u8>> {
    let job = job(0);
    let mut record = unanimous(&fleet(), &job);
    alter(&mut record);
    log_of(vec![sign_decision(&record, &job)])
}

#[test]
fn a_log_in_which_all_is_as_it_must_be_passes() {
    let fleet = fleet();
    let seen = |code: &mpic_common::code::PerspectiveId| match code.as_str() {
        "r1" => Some(Seen::Reason(Reason::DnsTimeout)),
        "r2" => None,
        _ => Some(Seen::Expected),
    };
    let (one, two, three) = (job(0), job(1), job(2));
    let record = decision(&fleet, &two, seen);
    assert_eq!(record.outcome, Outcome::Corroborate, "4 of 6 is enough");
    let decided = sign_decision(&record, &two);
    let refused = decision(&fleet, &three, |code| {
        (code == fleet.primary()).then_some(Seen::Reason(Reason::DnsTimeout))
    });
    let entries = log_of(vec![
        sign_decision(&unanimous(&fleet, &one), &one),
        decided.clone(),
        late(&decided, &two, &["r2"]),
        fleet.document(),
        decided,
        sign_decision(&refused, &three),
        refusal("c0"),
        note("alice", NoteKind::Note, vec![]),
    ]);
    let report = replay_log(&entries, &with_directory());
    assert!(report.has_passed(Severity::Warning), "{:?}", report.findings);
    assert_eq!(report.times_ms, Some((1_700_000_000_000, NOW.0 + 2_000)));
}

fn refusal(signer: &str) -> Vec<u8> {
    let record = RefusalRecord {
        ca: "ca1".parse().expect("a code"),
        job: Some(job_id(9)),
        job_digest: Hash::of(b"body"),
        coordinator: "c0".parse().expect("a code"),
        code: RefusalCode::Invalid,
        errors: vec![],
        cohort: None,
        retry_after_ms: None,
        at_ms: NOW,
        count: 1,
    };
    sign(Kind::Refusal, &record, signer, Hash::of(b"body"))
}

fn note(operator: &str, kind: NoteKind, seqs: Vec<u64>) -> Vec<u8> {
    let text = "see the incident report".to_owned();
    let record = NoteRecord { operator: operator.to_owned(), kind, seqs, at_ms: NOW, text };
    sign(Kind::Note, &record, "alice", Hash::ZERO)
}

fn gap(seq: u64) -> Vec<u8> {
    OwnEntry::Gap(Gap { seq }).encode().expect("encoded")
}

#[test]
fn an_export_says_which_signatures_are_valid() {
    let job = job(0);
    let good = sign_decision(&unanimous(&fleet(), &job), &job);
    let mut forged = good.clone();
    *forged.last_mut().expect("a signature") ^= 1;
    let log = tempfile::tempdir().expect("a directory");
    write(log.path(), ORIGIN, &log_of(vec![good, forged, b"junk".to_vec()]));
    let reader = LogReader::open(log.path(), key(ORIGIN).public()).expect("opened");
    let mut signatures = Vec::new();
    let judged: Result<(), Box<dyn std::error::Error>> = judge_each(&reader, &[], |entry| {
        let line = crate::export::line(&entry);
        signatures.push(line["signature"].as_str().map(str::to_owned));
        assert_eq!(entry.has_failed(), line["signature"] == "unproven", "{line}");
        Ok(())
    });
    judged.expect("readable");
    let [genesis, rest @ ..] = signatures.as_slice() else { panic!("{signatures:?}") };
    assert_eq!(*genesis, None);
    let rest: Vec<_> = rest.iter().flatten().map(String::as_str).collect();
    assert_eq!(rest, ["valid", "valid", "unproven", "unproven"]);
}

#[test]
fn r1_a_shard_names_the_head_of_the_one_before() {
    let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let first = log_of(vec![]);
    write(one.path(), ORIGIN, &first);
    let note = std::fs::read(one.path().join("checkpoint")).expect("a checkpoint");
    let head = key(ORIGIN).public().open(&note).expect("valid");
    let previous = |size| Previous { origin: head.origin.clone(), size, root: head.root.0 };
    let origin = "log.example/2";
    let shard = |directory: &Path, origin: &str| Shard {
        directory: directory.to_owned(),
        key: key(origin).public().clone(),
        kept: verify::Options::default(),
    };
    for (size, passes) in [(2, true), (3, false)] {
        let two = two.path().join(size.to_string());
        std::fs::create_dir(&two).expect("created");
        let entries = [genesis(origin, Some(previous(size))), fleet().document()];
        write(&two, origin, &entries);
        let shards = [shard(one.path(), ORIGIN), shard(&two, origin)];
        let report = replay(&shards, &with_directory()).expect("readable");
        assert_eq!(report.has_passed(Severity::Warning), passes, "{:?}", report.findings);
        assert_eq!(report.findings.iter().any(|finding| finding.check == "R1"), !passes);
    }
}

#[test]
fn r2_genesis_is_first_and_gaps_are_explained() {
    assert_eq!(found_in(&[fleet().document()]), [("R2", Some(0))]);
    assert_eq!(found_in(&[genesis("log.example/other", None)]), [("R2", Some(0))]);
    assert_eq!(found_in(&log_of(vec![genesis(ORIGIN, None)])), [("R2", Some(2))]);
    assert_eq!(found_in(&log_of(vec![gap(2)])), [("R2", Some(2))]);
    assert_eq!(found_in(&log_of(vec![gap(2), note("alice", NoteKind::Note, vec![2])])).len(), 1);
    assert_eq!(found_in(&log_of(vec![gap(2), note("alice", NoteKind::Gap, vec![2])])), []);
    let misplaced = log_of(vec![gap(3), note("alice", NoteKind::Gap, vec![2, 3])]);
    assert_eq!(found_in(&misplaced), [("R2", Some(2))]);
}

#[test]
fn r3_every_entry_is_a_record_signed_by_whom_it_says() {
    let (job, fleet) = (job(0), fleet());
    let record = unanimous(&fleet, &job);
    let good = sign_decision(&record, &job);
    let mut forged = good.clone();
    *forged.last_mut().expect("a signature") ^= 1;
    let job_octets = envelope::unsigned(Kind::Job, &job.to_body());
    let by_agent = sign(Kind::Decision, &record, "r0", job_digest(&job));
    let by_nobody = sign(Kind::Decision, &record, "mallory", job_digest(&job));
    let over_zeros = sign(Kind::Decision, &record, "c0", Hash::ZERO);
    let unsigned = envelope::unsigned(Kind::Decision, &encode_body(Kind::Decision, &record));
    let no_decision = sign(Kind::Decision, &gap(1), "c0", job_digest(&job));
    let trailing = [good.clone(), vec![0]].concat();
    let entries = [
        b"junk".to_vec(),
        forged,
        job_octets,
        by_agent,
        by_nobody,
        over_zeros,
        unsigned,
        no_decision,
        trailing,
        refusal("r0"),
        note("bob", NoteKind::Note, vec![]),
    ];
    for (which, entry) in entries.into_iter().enumerate() {
        assert_eq!(found_in(&log_of(vec![entry])), [("R3", Some(2))], "entry {which}");
    }
    let before_its_document = [genesis(ORIGIN, None), good, fleet.document()];
    assert_eq!(found_in(&before_its_document), [("R6", Some(1))]);
}

/// The directory document, changed and signed anew by `root`.
fn document(root: &str, change: impl FnOnce(&mut DirectoryDocument)) -> Vec<u8> {
    let octets = fleet().document();
    let body = Envelope::parse(&octets, 65_535).expect("an envelope").body;
    let mut document: DirectoryDocument = decode_body(Kind::Directory, body).expect("a document");
    change(&mut document);
    sign(Kind::Directory, &document, root, Hash::ZERO)
}

#[test]
fn r3_a_revocation_that_is_known_only_later_counts_from_its_own_time() {
    let job = job(0);
    let entries = log_of(vec![sign_decision(&unanimous(&fleet(), &job), &job)]);
    let revoke = |name: &'static str, at: u64| {
        let brought = document("root", |document| {
            document.serial = 2;
            let key = document.keys.iter_mut().find(|key| key.name == name);
            key.expect("a key").revoked_ms = Some(UnixMs(at));
        });
        let options = Options { directories: vec![brought], ..Options::default() };
        let found = replay_log(&entries, &options).findings;
        let errors = found.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.check).collect::<Vec<_>>()
    };
    assert!(revoke("c0", NOW.0).contains(&"R7"), "its assignment too");
    assert_eq!(revoke("c0", NOW.0 + 20), ["R3"]);
    assert_eq!(revoke("c0", NOW.0 + 21), Vec::<&str>::new());
    assert!(revoke("r3", NOW.0).contains(&"R8"));
    assert!(revoke("r3", NOW.0 + 10).contains(&"R8"), "when it was received, it was revoked");
    assert_eq!(revoke("r3", NOW.0 + 11), Vec::<&str>::new());
}

#[test]
fn r4_the_chain_of_roots_and_serials_is_unbroken() {
    let next = |root: &str, serial| {
        document(root, |document| {
            document.serial = serial;
            document.root = Fixed(Fleet::key(root).public().octets());
        })
    };
    let hand_over = document("root", |document| {
        document.serial = 2;
        document.next_root = Some(Fixed(Fleet::key("root2").public().octets()));
    });
    let brought = |octets: Vec<u8>| Options { directories: vec![octets], ..Options::default() };
    let errors =
        |entries: Vec<Vec<u8>>, options: &Options| replay_log(&log_of(entries), options).errors;
    let chain = vec![hand_over.clone(), next("root2", 3)];
    let both =
        Options { directories: vec![next("root2", 3), fleet().document()], ..Options::default() };
    assert_eq!(errors(chain.clone(), &both), 0);
    assert_eq!(errors(vec![hand_over], &both), 0);
    assert_eq!(errors(chain, &brought(next("root2", 3))), 2, "who knows the first root?");
    assert_eq!(errors(vec![next("root2", 2)], &brought(fleet().document())), 1);
    assert_eq!(errors(vec![], &brought(next("root2", 2))), 1);
    let lower = vec![next("root", 5), next("root", 4)];
    assert_eq!(errors(lower, &brought(next("root", 5))), 1);
    let wrongly_signed = document("mallory", |document| document.serial = 2);
    assert_eq!(found_in(&log_of(vec![wrongly_signed])), [("R4", Some(2))]);
    let unpinned = replay_log(&log_of(vec![]), &Options::default());
    assert_eq!((unpinned.errors, unpinned.warnings), (0, 1));
}

#[test]
fn r5_a_job_has_one_decision_soon_after_it_was_made() {
    let (job, fleet) = (job(0), fleet());
    let first = unanimous(&fleet, &job);
    let second = DecisionRecord { seed: 8, ..first.clone() };
    let twice = log_of(vec![sign_decision(&first, &job), sign_decision(&second, &job)]);
    assert_eq!(found_in(&twice), [("R5", Some(3))]);
    let old = altered(|record| record.decided_ms = UnixMs(NOW.0 + 240_001));
    assert_eq!(found_in(&old), [("R5", Some(2))]);
    let lost = SupersededRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: "c0".parse().expect("a code"),
        decision: Octets(encode_body(Kind::Decision, &second)),
        lost_to: 2,
        at_ms: NOW,
    };
    let log = |lost_to| {
        let lost = SupersededRecord { lost_to, ..lost.clone() };
        let lost = sign(Kind::Superseded, &lost, "c0", job_digest(&job));
        log_of(vec![sign_decision(&first, &job), lost])
    };
    assert_eq!(found_in(&log(2)), []);
    assert_eq!(found_in(&log(1)), [("R5", Some(3))]);
    assert_eq!(found_in(&log(9)), [("R5", Some(3))]);
}

#[test]
fn r6_a_decision_names_a_document_and_not_one_that_is_out_of_use() {
    let unknown = altered(|record| record.directory_hash = Hash::ZERO);
    assert_eq!(found_in(&unknown), [("R6", Some(2))]);
    let next = document("root", |document| document.serial = 2);
    let decided = |ms: u64| {
        let (job, at) = (job(ms), UnixMs(NOW.0 + ms));
        let mut record = decision(&fleet(), &job, |_| None);
        (record.requested_ms, record.started_ms, record.decided_ms) = (at, at, at);
        sign_decision(&record, &job)
    };
    let log = |later| log_of(vec![decided(100), next.clone(), decided(later)]);
    let warned = |entries: &[Vec<u8>]| {
        let options = Options { directories: vec![next.clone()], ..Options::default() };
        let report = replay_log(entries, &options);
        assert_eq!(report.errors, 0, "{:?}", report.findings);
        report.warnings
    };
    assert_eq!(warned(&log(60_100)), 0);
    assert_eq!(warned(&log(60_101)), 1);
}

#[test]
fn r7_a_decision_agrees_with_the_job_that_its_assignments_carry() {
    let other = assignment(&fleet(), &job(5)).octets;
    let alterations: Vec<Alteration> = vec![
        Box::new(|record| record.assignments.clear()),
        Box::new(|record| record.job_envelope = Some(Octets(vec![]))),
        Box::new(|record| record.ca_request = None),
        Box::new(move |record| record.assignments.push(Octets(other))),
        Box::new(|record| record.assignments.push(record.assignments[0].clone())),
        Box::new(|record| *record.assignments[0].0.last_mut().expect("a signature") ^= 1),
    ];
    for (which, alter) in alterations.into_iter().enumerate() {
        let found = found_in(&altered(alter));
        assert!(found.contains(&("R7", Some(2))), "alteration {which}: {found:?}");
    }
    let other_identifier =
        altered(|record| record.identifier = job_of("b.example").identifier.clone());
    assert_eq!(found_in(&other_identifier), [("R7", Some(2))]);
}

fn job_of(name: &str) -> mpic_common::job::Job {
    mpic_common::testing::dns_01_job(name)
}

#[test]
fn r8_replies_are_signed_for_this_assignment_by_their_perspective_and_in_time() {
    let other = |code: &str| {
        let digest = assignment(&fleet(), &job(5)).digest;
        fleet().reply_to(digest, &code.parse().expect("a code"), &job(5), Seen::Expected).0
    };
    let (replayed, forged) = (other("r0"), other("r1"));
    let alterations: Vec<Alteration> = vec![
        Box::new(move |record| record.replies[1].reply = Octets(replayed)),
        Box::new(move |record| record.replies[1].reply = Octets(forged)),
        Box::new(|record| record.replies[1].reply = record.replies[2].reply.clone()),
        Box::new(|record| *record.replies[1].reply.0.last_mut().expect("a signature") ^= 1),
        Box::new(|record| record.replies[1].reply.0.clear()),
        Box::new(|record| record.replies[1].received_ms = UnixMs(record.decided_ms.0 + 1)),
        Box::new(|record| record.started_ms = UnixMs(NOW.0 + 5_001)),
        Box::new(|record| record.replies.swap(1, 2)),
        Box::new(|record| record.replies[1].perspective = "r9".parse().expect("a code")),
    ];
    for (which, alter) in alterations.into_iter().enumerate() {
        let found = found_in(&altered(alter));
        assert!(found.contains(&("R8", Some(2))), "alteration {which}: {found:?}");
    }
}

#[test]
fn r9_everybody_is_accounted_for_once_and_late_replies_are_of_the_missing() {
    let dropped = altered(|record| drop(record.replies.pop()));
    assert!(text_of(&dropped).contains("r5 is 0 times among replies and missing"));
    let not_asked = |code: &str| {
        let (job, fleet) = (job(0), fleet());
        let mut record = decision(&fleet, &job, |c| (c.as_str() != code).then_some(Seen::Expected));
        record.missing[0].reason = Missing::NotAsked;
        log_of(vec![sign_decision(&record, &job)])
    };
    assert_eq!(found_in(&not_asked("r3")), [("R9", Some(2))]);
    let job = job(0);
    let record = decision(&fleet(), &job, |c| (c.as_str() != "r3").then_some(Seen::Expected));
    let decided = sign_decision(&record, &job);
    let good = late(&decided, &job, &["r3"]);
    let log = |late: Vec<Vec<u8>>| found_in(&log_of([vec![decided.clone()], late].concat()));
    assert_eq!(log(vec![good.clone()]), []);
    assert_eq!(log(vec![late(&decided, &job, &["r2"])]), [("R9", Some(3))]);
    assert_eq!(log(vec![late(b"another", &job, &["r3"])]), [("R9", Some(3))]);
    assert_eq!(log(vec![good.clone(), late(&decided, &job, &[])]), [("R9", Some(4))]);
    assert_eq!(log(vec![good.clone(), good]), []);
}

#[test]
fn r10_the_decision_follows_from_what_was_signed() {
    let caa = mpic_common::observation::CheckKind::Caa;
    let alterations: Vec<Alteration> = vec![
        Box::new(|record| record.outcome = Outcome::Refuse),
        Box::new(|record| record.both = None),
        Box::new(move |record| record.checks.get_mut(&caa).expect("caa").quorum = "5/6".into()),
        Box::new(move |record| {
            let findings = &mut record.checks.get_mut(&caa).expect("caa").findings;
            findings.insert(
                "r0".parse().expect("a code"),
                mpic_common::observation::Finding::Contradict,
            );
        }),
        Box::new(|record| record.cohort.swap(0, 1)),
        Box::new(|record| record.requested_ms = UnixMs(1_700_000_000_000)),
    ];
    for (which, alter) in alterations.into_iter().enumerate() {
        let found = found_in(&altered(alter));
        assert!(found.contains(&("R10", Some(2))), "alteration {which}: {found:?}");
    }
    let (job, fleet) = (job(0), fleet());
    let few = |code: &mpic_common::code::PerspectiveId| match code.as_str() {
        "p0" | "r0" | "r1" | "r2" => Some(Seen::Expected),
        _ => Some(Seen::Reason(Reason::DnsTimeout)),
    };
    let mut invented = decision(&fleet, &job, few);
    assert_eq!(invented.outcome, Outcome::Refuse);
    let honest = unanimous(&fleet, &job);
    (invented.outcome, invented.checks, invented.both) =
        (honest.outcome, honest.checks, honest.both);
    let log = log_of(vec![sign_decision(&invented, &job)]);
    assert_eq!(found_in(&log), [("R10", Some(2))], "it shows, though the key is valid");
}

#[test]
fn r11_times_that_fall_are_worth_a_warning() {
    let decided = |ms: u64, at: u64| {
        let job = job(ms);
        let record = DecisionRecord { decided_ms: UnixMs(NOW.0 + at), ..unanimous(&fleet(), &job) };
        sign_decision(&record, &job)
    };
    let log = |last| log_of(vec![decided(0, 200_000), decided(1, last)]);
    assert_eq!(found_in(&log(20_000)), []);
    assert_eq!(found_in(&log(19_999)), [("R11", Some(3))]);
}

#[test]
fn r12_and_r13_what_a_ca_kept_is_in_the_log() {
    let job = job(0);
    let kept = sign_decision(&unanimous(&fleet(), &job), &job);
    let options = Options {
        records: vec![("kept".to_owned(), kept.clone())],
        requests: ["order-0".to_owned()].into(),
        ..with_directory()
    };
    assert_eq!(replay_log(&log_of(vec![kept]), &options).errors, 0);
    let report = replay_log(&log_of(vec![]), &options);
    let checks: Vec<_> = report.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["R4", "R12", "R13"]);
}
