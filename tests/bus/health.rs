//! A process tells how it is: alive though the bus is away, ready once it is heard again.

use std::time::Duration;

use mpic_common::assignment::Assignment;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::played::PlayedCoordinator;
use mpic_tests::process::eventually;
use mpic_tests::scrape::get;

fn status(address: &str, path: &str) -> u16 {
    get(address, path).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_alive_without_the_bus_and_ready_once_it_hears_itself_again() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let remote = agent(cluster.remotes()[0].as_str());
    let mut addresses = Vec::new();
    for name in [COORDINATOR, AUDIT, &remote] {
        addresses.push(cluster.listening(name).await);
    }
    let ca = CertificationAuthority::of(&cluster).await;
    ca.decision(&dns_01("honest.example")).await;
    assert!(addresses.iter().all(|address| status(address, "/readyz") == 200));
    let (_, coordinator) = get(&addresses[0], "/metrics");
    assert!(coordinator.contains("\nmpic_jobs_capacity 10000\n"), "{coordinator}");
    let (_, told) = get(&addresses[2], "/metrics");
    let capacity = format!("mpic_agent_capacity{{perspective=\"{}\"}} 512", cluster.remotes()[0]);
    assert!(told.contains(&capacity) && told.contains("mpic_nats_round_trip_seconds "), "{told}");

    cluster.nats().kill().await;
    for address in &addresses {
        eventually("it is not ready", || (status(address, "/readyz") == 503).then_some(())).await;
        assert_eq!(status(address, "/livez"), 200);
    }
    cluster.nats().restart().await;
    for address in &addresses {
        eventually("it is ready again", || (status(address, "/readyz") == 200).then_some(())).await;
        let (_, told) = get(address, "/metrics");
        assert!(told.contains("mpic_nats_events_total{kind=\"disconnected\"}"), "{told}");
    }
    ca.decision(&dns_01("honest.example")).await;
}

/// More than a played assignment may take.
const LATE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_to_which_eleven_assignments_come_too_late_in_a_minute_is_not_ready() {
    let choices = Choices::of(Content::new().honest("honest.example")).without([COORDINATOR]);
    let mut cluster = Cluster::start_with(choices).await;
    let code = cluster.remotes().remove(0);
    let address = cluster.listening(&agent(code.as_str())).await;
    let played = PlayedCoordinator::of(&cluster, COORDINATOR, &code).await;
    for sent in 1..=11 {
        let assignment = played.assignment(&dns_01("honest.example"));
        let deadline_ms = assignment.deadline_ms.minus(LATE);
        let late = played.sign(&Assignment { deadline_ms, ..assignment });
        played.send(&late.octets).await;
        let counted = format!("reason=\"expired\"}} {sent}\n");
        let has_counted = || get(&address, "/metrics").1.contains(&counted).then_some(());
        eventually("it is counted", has_counted).await;
        assert_eq!(status(&address, "/readyz"), if sent > 10 { 503 } else { 200 });
    }
    let (_, why) = get(&address, "/readyz");
    assert!(why.contains("clock"), "{why}");
}
