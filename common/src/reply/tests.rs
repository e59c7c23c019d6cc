use super::*;
use crate::testing::{Fleet, Seen, dns_01_job, http_01_job, job_id};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const ASSIGNMENT: Hash = Hash([5; 32]);

/// A reply as `r0` made it, changed by whoever holds the key `signer`.
fn verify(signer: &str, change: impl FnOnce(&mut Reply)) -> Result<VerifiedReply, Rejected> {
    verify_over(ASSIGNMENT, signer, change)
}

fn verify_over(
    signed_digest: Hash,
    signer: &str,
    change: impl FnOnce(&mut Reply),
) -> Result<VerifiedReply, Rejected> {
    let (fleet, job) = (Fleet::new(5), dns_01_job("honest.example"));
    let remote = "r0".parse().unwrap();
    let (_, verified) = fleet.reply(&remote, &job, Seen::Expected);
    let mut reply = verified.0;
    change(&mut reply);
    let octets = reply.sign(&Fleet::key(signer), signed_digest);
    Reply::verify(&octets, &asked(&remote, &job), &fleet.directory(), NOW)
}

fn asked<'a>(perspective: &'a PerspectiveId, job: &'a Job) -> Asked<'a> {
    Asked {
        perspective,
        role: PerspectiveRole::Remote,
        assignment_digest: ASSIGNMENT,
        job,
        job_digest: Hash::of(&job.to_body()),
        octets_max: 8_192,
    }
}

#[test]
fn a_reply_of_the_perspective_that_was_asked_counts() {
    assert!(verify("r0", |_| {}).is_ok());
}

#[test]
fn a_reply_under_another_perspectives_key_is_of_the_wrong_perspective() {
    assert_eq!(verify("r1", |_| {}), Err(Rejected::WrongPerspective));
    let names_itself = |reply: &mut Reply| reply.perspective = "r1".parse().unwrap();
    assert_eq!(verify("r1", names_itself), Err(Rejected::WrongPerspective));
    assert_eq!(verify("r0", names_itself), Err(Rejected::WrongPerspective));
}

#[test]
fn a_coordinators_key_signs_no_replies() {
    assert_eq!(verify("c0", |_| {}), Err(Rejected::WrongPerspective));
}

#[test]
fn a_key_that_the_directory_lacks_is_unknown() {
    assert_eq!(verify("nobody", |_| {}), Err(Rejected::UnknownKey));
}

#[test]
fn a_reply_to_another_assignment_has_a_bad_signature() {
    assert_eq!(verify_over(Hash::ZERO, "r0", |_| {}), Err(Rejected::BadSignature));
}

#[test]
fn a_remote_does_not_answer_as_the_primary() {
    let as_primary = |reply: &mut Reply| reply.role = PerspectiveRole::Primary;
    assert_eq!(verify("r0", as_primary), Err(Rejected::WrongPerspective));
}

#[test]
fn a_reply_on_another_job_or_identifier_answers_another_assignment() {
    assert_eq!(verify("r0", |reply| reply.job = job_id(9)), Err(Rejected::WrongAssignment));
    let other_digest = |reply: &mut Reply| reply.job_digest = Hash::ZERO;
    assert_eq!(verify("r0", other_digest), Err(Rejected::WrongAssignment));
    let other_name = |reply: &mut Reply| {
        reply.identifier = dns_01_job("other.example").identifier;
    };
    assert_eq!(verify("r0", other_name), Err(Rejected::WrongAssignment));
}

#[test]
fn a_reply_observes_each_check_asked_and_no_other() {
    let forgets = |reply: &mut Reply| drop(reply.observations.remove(&CheckKind::Caa));
    assert_eq!(verify("r0", forgets), Err(Rejected::WrongAssignment));
    let another_method = |reply: &mut Reply| {
        let dcv = reply.observations.get_mut(&CheckKind::Dcv).unwrap();
        dcv.method = http_01_job("honest.example").method().map(|row| row.id.to_owned());
    };
    assert_eq!(verify("r0", another_method), Err(Rejected::WrongAssignment));
}

