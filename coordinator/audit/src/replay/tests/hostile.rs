//! Logs by a coordinator with a valid key, or by whoever holds the log's key, that would pass if
//! one check looked away.

use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource, Purpose, Transport};
use mpic_common::octets::Octets;
use mpic_common::record::RejectedRecord;
use mpic_common::reply::{Rejected, Reply};

use super::*;

/// What fails, with the newest document at hand.
fn errors_of(entries: &[Vec<u8>], newest: &[u8]) -> Vec<(&'static str, Option<u64>)> {
    let options = Options { directories: vec![newest.to_vec()], ..Options::default() };
    let findings = replay_log(entries, &options).findings;
    let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    let mut errors: Vec<_> = errors.map(|finding| (finding.check, finding.index)).collect();
    errors.dedup();
    errors
}

/// A decision that so many milliseconds after the moment of all tests nobody answered in time for.
fn decided(ms: u64) -> Vec<u8> {
    let (job, at) = (job(ms), UnixMs(NOW.0 + ms));
    let mut record = decision(&fleet(), &job, |_| None);
    (record.requested_ms, record.started_ms, record.decided_ms) = (at, at, at);
    sign_decision(&record, &job)
}

#[test]
fn r4_a_root_of_nobody_that_names_the_trusted_one_as_its_next_is_not_trusted() {
    let evil = document("mallory", |document| {
        document.root = Fixed(Fleet::key("mallory").public().octets());
        document.next_root = Some(Fixed(Fleet::key("root").public().octets()));
    });
    let newest = document("root", |document| document.serial = 2);
    let errors = errors_of(&[genesis(ORIGIN, None), evil], &newest);
    assert_eq!(errors, [("R4", Some(1))]);
}

#[test]
fn r10_the_date_is_not_the_coordinators_to_choose() {
    for alter in [
        |record: &mut DecisionRecord| record.requested_ms = UnixMs(NOW.0 - 5_001),
        |record: &mut DecisionRecord| record.requested_ms = UnixMs(NOW.0 + 5_001),
    ] {
        assert_eq!(found_in(&altered(alter)), [("R10", Some(2))]);
    }
}

#[test]
fn r5_a_time_from_the_future_makes_no_replay_forget_a_decision() {
    let far = 3_600_000;
    let second = {
        let job = job(0);
        let record = DecisionRecord { seed: 8, ..unanimous(&fleet(), &job) };
        sign_decision(&record, &job)
    };
    let errors = errors_of(&log_of(vec![decided(0), decided(far), second]), &fleet().document());
    assert_eq!(errors, [("R11", Some(4))]);
}

#[test]
fn r5_a_job_that_one_shard_decided_is_not_decided_again_in_the_next() {
    let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let job = job(0);
    let second = DecisionRecord { seed: 8, ..unanimous(&fleet(), &job) };
    write(one.path(), ORIGIN, &log_of(vec![decided(0)]));
    let note = std::fs::read(one.path().join("checkpoint")).expect("a checkpoint");
    let head = key(ORIGIN).public().open(&note).expect("valid");
    let previous = Previous { origin: head.origin.clone(), size: head.size, root: head.root.0 };
    let origin = "log.example/2";
    let entries =
        [genesis(origin, Some(previous)), fleet().document(), sign_decision(&second, &job)];
    write(two.path(), origin, &entries);
    let shard = |directory: &Path, origin: &str| Shard {
        directory: directory.to_owned(),
        key: key(origin).public().clone(),
        kept: verify::Options::default(),
    };
    let shards = [shard(one.path(), ORIGIN), shard(two.path(), origin)];
    let report = replay(&shards, &with_directory()).expect("readable");
    let found: Vec<_> = report.findings.iter().map(|found| (found.check, found.index)).collect();
    assert_eq!(found, [("R4", None), ("R5", Some(2))]);
}

#[test]
fn r6_a_document_that_was_replaced_long_ago_decides_nothing() {
    let next = document("root", |document| document.serial = 2);
    let log = |later| log_of(vec![decided(0), next.clone(), decided(later)]);
    assert_eq!(errors_of(&log(600_000), &next), []);
    assert_eq!(errors_of(&log(600_001), &next), [("R6", Some(4))]);
}

#[test]
fn r3_a_key_that_the_newest_document_has_dropped_signs_nothing_any_more() {
    let dropping = |name: &'static str| {
        let newest = document("root", |document| {
            document.serial = 2;
            document.keys.retain(|key| key.name != name);
        });
        (log_of(vec![newest.clone(), unanimous_one()]), newest)
    };
    let (log, newest) = dropping("r3");
    assert!(errors_of(&log, &newest).contains(&("R8", Some(3))));
    let (log, newest) = dropping("c0");
    assert!(errors_of(&log, &newest).contains(&("R7", Some(3))));
}

#[test]
fn r7_a_job_signed_with_a_key_that_was_revoked_is_no_job() {
    let job = job(0);
    let mut record = decision(&fleet(), &job, |_| None);
    record.assignments.clear();
    record.job_envelope = Some(Octets(sign_job(&job)));
    record.missing.iter_mut().for_each(|missing| missing.reason = Missing::NotAsked);
    let log = log_of(vec![sign_decision(&record, &job)]);
    assert_eq!(errors_of(&log, &fleet().document()), []);
    let revoked = document("root", |document| {
        document.serial = 2;
        let key = document.keys.iter_mut().find(|key| key.name == "ca1").expect("a key");
        key.revoked_ms = Some(NOW);
    });
    assert_eq!(errors_of(&log, &revoked), [("R7", Some(2))]);
}

