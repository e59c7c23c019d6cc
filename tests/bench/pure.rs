//! What the parts of a corroboration that need no bus cost: signatures, encoding, `decide`.

use std::hint::black_box;

use mpic_common::assignment::Assignment;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::octets::{Hash, Octets};
use mpic_common::policy::{Case, Findings, Policy, Profile, decide};
use mpic_common::record::DecisionRecord;
use mpic_common::reply::{Asked, PerspectiveRole, Reply};
use mpic_common::signature::Signed;
use mpic_common::testing::{Fleet, Seen, dns_01_job, examples, job_id};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};

use crate::cpu;

const REMOTES: usize = 6;
const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// Microseconds each takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pure {
    /// `decide` on two checks of six remotes.
    pub(crate) decide: f64,
    /// One signature over a reply.
    pub(crate) sign: f64,
    /// Its verification.
    pub(crate) verify: f64,
    /// Encoding a reply.
    pub(crate) encode_reply: f64,
    /// Decoding one strictly.
    pub(crate) decode_reply: f64,
    /// Encoding a record of seven replies.
    pub(crate) encode_record: f64,
    /// All that an agent does before it admits an assignment, two verifications among it.
    pub(crate) admit_assignment: f64,
    /// All that a coordinator does with a reply, one verification among it.
    pub(crate) verify_reply: f64,
}

/// Prints everything.
pub(crate) fn run() {
    let pure = Pure::measure();
    println!("\nMicroseconds of CPU:\n");
    for (name, micros) in [
        ("decide, two checks of six remotes", pure.decide),
        ("a signature", pure.sign),
        ("its verification", pure.verify),
        ("encoding a reply", pure.encode_reply),
        ("decoding it strictly", pure.decode_reply),
        ("encoding a record of seven replies", pure.encode_record),
        ("an agent verifies an assignment, and the job in it", pure.admit_assignment),
        ("a coordinator verifies a reply", pure.verify_reply),
    ] {
        println!("{name:<52} {micros:>8.2}");
    }
}

impl Pure {
    /// Measures all of it, each for a fraction of a second.
    pub(crate) fn measure() -> Self {
        let fleet = Fleet::new(REMOTES);
        let directory = fleet.directory();
        let (coordinator, agent) = (Fleet::key("c0"), Fleet::key("r0"));
        let job = Job { id: job_id(0), ..dns_01_job("honest.example") };
        let assignment = assignment(&fleet, &job).sign(&coordinator);
        let perspective = "r0".parse().unwrap();
        let reply = fleet.unsigned_reply(&perspective, &job, Seen::Expected);
        let octets = reply.sign(&agent, assignment.digest);
        let asked = Asked {
            perspective: &perspective,
            role: PerspectiveRole::Remote,
            assignment_digest: assignment.digest,
            job: &job,
            job_digest: Hash::of(&job.to_body()),
            octets_max: 8_192,
        };
        let body = encode_body(Kind::Reply, &reply);
        let context = Kind::Reply.context().unwrap();
        let signed = Signed { context, digest: Some(assignment.digest), body: &body };
        let sig = agent.sign(signed);
        let record = record(&octets);
        Self {
            decide: decided(&fleet),
            sign: micros(|| agent.sign(signed)),
            verify: micros(|| agent.public().verify(signed, &sig)),
            encode_reply: micros(|| encode_body(Kind::Reply, &reply)),
            decode_reply: micros(|| decode_body::<Reply>(Kind::Reply, &body)),
            encode_record: micros(|| encode_body(Kind::Decision, &record)),
            admit_assignment: micros(|| Assignment::verify(&assignment.octets, &directory, NOW)),
            verify_reply: micros(|| Reply::verify(&octets, &asked, &directory, NOW)),
        }
    }

    /// The signatures of a corroboration with seven perspectives, so many assignments and one
    /// decision: what the system verifies and signs.
    pub(crate) fn signatures(&self, assignments: f64) -> f64 {
        const ASKED: f64 = 7.0;
        // A coordinator verifies the job and each reply; an agent its assignment and the job.
        let verified = 1.0 + ASKED + 2.0 * ASKED;
        let signed = assignments + ASKED + 1.0;
        verified * self.verify + signed * self.sign
    }

    /// The encoding and decoding beside it, of messages and of the record.
    pub(crate) fn encoding(&self) -> f64 {
        const ASKED: f64 = 7.0;
        let admit = self.admit_assignment - 2.0 * self.verify;
        let answer = self.encode_reply;
        let judge = self.verify_reply - self.verify;
        ASKED * (admit + answer + judge) + self.encode_record
    }
}

fn decided(fleet: &Fleet) -> f64 {
    let cohort: std::collections::BTreeMap<_, _> =
        fleet.remotes().map(|code| (code.clone(), registry(fleet, code))).collect();
    let remotes: std::collections::BTreeMap<_, _> =
        fleet.remotes().map(|code| (code.clone(), Finding::Corroborate)).collect();
    let findings = Findings { primary_passed: true, remotes };
    let job = dns_01_job("honest.example");
    let policy = Policy::of(Profile::Strict);
    let case = Case {
        certificate_type: job.certificate_type,
        date: NOW.date(),
        policy: &policy,
        stricter: job.stricter,
        cohort: &cohort,
        checks: [(CheckKind::Caa, findings.clone()), (CheckKind::Dcv, findings)].into(),
    };
    micros(|| decide(&case))
}

fn registry(
    fleet: &Fleet,
    code: &mpic_common::code::PerspectiveId,
) -> mpic_common::perspective::RegionalInternetRegistry {
    fleet.directory().perspective(code, NOW).unwrap().egress.registry
}

fn assignment(fleet: &Fleet, job: &Job) -> Assignment {
    let body = job.to_body();
    Assignment {
        coordinator: "c0".parse().unwrap(),
        job: job.id,
        perspectives: fleet.remotes().cloned().collect(),
        job_envelope: Octets(envelope::seal(Kind::Job, &body, &Fleet::key("ca1"), None)),
        job_digest: Hash::of(&body),
        budget_ms: 19_750,
        deadline_ms: UnixMs(NOW.0 + 19_750),
        reply_octets_max: 8_192,
    }
}

/// The example of a decision, with as many replies as were asked.
fn record(reply: &[u8]) -> DecisionRecord {
    let (_, example) = examples().into_iter().find(|(kind, _)| *kind == Kind::Decision).unwrap();
    let envelope = Envelope::parse(&example, usize::MAX).unwrap();
    let mut record: DecisionRecord = decode_body(Kind::Decision, envelope.body).unwrap();
    let mut of_one = record.replies.first().unwrap().clone();
    of_one.reply = Octets(reply.to_vec());
    record.replies = vec![of_one; REMOTES + 1];
    record
}

/// Microseconds of CPU that `work` takes, as the fastest of several runs: what else the machine
/// does only adds to it.
fn micros<T>(work: impl Fn() -> T) -> f64 {
    const TIMES: u32 = 1_000;
    // The kernel's count moves with its ticks, some milliseconds each.
    const SECONDS: f64 = 0.25;
    let run = || {
        let (before, mut times) = (cpu::of_this_thread(), 0.0);
        loop {
            for _ in 0..TIMES {
                black_box(work());
            }
            times += f64::from(TIMES);
            let used = cpu::of_this_thread() - before;
            if used >= SECONDS {
                return used * 1e6 / times;
            }
        }
    };
    (0..3).map(|_| run()).fold(f64::INFINITY, f64::min)
}
