//! The same job again: joined, answered again, or refused; never decided twice.

use futures_util::future::join_all;
use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_common::record::RefusalCode;
use mpic_runtime::ca_client::Submitted;
use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::certification_authority::{CertificationAuthority, caa, carried, dns_01};
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster};
use mpic_tests::internet::Content;

fn internet() -> Content {
    Content::new()
        .honest("honest.example")
        .honest("slow.example")
        .slow("slow.example", 200, None)
        .site("forbidden.example")
        .caa("forbidden.example", "0 issue \"other-ca.example\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_sent_again_has_one_decision() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    all_hold(cases!((&cluster, &ca) =>
        a_repeat_gets_the_octets_of_the_first_answer,
        a_repeat_of_a_refused_issuance_gets_the_same_refusal,
        a_repeat_in_flight_joins,
        other_content_under_the_same_id_is_a_conflict,
        other_content_in_flight_is_a_conflict_and_disturbs_nothing,
        two_cas_clients_with_one_name_have_a_decision_each,
    ))
    .await;
    // Whoever comes after a restart has nothing but the stream to go by.
    let job = dns_01("honest.example");
    let before = ca.decision(&job).await;
    cluster.kill(COORDINATOR).await;
    cluster.start_process(COORDINATOR).await;
    let after = ca.decision(&job).await;
    assert_eq!((after.octets, after.seq), (before.octets, before.seq));
    let log = cluster.audited(&ca).await;
    assert_eq!(log.decisions(job.id).len(), 1);
}

async fn a_repeat_gets_the_octets_of_the_first_answer(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = dns_01("honest.example");
    let first = ca.decision(&job).await;
    for _ in 0..3 {
        let again = ca.decision(&job).await;
        assert_eq!((&again.octets, again.seq), (&first.octets, first.seq));
    }
    assert_eq!(cluster.audited(ca).await.decisions(job.id).len(), 1);
}

async fn a_repeat_of_a_refused_issuance_gets_the_same_refusal(
    _: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = caa("forbidden.example");
    let first = ca.decision(&job).await;
    assert_eq!(first.decision.outcome, Outcome::Refuse);
    assert_eq!(ca.decision(&job).await.octets, first.octets);
}

async fn a_repeat_in_flight_joins(cluster: &Cluster, ca: &CertificationAuthority) {
    let job = dns_01("slow.example");
    let answers = join_all((0..5).map(|_| ca.decision(&job))).await;
    assert!(answers.iter().all(|answer| answer.octets == answers[0].octets));
    let log = cluster.audited(ca).await;
    assert_eq!(log.decisions(job.id).len(), 1);
    assert!(log.superseded(job.id).is_empty(), "it was performed once");
}

/// Another job under the id of this one.
fn other(job: &Job) -> Job {
    Job { ca_request: Some("another order".to_owned()), ..job.clone() }
}

async fn other_content_under_the_same_id_is_a_conflict(_: &Cluster, ca: &CertificationAuthority) {
    let job = dns_01("honest.example");
    let first = ca.decision(&job).await;
    let refusal = ca.refusal(&ca.submission(&other(&job))).await;
    assert_eq!((refusal.code, refusal.job), (RefusalCode::Conflict, Some(job.id)));
    assert_eq!(ca.decision(&job).await.octets, first.octets);
}

async fn other_content_in_flight_is_a_conflict_and_disturbs_nothing(
    _: &Cluster,
    ca: &CertificationAuthority,
) {
    let job = dns_01("slow.example");
    let (first, second) = tokio::join!(ca.submit(&job), async { ca.submit(&other(&job)).await });
    // Which of them came first is nobody's business; one is decided and one is not.
    let (mut decided, mut refused) = (0, 0);
    for submitted in [first.unwrap(), second.unwrap()] {
        match submitted {
            Submitted::Decided(_) => decided += 1,
            Submitted::Refused(refusal) => {
                assert_eq!(refusal.code, RefusalCode::Conflict);
                refused += 1;
            }
        }
    }
    assert_eq!((decided, refused), (1, 1));
}

async fn two_cas_clients_with_one_name_have_a_decision_each(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let second = CertificationAuthority::of(cluster).await;
    let (one, other) = (dns_01("honest.example"), dns_01("honest.example"));
    let (one, other) = tokio::join!(ca.decision(&one), second.decision(&other));
    assert_ne!(one.decision.job, other.decision.job);
    assert_ne!(one.seq, other.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_coordinators_with_one_job_record_one_decision() {
    let choices = Choices { coordinators: 2, ..Choices::of(internet()) };
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let mut superseded_in_all = 0;
    for _ in 0..3 {
        let job = ca.submission(&dns_01("slow.example"));
        // The server deals sixteen copies out at random: both coordinators get some.
        let answers = join_all((0..16).map(|_| ca.ask_once(&job))).await;
        let told: Vec<_> = answers.iter().map(|answer| carried(answer)).collect();
        assert!(told.iter().all(|octets| *octets == told[0]), "all are told the same");
        let recorded = ca.submit_octets(&job).await.unwrap();
        let Submitted::Decided(recorded) = recorded else { panic!("{recorded:?}") };
        assert_eq!(recorded.octets, told[0]);
        let log = superseded_in(&cluster, &ca, job.job).await;
        assert_eq!(log.decisions(job.job).len(), 1);
        for superseded in log.superseded(job.job) {
            assert_eq!(superseded.lost_to, recorded.seq);
            assert_ne!(superseded.coordinator, recorded.decision.coordinator);
            superseded_in_all += 1;
        }
    }
    assert_eq!(superseded_in_all, 3, "each loser recorded what it would have said");
}

/// The log once it has the decision that came second, which is recorded after the answer.
async fn superseded_in(
    cluster: &Cluster,
    ca: &CertificationAuthority,
    job: mpic_common::job::JobId,
) -> mpic_tests::log::Log {
    let looking = async {
        loop {
            let log = cluster.audited(ca).await;
            if !log.superseded(job).is_empty() {
                return log;
            }
        }
    };
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, looking).await.expect("a superseded record in time")
}
