use super::*;
use crate::testing::{Fleet, dns_01_job, job_id};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn assignment(job: &Job, job_octets: Vec<u8>) -> Assignment {
    Assignment {
        coordinator: "c0".parse().unwrap(),
        job: job.id,
        perspectives: vec!["p0".parse().unwrap()],
        job_envelope: Octets(job_octets),
        job_digest: Hash::of(&job.to_body()),
        budget_ms: 19_750,
        deadline_ms: UnixMs(NOW.0 + 19_750),
        reply_octets_max: 6_826,
    }
}

/// Signs and verifies the assignment of an unsigned job, with what was changed of both.
fn verify(
    fleet: &Fleet,
    signer: &str,
    change_job: impl FnOnce(&mut Job),
    change: impl FnOnce(&mut Assignment),
) -> Result<VerifiedAssignment, AssignmentError> {
    let mut job = dns_01_job("honest.example");
    change_job(&mut job);
    let octets = envelope::unsigned(Kind::Job, &job.to_body());
    let mut assignment = assignment(&job, octets);
    change(&mut assignment);
    let sealed = assignment.sign(&Fleet::key(signer));
    Assignment::verify(&sealed.octets, &fleet.directory(), NOW)
}

#[test]
fn an_assignment_of_a_coordinator_is_verified_with_its_job() {
    let verified = verify(&Fleet::new(5), "c0", |_| {}, |_| {}).unwrap();
    assert_eq!(verified.job, dns_01_job("honest.example"));
    assert_eq!(verified.digest, Hash::of(&encode_body(Kind::Assignment, &verified.assignment)));
}

#[test]
fn nobody_but_the_coordinator_it_names_signs_it() {
    let fleet = Fleet::new(5);
    let names_another =
        |assignment: &mut Assignment| assignment.coordinator = "c1".parse().unwrap();
    let unknown = |code: &str| Err(AssignmentError::UnknownKey(code.parse().unwrap()));
    assert_eq!(verify(&fleet, "r0", |_| {}, |_| {}), unknown("c0"));
    assert_eq!(verify(&fleet, "nobody", |_| {}, |_| {}), unknown("c0"));
    assert_eq!(verify(&fleet, "c0", |_| {}, names_another), unknown("c1"));
}

#[test]
fn the_job_inside_is_the_one_it_names() {
    let fleet = Fleet::new(5);
    let other_id = |assignment: &mut Assignment| assignment.job = job_id(9);
    assert_eq!(verify(&fleet, "c0", |_| {}, other_id), Err(AssignmentError::OtherJob));
    let other_digest = |assignment: &mut Assignment| assignment.job_digest = Hash::ZERO;
    assert_eq!(verify(&fleet, "c0", |_| {}, other_digest), Err(AssignmentError::OtherJob));
}

#[test]
fn a_coordinator_cannot_let_a_ca_ask_for_anothers_issuer() {
    let other = |job: &mut Job| job.issuer_domains.push("other.example".to_owned());
    let refused = verify(&Fleet::new(5), "c0", other, |_| {}).unwrap_err();
    assert!(matches!(refused, AssignmentError::NotAdmitted(_)), "{refused:?}");
}

#[test]
fn a_ca_that_signs_its_jobs_is_not_asked_for_in_its_name() {
    let fleet = Fleet::new(5).with_signed_jobs();
    let refused = verify(&fleet, "c0", |_| {}, |_| {}).unwrap_err();
    assert!(matches!(refused, AssignmentError::NotAdmitted(_)), "{refused:?}");
    let job = dns_01_job("honest.example");
    let signed_by = |name| envelope::seal(Kind::Job, &job.to_body(), &Fleet::key(name), None);
    let verify = |octets| {
        let signed = assignment(&job, octets).sign(&Fleet::key("c0"));
        Assignment::verify(&signed.octets, &fleet.directory(), NOW)
    };
    assert!(verify(signed_by("ca1")).is_ok());
    assert!(matches!(verify(signed_by("c0")), Err(AssignmentError::NotAdmitted(_))));
}

#[test]
fn a_changed_octet_is_noticed() {
    let job = dns_01_job("honest.example");
    let octets = envelope::unsigned(Kind::Job, &job.to_body());
    let signed = assignment(&job, octets).sign(&Fleet::key("c0"));
    let directory = Fleet::new(5).directory();
    for at in 0..signed.octets.len() {
        let mut changed = signed.octets.clone();
        changed[at] ^= 0x01;
        assert!(Assignment::verify(&changed, &directory, NOW).is_err(), "octet {at}");
    }
}
