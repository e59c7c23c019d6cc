//! The walk of one job: those of the quickstart, and what a CA may choose of it.

use std::collections::BTreeSet;

use mpic_common::assignment::Assignment;
use mpic_common::code::PerspectiveId;
use mpic_common::evidence::Dnssec;
use mpic_common::job::{Dispatch, Job, PrimaryMode};
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::policy::{CertificateType, Outcome};
use mpic_common::reason::{Reason, Verdict};
use mpic_common::record::{DecisionRecord, Missing, PrimarySource, RefusalCode};
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_internet::config::{Page, Record};
use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::certification_authority::{
    CertificationAuthority, caa, dns_01, http_01, unanimous, validation_alone,
};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::{
    CHALLENGE_PATH, Content, DIGEST, KEY_AUTHORIZATION, challenge_name, identifier,
};
use mpic_tests::log::{missing, observation, replies};

/// Remotes behind a hijacked route, like the primary.
const FOOLED: [&str; 3] = ["eu-central", "us-east", "ap-northeast"];
/// Remotes that see the owner's site.
const OTHERS: [&str; 4] = ["eu-north", "sa-east", "af-south", "us-west"];

fn internet() -> Content {
    Content::new()
        .honest("honest.example")
        .zone("signed.example", true)
        .caa("signed.example", "0 issue \"ca.example\"")
        .record(Record::txt(&challenge_name("signed.example"), DIGEST))
        .site("hijacked.example")
        .record(Record::txt(&challenge_name("hijacked.example"), DIGEST).seen_by(FOOLED))
        .record(Record::txt(&challenge_name("hijacked.example"), "the owner's").seen_by(OTHERS))
        .page(Page::new("hijacked.example", CHALLENGE_PATH, KEY_AUTHORIZATION).seen_by(FOOLED))
        .site("forbidden.example")
        .caa("forbidden.example", "0 issue \"other-ca.example\"")
        .record(Record::txt(&challenge_name("forbidden.example"), DIGEST))
        .site("split.example")
        .record(Record::caa("split.example", "0 issue \";\"").seen_by(["us-east", "us-west"]))
        .site("mail.example")
        .caa("mail.example", "0 issuemail \"ca.example\"")
        .caa("mail.example", "0 issue \";\"")
        .record(Record::txt(&challenge_name("mail.example"), DIGEST))
        .site("wild.example")
        .caa("wild.example", "0 issuewild \"ca.example\"")
        .caa("wild.example", "0 issue \"other-ca.example\"")
        .record(Record::txt(&challenge_name("wild.example"), DIGEST))
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_walked_from_question_to_log() {
    let cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    all_hold(cases!((&cluster, &ca) =>
        an_honest_dns_01_job_is_corroborated_by_all_six,
        an_honest_http_01_job_is_corroborated_by_all_six,
        an_attacker_whom_the_primary_and_two_remotes_believe_is_refused,
        caa_that_names_another_ca_refuses_and_nobody_else_is_asked,
        views_that_differ_in_caa_count_each_for_themselves,
        one_check_alone_has_no_quorum_for_both,
        the_state_of_dnssec_is_in_the_observation,
        the_remotes_are_asked_after_the_primary_or_together_with_it,
        with_together_a_primary_that_fails_refuses_all_the_same,
        with_an_external_primary_the_remotes_alone_are_asked,
        a_mailbox_is_judged_by_issuemail_alone,
        a_wildcard_is_judged_by_issuewild_and_the_name_itself_by_issue,
        a_job_may_be_stricter_than_the_policy,
        a_job_may_ask_fewer_remotes_and_no_fewer_than_the_timeline,
    ))
    .await;
    cluster.audited(&ca).await;
}

/// The quorums of `dcv`, `caa` and both.
fn quorums(decision: &DecisionRecord) -> [Option<&str>; 3] {
    let of = |check| decision.checks.get(&check).map(|check| check.quorum.as_str());
    let both = decision.both.as_ref().map(|both| both.quorum.as_str());
    [of(CheckKind::Dcv), of(CheckKind::Caa), both]
}

fn codes(codes: &[&str]) -> BTreeSet<PerspectiveId> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

async fn an_honest_dns_01_job_is_corroborated_by_all_six(_: &Cluster, ca: &CertificationAuthority) {
    let decision = ca.decision(&unanimous(dns_01("honest.example"), 6)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert_eq!(quorums(&decision), [Some("6/6"); 3]);
    assert_eq!((decision.replies.len(), decision.missing.len()), (7, 0));
}

async fn an_honest_http_01_job_is_corroborated_by_all_six(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let decision = ca.decision(&unanimous(http_01("honest.example"), 6)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert_eq!(quorums(&decision), [Some("6/6"); 3]);
    for code in cluster.remotes() {
        let seen = observation(&decision, &code, CheckKind::Dcv);
        assert_eq!((seen.clause.as_str(), seen.http.len()), ("3.2.2.4.19", 1), "{code}");
        assert_eq!(seen.http[0].status, Some(200), "{code}");
    }
}

async fn an_attacker_whom_the_primary_and_two_remotes_believe_is_refused(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    for job in [dns_01("hijacked.example"), http_01("hijacked.example")] {
        let decision = ca.decision(&validation_alone(job)).await.decision;
        assert_eq!(decision.outcome, Outcome::Refuse);
        let seen = observation(&decision, &cluster.primary(), CheckKind::Dcv);
        assert_eq!(seen.verdict, Verdict::Pass);
        // Once three contradict it is settled; the rest may have come in time or not.
        let (fooled, heard) = (codes(&FOOLED), replies(&decision));
        let findings = &decision.checks[&CheckKind::Dcv].findings;
        for (code, finding) in findings.iter().filter(|(code, _)| heard.contains_key(*code)) {
            let believed = fooled.contains(code);
            assert_eq!(*finding == Finding::Corroborate, believed, "{code} {finding:?}");
            assert_eq!(*finding == Finding::Contradict, !believed, "{code} {finding:?}");
        }
        let against = findings.values().filter(|finding| **finding == Finding::Contradict);
        assert!(against.count() >= 3, "{findings:?}");
        assert!(!decision.checks[&CheckKind::Dcv].shortfalls.is_empty());
    }
}

async fn caa_that_names_another_ca_refuses_and_nobody_else_is_asked(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let decision = ca.decision(&dns_01("forbidden.example")).await.decision;
    assert_eq!(decision.outcome, Outcome::Refuse);
    assert_eq!(quorums(&decision), [Some("0/6"); 3]);
    let seen = observation(&decision, &cluster.primary(), CheckKind::Caa);
    assert_eq!(seen.reason, Some(Reason::CaaProhibited));
    let found = seen.caa.unwrap();
    assert_eq!(found.found_at.as_deref(), Some("forbidden.example"));
    assert_eq!(found.records[0].value.escaped(), "other-ca.example");
    for code in cluster.remotes() {
        assert_eq!(missing(&decision, &code), Some(Missing::NotAsked), "{code}");
    }
}

async fn views_that_differ_in_caa_count_each_for_themselves(
    _: &Cluster,
    ca: &CertificationAuthority,
) {
    let decision = ca.decision(&unanimous(caa("split.example"), 4)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    for code in codes(&["us-east", "us-west"]) {
        let finding = decision.checks[&CheckKind::Caa].findings[&code];
        // Four corroborate, so a slow one of these two may be out still.
        assert_ne!(finding, Finding::Corroborate, "{code}");
    }
    assert_eq!(quorums(&decision)[1], Some("4/6"));
}

async fn one_check_alone_has_no_quorum_for_both(_: &Cluster, ca: &CertificationAuthority) {
    let decision = ca.decision(&unanimous(caa("honest.example"), 6)).await.decision;
    assert_eq!(quorums(&decision), [None, Some("6/6"), None]);
    let job = validation_alone(dns_01("honest.example"));
    let decision = ca.decision(&unanimous(job, 6)).await.decision;
    assert_eq!(quorums(&decision), [Some("6/6"), None, None]);
}

async fn the_state_of_dnssec_is_in_the_observation(cluster: &Cluster, ca: &CertificationAuthority) {
    for (name, state) in [("signed.example", Dnssec::Secure), ("honest.example", Dnssec::Insecure)]
    {
        let decision = ca.decision(&unanimous(dns_01(name), 6)).await.decision;
        for code in cluster.remotes().iter().chain([&cluster.primary()]) {
            for check in [CheckKind::Dcv, CheckKind::Caa] {
                let seen = observation(&decision, code, check);
                assert_eq!(seen.dnssec, state, "{name} {code} {check:?}");
                assert!(seen.dns.iter().all(|question| question.resolver == 0), "{code}");
            }
        }
    }
}

async fn the_remotes_are_asked_after_the_primary_or_together_with_it(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = unanimous(dns_01("honest.example"), 6);
    let first = ca.decision(&job).await.decision;
    let asked: Vec<_> = assignments(&first).iter().map(|asked| asked.perspectives.len()).collect();
    assert_eq!(asked, [1, 6], "the primary alone, then the remotes");
    let job = unanimous(dns_01("honest.example"), 6);
    let together = Job { dispatch: Dispatch::Together, ..job };
    let decision = ca.decision(&together).await.decision;
    assert_eq!((decision.outcome, decision.replies.len()), (Outcome::Corroborate, 7));
    let assignments = assignments(&decision);
    assert_eq!(assignments.len(), 1, "once for all");
    assert!(assignments[0].perspectives.contains(&cluster.primary()));
    assert_eq!(assignments[0].perspectives.len(), 7);
}

async fn with_together_a_primary_that_fails_refuses_all_the_same(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = Job { dispatch: Dispatch::Together, ..caa("forbidden.example") };
    let decision = ca.decision(&job).await.decision;
    assert_eq!(decision.outcome, Outcome::Refuse);
    assert_eq!(decision.primary.perspective, Some(cluster.primary()));
    assert_eq!(decision.primary.source, PrimarySource::Agent);
    assert!(decision.missing.iter().all(|missing| missing.reason != Missing::NotAsked));
}

/// The exact assignments of a decision, each signed by its coordinator over the job.
fn assignments(decision: &DecisionRecord) -> Vec<Assignment> {
    let body = |octets: &[u8]| {
        let envelope = Envelope::parse(octets, usize::MAX).unwrap();
        decode_body(Kind::Assignment, envelope.body).unwrap()
    };
    decision.assignments.iter().map(|octets| body(&octets.0)).collect()
}

async fn with_an_external_primary_the_remotes_alone_are_asked(
    _: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = Job { primary: PrimaryMode::External, ..dns_01("honest.example") };
    let decision = ca.decision(&job).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert_eq!(decision.primary.source, PrimarySource::External);
    assert_eq!(decision.primary.perspective, None);
    assert_eq!((decision.cohort.len(), decision.replies.len()), (6, 6));
}

async fn a_mailbox_is_judged_by_issuemail_alone(cluster: &Cluster, ca: &CertificationAuthority) {
    let job = Job {
        certificate_type: CertificateType::SMime,
        identifier: identifier("someone@mail.example"),
        ..dns_01("mail.example")
    };
    let recorded = ca.decision(&unanimous(job, 6)).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    let octets = String::from_utf8_lossy(&recorded.octets);
    assert!(!octets.contains("someone"), "the local part reaches nobody");
    let decision = ca.decision(&caa("mail.example")).await.decision;
    let seen = observation(&decision, &cluster.primary(), CheckKind::Caa);
    assert_eq!(seen.reason, Some(Reason::CaaProhibited), "issue counts for servers");
}

async fn a_wildcard_is_judged_by_issuewild_and_the_name_itself_by_issue(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let decision = ca.decision(&unanimous(dns_01("*.wild.example"), 6)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert!(decision.identifier.is_wildcard());
    let decision = ca.decision(&dns_01("wild.example")).await.decision;
    assert_eq!(decision.outcome, Outcome::Refuse);
    let seen = observation(&decision, &cluster.primary(), CheckKind::Caa);
    assert_eq!(seen.reason, Some(Reason::CaaProhibited));
}

async fn a_job_may_be_stricter_than_the_policy(_: &Cluster, ca: &CertificationAuthority) {
    let decision = ca.decision(&unanimous(caa("split.example"), 5)).await.decision;
    assert_eq!(decision.outcome, Outcome::Refuse, "four of six are enough for the policy alone");
    assert!(!decision.checks[&CheckKind::Caa].shortfalls.is_empty());
}

async fn a_job_may_ask_fewer_remotes_and_no_fewer_than_the_timeline(
    _: &Cluster,
    ca: &CertificationAuthority,
) {
    let mut job = dns_01("honest.example");
    job.stricter.remotes = Some(5);
    let decision = ca.decision(&job).await.decision;
    assert_eq!((decision.cohort.len(), decision.outcome), (5, Outcome::Corroborate));
    assert_eq!(quorums(&decision), [Some("5/5"); 3]);
    let mut job = dns_01("honest.example");
    job.stricter.remotes = Some(2);
    let refusal = ca.refusal(&ca.submission(&job)).await;
    assert_eq!((refusal.code, refusal.errors[0].field.as_str()), (RefusalCode::Invalid, "remotes"));
}
