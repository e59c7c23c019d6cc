//! A process tells how it is: alive though the bus is away, ready once it is heard again.

use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Cluster, agent};
use mpic_tests::internet::Content;
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
