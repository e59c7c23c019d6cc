//! One example of each message, for the documents and for golden tests.

use super::{Fleet, Seen, dns_01_job, job_id};
use crate::assignment::Assignment;
use crate::code::PerspectiveId;
use crate::job::FieldError;
use crate::limits::PROOF_WAIT_MAX;
use crate::observation::{CheckKind, Finding};
use crate::octets::{Hash, Octets};
use crate::policy::Outcome;
use crate::proof::{ProofAnswer, ProofOf, ProofRequest, ProofStatus};
use crate::reason::Reason;
use crate::record::{
    Answer, CheckRecord, DecisionRecord, LateRecord, Missing, MissingRecord, NoteKind, NoteRecord,
    PrimaryRecord, PrimarySource, QuorumRecord, RefusalCode, RefusalRecord, ReplyRecord,
    SupersededRecord, leaf_hash,
};
use crate::time::UnixMs;
use crate::wire::{Kind, encode_body, envelope};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// Each kind of message that a process sends, the same octets for ever: a job that only the
/// primary and one of five remotes answered.
pub fn examples() -> Vec<(Kind, Vec<u8>)> {
    let fleet = Fleet::new(5);
    let (coordinator, operator) = (Fleet::key("c0"), Fleet::key("alice"));
    let mut job = dns_01_job("www.honest.example");
    job.id = job_id(0);
    let digest = Hash::of(&job.to_body());
    let job_octets = envelope::seal(Kind::Job, &job.to_body(), &Fleet::key("ca1"), None);
    let assignment = assignment(&fleet, &job_octets, digest).sign(&coordinator);
    let remote: PerspectiveId = "r0".parse().unwrap();
    let (reply, _) = fleet.reply_to(assignment.digest, &remote, &job, Seen::Expected);
    let seal = |kind, body: &[u8]| envelope::seal(kind, body, &coordinator, Some(digest));
    let decided = decision(&fleet, &assignment.octets, assignment.digest, &reply);
    let decision_body = encode_body(Kind::Decision, &decided);
    let decision = seal(Kind::Decision, &decision_body);
    let answer = Answer {
        record: Some(Octets(decision.clone())),
        stream: Some("MPIC_AUDIT".to_owned()),
        seq: Some(2),
        leaf: Some(leaf_hash(&decision)),
        refusal: None,
    };
    let proof_request = ProofRequest {
        of: ProofOf::Record { stream: "MPIC_AUDIT".to_owned(), seq: 2, leaf: leaf_hash(&decision) },
        timeout: PROOF_WAIT_MAX,
    };
    let late = late(&fleet, assignment.digest, leaf_hash(&decision));
    let superseded = SupersededRecord {
        ca: job.ca.clone(),
        job: job.id,
        coordinator: "c0".parse().unwrap(),
        decision: Octets(decision_body),
        lost_to: 2,
        at_ms: NOW,
    };
    let note = encode_body(Kind::Note, &note());
    vec![
        (Kind::Job, job_octets),
        (Kind::Assignment, assignment.octets),
        (Kind::Reply, reply),
        (Kind::Decision, decision),
        (Kind::Refusal, seal(Kind::Refusal, &encode_body(Kind::Refusal, &refusal(digest)))),
        (Kind::Late, seal(Kind::Late, &encode_body(Kind::Late, &late))),
        (Kind::Superseded, seal(Kind::Superseded, &encode_body(Kind::Superseded, &superseded))),
        (Kind::Directory, fleet.document()),
        (Kind::Note, envelope::seal(Kind::Note, &note, &operator, Some(Hash::ZERO))),
        (Kind::Answer, envelope::unsigned(Kind::Answer, &encode_body(Kind::Answer, &answer))),
        (Kind::ProofRequest, envelope::unsigned(Kind::ProofRequest, &proof_request.to_body())),
        (Kind::Proof, envelope::unsigned(Kind::Proof, &encode_body(Kind::Proof, &proof()))),
    ]
}

/// Of entry 1 of a log of two entries, whose key's seed is 32 octets 01.
fn proof() -> ProofAnswer {
    ProofAnswer { status: ProofStatus::Ok, proof: Some(PROOF.to_owned()) }
}

const PROOF: &str = "\
c2sp.org/tlog-proof@v1
index 1
6yvpYqLyWMa3Iw4HL+NkaxdlhB1HQR9o2xyY/9+OXG4=

audit.example/mpic/2026h2
2
gJdd2JBZiHhmoj8GODmXNt7T8y0e/U1PXUML6sel1RA=

