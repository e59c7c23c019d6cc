//! The independent reader in `tests/reader` comes to the same results as the replay.

use std::process::Command;

use mpic_common::record::RejectedRecord;
use mpic_common::reply::Rejected;

use super::*;

/// A Python that has the package: the first one of the path, or else Debian's own.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let tried = Command::new(python).args(["-c", "import cryptography"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// Runs the reader and gives whether nothing is wrong, and what it printed; `None` where this
/// machine lacks Python or its package.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn read_under(entries: &[Vec<u8>], given: &[Vec<u8>]) -> Option<(bool, String)> {
    let Some(python) = python() else {
        eprintln!("skipped: python3 with the package `cryptography` is not here");
        return None;
    };
    let desk = tempfile::tempdir().expect("a directory");
    let (log, vkey) = (desk.path().join("log"), desk.path().join("vkey"));
    std::fs::create_dir(&log).expect("created");
    write(&log, ORIGIN, entries);
    std::fs::write(&vkey, key(ORIGIN).public().to_string()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reader/read_log.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(log).arg(vkey);
    for (which, document) in given.iter().enumerate() {
        let path = desk.path().join(format!("directory{which}"));
        std::fs::write(&path, document).expect("written");
        command.arg(path);
    }
    let output = command.output().expect("run");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(said).expect("text")))
}

fn read(entries: &[Vec<u8>]) -> Option<(bool, String)> {
    read_under(entries, &[fleet().document()])
}

#[test]
fn a_stranger_reads_and_redecides_a_log_of_every_kind_of_record() {
    let fleet = fleet();
    let (one, two, three) = (job(0), job(1), job(2));
    let mixed = decision(&fleet, &two, |code| match code.as_str() {
        "r1" => Some(Seen::Reason(Reason::DnsTimeout)),
        "r2" => None,
        _ => Some(Seen::Expected),
    });
    let mixed = sign_decision(&mixed, &two);
    let refused = decision(&fleet, &three, |code| {
        (code == fleet.primary()).then_some(Seen::Reason(Reason::DnsTimeout))
    });
    let mut entries = log_of(vec![
        sign_decision(&unanimous(&fleet, &one), &one),
        mixed.clone(),
        late(&mixed, &two, &["r2"]),
        sign_decision(&refused, &three),
        refusal("c0"),
        note("alice", NoteKind::Note, vec![]),
    ]);
    // More than one bundle.
    entries.resize(300, mixed);
    let Some((passed, said)) = read(&entries) else { return };
    assert!(passed, "{said}");
    assert!(said.starts_with("300 entries under the root "), "{said}");
    assert!(said.trim_end().ends_with("; 0 wrong"), "{said}");
}

/// A reply that counts is said to be one of nobody.
fn put_aside(record: &mut DecisionRecord) {
    let reply = record.replies[1].clone();
    record.rejected.push(RejectedRecord {
        perspective: Some(reply.perspective),
        received_ms: reply.received_ms,
        reason: Rejected::BadSignature,
        hash: Hash::of(&reply.reply.0),
        raw: Some(reply.reply),
    });
}

#[test]
fn a_stranger_trusts_the_roots_and_the_revocations_that_he_brings() {
    let decided = sign_decision(&unanimous(&fleet(), &job(0)), &job(0));
    let log = log_of(vec![decided]);
    let revoked = |name: &'static str, at: u64| {
        document("root", |document| {
            document.serial = 2;
            let key = document.keys.iter_mut().find(|key| key.name == name);
            key.expect("a key").revoked_ms = Some(UnixMs(at));
        })
    };
    for (which, (given, passes)) in [
        (vec![], true),
        (vec![fleet().document()], true),
        (vec![document("root2", |_| ())], false),
        (vec![revoked("c0", NOW.0)], false),
        (vec![revoked("c0", NOW.0 + 21)], true),
        (vec![revoked("r3", NOW.0)], false),
        (vec![revoked("r3", NOW.0 + 1)], true),
    ]
    .into_iter()
    .enumerate()
    {
        let Some((passed, said)) = read_under(&log, &given) else { return };
        assert_eq!(passed, passes, "given {which}: {said}");
    }
}

#[test]
fn a_stranger_finds_a_gap_that_no_note_explains() {
    let (lost, explained) = (gap(2), note("alice", NoteKind::Gap, vec![2]));
    let Some((passed, said)) = read(&log_of(vec![lost.clone()])) else { return };
    assert!(!passed && said.contains("entry 2: no note explains"), "{said}");
    let Some((passed, said)) = read(&log_of(vec![lost, explained])) else { return };
    assert!(passed, "{said}");
}

#[test]
fn a_stranger_sees_what_a_coordinator_altered_and_what_was_forged() {
    let job = job(0);
    let mut forged = sign_decision(&unanimous(&fleet(), &job), &job);
    *forged.last_mut().expect("a signature") ^= 1;
    let logs = [
        log_of(vec![forged]),
        log_of(vec![b"junk".to_vec()]),
        log_of(vec![refusal("r0")]),
        altered(|record| record.outcome = Outcome::Refuse),
        altered(|record| record.replies.truncate(3)),
        altered(|record| {
            record.checks.values_mut().for_each(|check| check.quorum = "5/6".to_owned());
        }),
        altered(|record| record.replies[1].reply = record.replies[2].reply.clone()),
        altered(|record| record.cohort.truncate(5)),
        altered(|record| record.decided_ms = UnixMs(NOW.0 + 300_000)),
        altered(|record| record.started_ms = UnixMs(NOW.0 + 10_000)),
        altered(|record| record.replies[1].received_ms = UnixMs(NOW.0 + 60_000)),
        altered(put_aside),
    ];
    for (which, log) in logs.iter().enumerate() {
        let Some((passed, said)) = read(log) else { return };
        assert!(!passed && said.contains("entry 2: "), "log {which}: {said}");
        assert!(said.trim_end().ends_with("; 1 wrong"), "log {which}: {said}");
    }
}
