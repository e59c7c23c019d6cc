//! Agents of one perspective: any number, of different capacity and version, added and removed
//! while jobs are decided.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_common::time::UnixMs;
use mpic_runtime::discovery::{Discovery, Endpoint, Service, Stats, process_id};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{Choices, Cluster, agent};
use mpic_tests::command_line::mpic;
use mpic_tests::internet::Content;
use mpic_tests::load::{JOBS, Progress, asked_once_under};
use mpic_tests::log::replies;
use mpic_tests::played::PlayedAgent;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SITE: &str = "honest.example";
const REGION: &str = "us-east";

fn internet() -> Content {
    Content::new().honest(SITE).slow(SITE, 50, None)
}

/// All six are waited for.
fn whole(_: usize) -> Job {
    unanimous(dns_01(SITE), 6)
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_added_and_removed_under_load_without_a_failed_job() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let other = cluster.remotes().into_iter().find(|code| code.as_str() != REGION).unwrap();
    let progress = Progress::default();
    let faults = async {
        progress.reaches(5).await;
        let mut added = Vec::new();
        for code in [REGION, REGION, other.as_str()] {
            added.push(cluster.add_agent(code).await);
        }
        progress.reaches(15).await;
        for name in [&agent(REGION), &agent(other.as_str()), &added[0]] {
            cluster.terminate(name).await;
        }
        progress.reaches(35).await;
        cluster.start_process(&agent(REGION)).await;
        cluster.terminate(&added[1]).await;
    };
    let decisions = asked_once_under(&ca, &progress, whole, faults).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_small_agent_that_is_busy_a_large_one_does_the_work_and_no_job_fails() {
    let name = agent(REGION);
    let mut cluster = Cluster::start_with(Choices::of(internet()).without([&name])).await;
    let small = toml::toml! { concurrent_jobs = 1 };
    cluster.configure(&name, |config| drop(config.insert("limits".to_owned(), small.into())));
    cluster.start_process(&name).await;
    cluster.configure(&name, |config| drop(config.remove("limits")));
    cluster.add_agent(REGION).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let (progress, nothing) = (Progress::default(), async {});
    let decisions = asked_once_under(&ca, &progress, |_| dns_01(SITE), nothing).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
    let code = REGION.parse().unwrap();
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for reply in decisions.iter().filter_map(|decision| replies(decision).remove(&code)) {
        *served.entry(reply.agent).or_default() += 1;
    }
    let most = served.values().copied().max().unwrap();
    assert!(most * 2 > served.values().sum(), "one has more than half: {served:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_two_versions_serve_one_perspective_side_by_side() {
    let cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let mut newer = PlayedAgent::of(&cluster, REGION).await;
    let service = Service {
        name: "mpic-agent".to_owned(),
        id: process_id().unwrap(),
        version: "9.9.9".to_owned(),
        metadata: BTreeMap::from([("code".to_owned(), REGION.to_owned())]),
    };
    let endpoint = Endpoint {
        name: "check".to_owned(),
        subject: mpic_common::subject::check(&newer.perspective),
        queue_group: REGION.to_owned(),
    };
    let (client, since) = (cluster.client().await, UnixMs::default());
    let told = Discovery::subscribe(client.clone(), service, endpoint, since, Stats::default);
    let told = told.await.unwrap();
    // The server answers in order: it knows the subscriptions once it has echoed this.
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    own.next().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(told.run(CancellationToken::new()).await) });
    tasks.spawn(async move {
        loop {
            let received = newer.next_assignment().await;
            let mut reply = newer.pass(&received);
            reply.software = "mpic-agent/9.9.9".to_owned();
            newer.send(&received, newer.sign(&reply, &received)).await;
        }
    });
    let dir = cluster.layout().dir().display().to_string();
    let (_, shown) = mpic(&["status", "--dir", &dir]).await;
    let versions = shown.lines().filter(|line| line.trim_start().starts_with(REGION)).count();
    assert!(versions == 2 && shown.contains("9.9.9"), "{shown}");
    let (progress, nothing) = (Progress::default(), async {});
    let decisions = asked_once_under(&ca, &progress, whole, nothing).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
    let code = REGION.parse().unwrap();
    let software = decisions.iter().filter_map(|decision| replies(decision).remove(&code));
    let software: BTreeSet<_> = software.map(|reply| reply.software).collect();
    assert_eq!((decisions.len(), software.len()), (JOBS, 2), "{software:?}");
}
