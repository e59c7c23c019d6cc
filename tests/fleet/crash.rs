//! A coordinator killed at each point between a job and its answer.

use std::time::Duration;

use futures_util::StreamExt;
use mpic_common::job::Job;
use mpic_common::limits::BUDGET_MIN;
use mpic_common::subject;
use mpic_runtime::ca_client::{Submission, Submitted};
use mpic_tests::certification_authority::{CertificationAuthority, carried, dns_01};
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster};
use mpic_tests::internet::Content;
use mpic_tests::link::Link;

const SITE: &str = "honest.example";
/// Longer than it takes to kill a process.
const BACK: Duration = Duration::from_millis(700);

fn job(ca: &CertificationAuthority) -> Submission {
    ca.submission(&Job { budget: Some(BUDGET_MIN), ..dns_01(SITE) })
}

/// The octets of the decision that the CA is told in the end.
async fn told_in_the_end(ca: &CertificationAuthority, submission: &Submission) -> Vec<u8> {
    match ca.submit_octets(submission).await {
        Ok(Submitted::Decided(recorded)) => recorded.octets,
        other => panic!("no decision: {other:?}"),
    }
}

async fn last_sequence(cluster: &Cluster) -> u64 {
    cluster.records().await.cached_info().state.last_sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_killed_before_the_record_before_its_word_or_after_leaves_one_decision() {
    let internet = Content::new().honest(SITE).slow(SITE, 100, None);
    let mut cluster = Cluster::start_with(Choices::of(internet).without([COORDINATOR])).await;
    let link = Link::to(cluster.bus_url()).await;
    cluster.reroute(COORDINATOR, link.url());
    cluster.start_process(COORDINATOR).await;
    let ca = CertificationAuthority::of(&cluster).await;
    killed_before_the_record(&mut cluster, &ca).await;
    killed_before_it_knows_of_the_record(&mut cluster, &ca, &link).await;
    killed_after_the_answer(&mut cluster, &ca).await;
    cluster.audited(&ca).await;
}

async fn killed_before_the_record(cluster: &mut Cluster, ca: &CertificationAuthority) {
    let before = last_sequence(cluster).await;
    let mut assigned = mpic_tests::played::assignments(cluster, &cluster.primary()).await;
    let submission = job(ca);
    let killing = async {
        assigned.next().await.unwrap();
        cluster.kill(COORDINATOR).await;
    };
    let (answer, ()) = tokio::join!(ca.try_once(&submission), killing);
    assert!(answer.is_none());
    assert_eq!(last_sequence(cluster).await, before, "nothing counts");
    cluster.start_process(COORDINATOR).await;
    told_in_the_end(ca, &submission).await;
}

async fn killed_before_it_knows_of_the_record(
    cluster: &mut Cluster,
    ca: &CertificationAuthority,
    link: &Link,
) {
    let to = subject::audit_decision(&"ca1".parse().unwrap());
    let client = cluster.client().await;
    let mut recorded = client.subscribe(to.clone()).await.unwrap();
    client.flush().await.unwrap();
    // What the stream says comes late.
    link.takes(Duration::ZERO, BACK);
    let submission = job(ca);
    let killing = async {
        recorded.next().await.unwrap();
        cluster.kill(COORDINATOR).await;
        link.takes(Duration::ZERO, Duration::ZERO);
    };
    let (answer, ()) = tokio::join!(ca.try_once(&submission), killing);
    assert!(answer.is_none(), "it was recorded, and answered to nobody");
    let stands = cluster.records().await.get_last_raw_message_by_subject(&to).await.unwrap();
    cluster.start_process(COORDINATOR).await;
    assert_eq!(told_in_the_end(ca, &submission).await, stands.payload);
}

async fn killed_after_the_answer(cluster: &mut Cluster, ca: &CertificationAuthority) {
    let submission = job(ca);
    let first = carried(&ca.ask_once(&submission).await);
    cluster.kill(COORDINATOR).await;
    cluster.start_process(COORDINATOR).await;
    assert_eq!(told_in_the_end(ca, &submission).await, first);
}