#[test]
fn a_determination_that_contradicts_itself_is_malformed() {
    fn dcv(reply: &mut Reply) -> &mut Observation {
        reply.observations.get_mut(&CheckKind::Dcv).unwrap()
    }
    let pass_with_reason =
        |reply: &mut Reply| dcv(reply).reason = Some(crate::reason::Reason::DnsNxdomain);
    assert_eq!(verify("r0", pass_with_reason), Err(Rejected::Malformed));
    let pass_without_value = |reply: &mut Reply| dcv(reply).observed = None;
    assert_eq!(verify("r0", pass_without_value), Err(Rejected::Malformed));
    let fail_without_reason = |reply: &mut Reply| dcv(reply).verdict = Verdict::Fail;
    assert_eq!(verify("r0", fail_without_reason), Err(Rejected::Malformed));
}

#[test]
fn s7_a_relaxation_that_the_coordinator_does_not_name_makes_a_reply_unavailable() {
    let relaxed = ["dnssec.remote=\"off\"".to_owned(), "persist.require_policy=false".to_owned()];
    let under = |reply: &mut Reply| reply.relaxations = relaxed.to_vec();
    let VerifiedReply(reply) = verify("r0", under).unwrap();
    let honest = verify("r0", |_| {}).unwrap().0;
    for check in [CheckKind::Dcv, CheckKind::Caa] {
        let passed = primary(check, &honest, &[]);
        assert_eq!(finding(check, passed, &honest, &[]), Finding::Corroborate);
        assert_eq!(finding(check, passed, &reply, &relaxed), Finding::Corroborate);
        assert_eq!(finding(check, passed, &reply, &relaxed[..1]), Finding::Unavailable);
        assert_eq!(primary(check, &reply, &relaxed[1..]), Primary::DidNotPass);
        assert_eq!(primary(check, &reply, &relaxed), passed);
    }
}

#[test]
fn busy_observes_nothing() {
    let busy = |reply: &mut Reply| {
        reply.outcome = ReplyOutcome::Busy;
        reply.observations.clear();
    };
    assert_eq!(verify("r0", busy).unwrap().outcome, ReplyOutcome::Busy);
    let and_observes = |reply: &mut Reply| reply.outcome = ReplyOutcome::Busy;
    assert_eq!(verify("r0", and_observes), Err(Rejected::Malformed));
}

#[test]
fn octets_that_are_no_reply_or_too_many_are_malformed() {
    let (fleet, job) = (Fleet::new(5), dns_01_job("honest.example"));
    let remote = "r0".parse().unwrap();
    let (octets, _) = fleet.reply_to(ASSIGNMENT, &remote, &job, Seen::Expected);
    let verify = |octets: &[u8], octets_max| {
        let asked = Asked { octets_max, ..asked(&remote, &job) };
        Reply::verify(octets, &asked, &fleet.directory(), NOW)
    };
    assert!(verify(&octets, octets.len()).is_ok());
    assert_eq!(verify(&octets, octets.len() - 1), Err(Rejected::Malformed));
    assert_eq!(verify(b"", 8_192), Err(Rejected::Malformed));
    let unsigned = envelope::unsigned(Kind::Reply, b"");
    assert_eq!(verify(&unsigned, 8_192), Err(Rejected::BadSignature));
}

#[test]
fn a_changed_octet_never_counts() {
    let (fleet, job) = (Fleet::new(5), dns_01_job("honest.example"));
    let remote = "r0".parse().unwrap();
    let (octets, _) = fleet.reply_to(ASSIGNMENT, &remote, &job, Seen::Expected);
    let directory = fleet.directory();
    for at in 0..octets.len() {
        let mut changed = octets.clone();
        changed[at] ^= 0x01;
        assert!(Reply::verify(&changed, &asked(&remote, &job), &directory, NOW).is_err(), "{at}");
    }
}