fn sign_job(job: &mpic_common::job::Job) -> Vec<u8> {
    envelope::seal(Kind::Job, &job.to_body(), &Fleet::key("ca1"), None)
}

#[test]
fn r8_a_reply_that_holds_is_not_put_aside() {
    let (fleet, job) = (fleet(), job(0));
    let honest = unanimous(&fleet, &job);
    let reply = honest.replies.iter().find(|reply| reply.perspective.as_str() == "r3");
    let reply = reply.expect("it replied").reply.clone();
    let put_aside = |reply: Octets, hash: Hash| {
        let mut record = decision(&fleet, &job, |c| (c.as_str() != "r3").then_some(Seen::Expected));
        record.missing[0].reason = Missing::Rejected;
        record.rejected.push(RejectedRecord {
            perspective: "r3".parse().ok(),
            received_ms: NOW,
            reason: Rejected::BadSignature,
            hash,
            raw: Some(reply),
        });
        found_in(&log_of(vec![sign_decision(&record, &job)]))
    };
    assert_eq!(put_aside(reply.clone(), Hash::of(&reply.0)), [("R8", Some(2))]);
    let mut forged = reply.clone();
    *forged.0.last_mut().expect("a signature") ^= 1;
    assert_eq!(put_aside(forged.clone(), Hash::of(&forged.0)), []);
    assert_eq!(put_aside(forged, Hash::of(&reply.0)), [("R8", Some(2))]);
}

#[test]
fn s7_r14_a_verdict_that_its_evidence_does_not_bear_out_is_worth_a_warning() {
    let (fleet, job) = (fleet(), job(0));
    let digest = assignment(&fleet, &job).digest;
    let txt = |says: &[u8]| {
        let length = u8::try_from(says.len()).expect("short");
        Octets([&[length], says].concat())
    };
    let warned = |says: &[u8], depth: Depth| {
        let mut record = unanimous(&fleet, &job);
        let code = "r3".parse().expect("a code");
        let (octets, _) = fleet.reply_to(digest, &code, &job, Seen::Expected);
        let body = Envelope::parse(&octets, 65_535).expect("an envelope").body;
        let mut reply: Reply = decode_body(Kind::Reply, body).expect("a reply");
        let dcv = mpic_common::observation::CheckKind::Dcv;
        let observation = reply.observations.get_mut(&dcv).expect("dcv");
        observation.dns = vec![challenge_seen(txt(says))];
        let place = record.replies.iter().position(|reply| reply.perspective == code);
        let signed = reply.sign(&Fleet::key("r3"), digest);
        record.replies[place.expect("it replied")].reply = Octets(signed);
        let options = Options { depth, ..with_directory() };
        let report = replay_log(&log_of(vec![sign_decision(&record, &job)]), &options);
        assert_eq!(report.errors, 0, "{:?}", report.findings);
        let (notes, warnings): (Vec<_>, Vec<_>) = report
            .findings
            .into_iter()
            .filter(|found| found.check == "R14")
            .partition(|found| found.severity == Severity::Note);
        // The others' replies hold no evidence at all.
        assert_eq!(notes.is_empty(), depth == Depth::Signed);
        assert!(notes.iter().all(|note| note.text.starts_with("not-derivable: ")), "{notes:?}");
        warnings
    };
    assert_eq!(warned(b"digest-of-the-day", Depth::Evidence), []);
    assert_eq!(warned(b"something else", Depth::Signed), []);
    let found = warned(b"something else", Depth::Evidence);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.severity, Severity::Warning);
    assert!(one.text.contains("r3 dcv: test said pass, mpic-audit "), "{}", one.text);
}

/// The one answer to the question of the challenge.
fn challenge_seen(rdata: Octets) -> DnsSeen {
    DnsSeen {
        name: "_acme-challenge.a.example".to_owned(),
        qtype: "TXT".to_owned(),
        purpose: Purpose::Challenge,
        attempts: 1,
        outcome: DnsOutcome::Answer,
        dnssec: Dnssec::Insecure,
        dnssec_source: DnssecSource::ResolverAd,
        chain: vec![],
        answer_owner: None,
        rrset: vec![rdata],
        rrset_count: 1,
        rrset_digest: None,
        min_ttl_s: None,
        rcode: Some(0),
        ad: None,
        ede: vec![],
        transport: Transport::Udp,
        upstreams: vec![],
        resolver: 0,
        elapsed_us: 1,
    }
}

fn unanimous_one() -> Vec<u8> {
    let job = job(0);
    sign_decision(&unanimous(&fleet(), &job), &job)
}

#[test]
fn one_by_one_or_in_batches_the_same_is_found() {
    let (one, two) = (job(0), job(1));
    let mut forged = sign_decision(&unanimous(&fleet(), &one), &one);
    *forged.last_mut().expect("a signature") ^= 1;
    let mut swapped = unanimous(&fleet(), &two);
    swapped.replies[1].reply = swapped.replies[2].reply.clone();
    let mut entries = log_of(vec![forged, sign_decision(&swapped, &two), refusal("r0")]);
    // More than one batch, of which some hold.
    for ms in 2..300 {
        entries.push(sign_decision(&unanimous(&fleet(), &job(ms)), &job(ms)));
    }
    let found = |signatures| {
        let report = replay_log(&entries, &Options { signatures, ..with_directory() });
        report.findings
    };
    let in_batches = found(Signatures::Batches);
    assert_eq!(in_batches, found(Signatures::OneByOne));
    let failed = in_batches.iter().filter(|finding| finding.severity == Severity::Error);
    let failed: BTreeSet<_> = failed.map(|finding| finding.index).collect();
    assert_eq!(failed, [Some(2), Some(3), Some(4)].into());
}