— audit.example/mpic/2026h2 EBXbd8BZrrYFjwMXk0cth3MoTW+eVAhUjP9apti0MSDfjzbr+6TyIJGeP8UrHv7lsBuujtZhxwpjnB/xlTo8CZbwvAs=
";

fn assignment(fleet: &Fleet, job: &[u8], digest: Hash) -> Assignment {
    Assignment {
        coordinator: "c0".parse().unwrap(),
        job: job_id(0),
        perspectives: std::iter::once(fleet.primary()).chain(fleet.remotes()).cloned().collect(),
        job_envelope: Octets(job.to_vec()),
        job_digest: digest,
        budget_ms: 19_750,
        deadline_ms: UnixMs(NOW.0 + 19_750),
        reply_octets_max: 6_826,
    }
}

fn decision(fleet: &Fleet, assignment: &[u8], digest: Hash, reply: &[u8]) -> DecisionRecord {
    let job = dns_01_job("www.honest.example");
    let primary = fleet.primary();
    let (from_primary, _) = fleet.reply_to(digest, primary, &job, Seen::Expected);
    let remote = |perspective: &PerspectiveId| perspective.as_str() == "r0";
    let silent = fleet.remotes().filter(|code| !remote(code));
    let shortfalls = vec!["1 of 5 remote perspectives corroborate, 5 are needed".to_owned()];
    let quorum = QuorumRecord { quorum: "1/5".to_owned(), outcome: Outcome::Refuse, shortfalls };
    let finding = |code: &PerspectiveId| {
        let corroborates = remote(code);
        if corroborates { Finding::Corroborate } else { Finding::Unavailable }
    };
    let check = |check: CheckKind| CheckRecord {
        method: (check == CheckKind::Dcv).then(|| "acme-dns-01".to_owned()),
        findings: fleet.remotes().map(|code| (code.clone(), finding(code))).collect(),
        quorum: quorum.quorum.clone(),
        outcome: quorum.outcome,
        shortfalls: quorum.shortfalls.clone(),
    };
    let reply_of = |perspective: &PerspectiveId, octets: &[u8]| ReplyRecord {
        perspective: perspective.clone(),
        received_ms: NOW,
        reply: Octets(octets.to_vec()),
    };
    DecisionRecord {
        ca: job.ca,
        job: job.id,
        coordinator: "c0".parse().unwrap(),
        software: "mpic/0.1.0".to_owned(),
        ca_request: None,
        identifier: job.identifier,
        directory_hash: fleet.directory().hash(),
        relaxations: vec![],
        assignments: vec![Octets(assignment.to_vec())],
        job_envelope: None,
        seed: 7,
        primary: PrimaryRecord { perspective: Some(primary.clone()), source: PrimarySource::Agent },
        cohort: fleet.remotes().cloned().collect(),
        replies: vec![reply_of(primary, &from_primary), reply_of(&"r0".parse().unwrap(), reply)],
        missing: silent
            .map(|code| MissingRecord { perspective: code.clone(), reason: Missing::NoResponders })
            .collect(),
        rejected: vec![],
        checks: [CheckKind::Dcv, CheckKind::Caa].map(|kind| (kind, check(kind))).into(),
        both: Some(quorum),
        outcome: Outcome::Refuse,
        requested_ms: NOW,
        started_ms: NOW,
        decided_ms: NOW,
    }
}

fn late(fleet: &Fleet, digest: Hash, decision_hash: Hash) -> LateRecord {
    let job = dns_01_job("www.honest.example");
    let perspective: PerspectiveId = "r1".parse().unwrap();
    let seen = Seen::Reason(Reason::DnsTimeout);
    let (reply, _) = fleet.reply_to(digest, &perspective, &job, seen);
    LateRecord {
        ca: job.ca,
        job: job.id,
        coordinator: "c0".parse().unwrap(),
        decision_hash,
        replies: vec![ReplyRecord { perspective, received_ms: NOW, reply: Octets(reply) }],
        rejected: vec![],
        closed_ms: UnixMs(NOW.0 + 2_000),
    }
}

fn refusal(job_digest: Hash) -> RefusalRecord {
    RefusalRecord {
        ca: "ca1".parse().unwrap(),
        job: Some(job_id(0)),
        job_digest,
        coordinator: "c0".parse().unwrap(),
        code: RefusalCode::Invalid,
        errors: vec![FieldError::new("dcv.method", "carrier-pigeon", "no such method")],
        cohort: None,
        retry_after_ms: None,
        at_ms: NOW,
        count: 1,
    }
}

fn note() -> NoteRecord {
    NoteRecord {
        operator: "alice".to_owned(),
        kind: NoteKind::Note,
        seqs: vec![],
        at_ms: NOW,
        text: "a perspective was moved".to_owned(),
    }
}
