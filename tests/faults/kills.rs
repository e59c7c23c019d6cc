//! kill -9 under load, and a restart: every job is answered after the CA's repeats, every answer
//! is in the log, nothing recorded is missing there and nothing is in it twice.

use std::collections::BTreeSet;

use mpic_common::policy::Outcome;
use mpic_runtime::ca_client::Recorded;
use mpic_tests::certification_authority::CertificationAuthority;
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::Content;

use mpic_tests::load::{JOBS, Progress, decisions_under};

fn internet() -> Content {
    Content::new().honest("honest.example").slow("honest.example", 20, None)
}

/// The agent that is killed.
const KILLED: &str = "us-east";

/// That each job has one decision, in the log as it was told.
async fn all_are_answered_and_recorded(
    cluster: &Cluster,
    ca: &CertificationAuthority,
    decisions: &[Recorded],
) {
    let jobs: BTreeSet<_> = decisions.iter().map(|recorded| recorded.decision.job).collect();
    assert_eq!(jobs.len(), JOBS);
    let log = cluster.audited(ca).await;
    log.holds(decisions);
}

fn corroborated(decisions: &[Recorded]) -> usize {
    let outcomes = decisions.iter().map(|recorded| recorded.decision.outcome);
    outcomes.filter(|outcome| *outcome == Outcome::Corroborate).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_coordinator_loses_no_answer() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        for answered in [5, 30] {
            progress.reaches(answered).await;
            cluster.kill(COORDINATOR).await;
            cluster.start_process(COORDINATOR).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
    assert_eq!(corroborated(&decisions), JOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_coordinators_one_may_be_killed() {
    let mut cluster =
        Cluster::start_with(Choices { coordinators: 2, ..Choices::of(internet()) }).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        progress.reaches(10).await;
        cluster.kill("coordinator-1").await;
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
    assert_eq!(corroborated(&decisions), JOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_costs_no_corroboration() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        for answered in [5, 30] {
            progress.reaches(answered).await;
            cluster.kill(&agent(KILLED)).await;
            cluster.start_process(&agent(KILLED)).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
    assert_eq!(corroborated(&decisions), JOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_audit_consumer_keeps_nobody_waiting_and_misses_nothing() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        for answered in [5, 25] {
            progress.reaches(answered).await;
            cluster.kill(AUDIT).await;
            progress.reaches(answered + 10).await;
            cluster.start_process(AUDIT).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
    assert_eq!(corroborated(&decisions), JOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bus_loses_no_answer() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        for answered in [5, 30] {
            progress.reaches(answered).await;
            cluster.nats().kill().await;
            cluster.nats().restart().await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_killed_as_a_whole_goes_on_where_it_was() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let names: Vec<_> = cluster.pids().into_keys().collect();
    let ours = names.iter().filter(|name| !["nats-server", "internet"].contains(&name.as_str()));
    let faults = async {
        progress.reaches(10).await;
        for name in ours.clone() {
            cluster.kill(name).await;
        }
        cluster.nats().kill().await;
        cluster.nats().restart().await;
        for name in ours {
            cluster.start_process(name).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    all_are_answered_and_recorded(&cluster, &ca, &decisions).await;
}
