//! Processes that are asked to end, as in a rollout, and a bus that stands still for a while: no
//! job that was taken goes without its answer.

use futures_util::StreamExt;
use mpic_common::policy::Outcome;
use mpic_tests::certification_authority::{CertificationAuthority, carried, dns_01, unanimous};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::log::replies;
use rustix::process::Signal;

use mpic_tests::load::{JOBS, Progress, decisions_under};

/// The perspective whose agents are replaced.
const REPLACED: &str = "us-east";

fn internet() -> Content {
    Content::new().honest("honest.example").honest("slow.example").slow("slow.example", 300, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_asked_to_end_answers_what_it_has() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let submission = ca.submission(&dns_01("slow.example"));
    let mut assigned = mpic_tests::played::assignments(&cluster, &cluster.primary()).await;
    let stopping = async {
        assigned.next().await;
        cluster.terminate(COORDINATOR).await;
    };
    // Asked once: a repeat would find nobody.
    let (answer, ()) = tokio::join!(ca.ask_once(&submission), stopping);
    cluster.start_process(COORDINATOR).await;
    let recorded = ca.submit_octets(&submission).await;
    assert!(recorded.is_ok_and(|_| ca.kept()[0].octets == carried(&answer)));
    cluster.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_asked_to_end_answers_what_it_has() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let job = unanimous(dns_01("slow.example"), 6);
    let code = REPLACED.parse().unwrap();
    let mut assigned = mpic_tests::played::assignments(&cluster, &code).await;
    let stopping = async {
        assigned.next().await;
        cluster.terminate(&agent(REPLACED)).await;
    };
    let (recorded, ()) = tokio::join!(ca.decision(&job), stopping);
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    assert!(replies(&recorded.decision).contains_key(&code));
    cluster.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_under_load_costs_no_job() {
    let mut cluster =
        Cluster::start_with(Choices { coordinators: 2, ..Choices::of(internet()) }).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let spare = cluster.add_agent(REPLACED).await;
    let progress = Progress::default();
    let faults = async {
        progress.reaches(5).await;
        for name in [&agent(REPLACED), COORDINATOR, &spare, "coordinator-1", AUDIT] {
            cluster.terminate(name).await;
            cluster.start_process(name).await;
        }
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    assert!(decisions.iter().all(|one| one.decision.outcome == Outcome::Corroborate));
    cluster.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_stands_still_for_a_while_loses_no_answer() {
    let mut cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let progress = Progress::default();
    let faults = async {
        progress.reaches(10).await;
        let bus = cluster.nats().process();
        bus.signal(Signal::STOP);
        // This is the fault: long enough for waits to run out, too short for connections to.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        bus.signal(Signal::CONT);
    };
    let decisions = decisions_under(&ca, &progress, faults).await;
    assert_eq!(decisions.len(), JOBS);
    cluster.audited(&ca).await;
}
