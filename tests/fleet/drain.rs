//! Processes that are asked to end, far from the bus and after their connection was cut: what was
//! on its way to them is not lost.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use mpic_common::code::PerspectiveId;
use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_common::subject;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::link::Link;
use mpic_tests::load::{JOBS, Progress, asked_once_under, decisions_under};
use mpic_tests::process::eventually;

/// The perspective whose agents end.
const REPLACED: &str = "us-east";
const SITE: &str = "honest.example";
/// From the process to the bus, and as long back.
const ONE_WAY: Duration = Duration::from_millis(20);

fn internet() -> Content {
    Content::new().honest(SITE).slow(SITE, 50, None)
}

/// All six are waited for.
fn whole(_: usize) -> Job {
    unanimous(dns_01(SITE), 6)
}

/// Cuts the connections of these processes, and waits until they are there again.
async fn cut(cluster: &Cluster, link: &Link, names: &[&str]) {
    let connects = |name: &&str| cluster.output(name).matches("connected to the bus").count();
    let before: Vec<_> = names.iter().map(connects).collect();
    link.cut();
    let are_back = || names.iter().zip(&before).all(|(name, before)| connects(name) > *before);
    eventually("they connect again", || are_back().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_far_from_the_bus_loses_no_check_also_after_a_reconnect() {
    let name = agent(REPLACED);
    let mut cluster = Cluster::start_with(Choices::of(internet()).without([&name])).await;
    let link = Link::to(cluster.bus_url()).await;
    link.takes(ONE_WAY, ONE_WAY);
    cluster.reroute(&name, link.url());
    cluster.start_process(&name).await;
    let spare = cluster.add_agent(REPLACED).await;
    cut(&cluster, &link, &[&name, &spare]).await;

    let ca = CertificationAuthority::of(&cluster).await;
    let (client, code) = (cluster.client().await, REPLACED.parse::<PerspectiveId>().unwrap());
    let mut sent = client.subscribe(subject::check(&code)).await.unwrap();
    client.flush().await.unwrap();
    let progress = Progress::default();
    let faults = async {
        progress.reaches(JOBS / 6).await;
        cluster.terminate(&spare).await;
        progress.reaches(JOBS / 2).await;
        cluster.start_process(&spare).await;
        cluster.terminate(&name).await;
    };
    let decisions = asked_once_under(&ca, &progress, whole, faults).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
    // The server answers in order: whatever was sent before has come.
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    own.next().await.unwrap();
    let sends = std::iter::from_fn(|| sent.next().now_or_never().flatten()).count();
    assert_eq!(sends, JOBS, "no assignment had to be sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_ends_far_from_the_bus_loses_no_job_also_after_a_reconnect() {
    let names = [COORDINATOR, "coordinator-1"];
    let choices = Choices { coordinators: 2, ..Choices::of(internet()) };
    let mut cluster = Cluster::start_with(choices.without(names)).await;
    let link = Link::to(cluster.bus_url()).await;
    link.takes(ONE_WAY, ONE_WAY);
    for name in names {
        cluster.reroute(name, link.url());
        cluster.start_process(name).await;
    }
    cut(&cluster, &link, &names).await;

    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        progress.reaches(JOBS / 6).await;
        cluster.terminate(COORDINATOR).await;
        cluster.start_process(COORDINATOR).await;
        progress.reaches(JOBS / 2).await;
        cluster.terminate("coordinator-1").await;
    };
    let decisions = asked_once_under(&ca, &progress, whole, faults).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_under_load_lose_no_answer_and_double_no_decision() {
    let names = [COORDINATOR, AUDIT, &agent(REPLACED)];
    let mut cluster = Cluster::start_with(Choices::of(internet()).without(names)).await;
    let link = Link::to(cluster.bus_url()).await;
    for name in [AUDIT, &agent(REPLACED), COORDINATOR] {
        cluster.reroute(name, link.url());
        cluster.start_process(name).await;
    }
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        for answered in [5, 20, 40] {
            progress.reaches(answered).await;
            cut(&cluster, &link, &names).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    assert_eq!(decisions.len(), JOBS);
    cluster.audited(&ca).await;
}
