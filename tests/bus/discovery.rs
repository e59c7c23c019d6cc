//! Service discovery as NATS ADR-32 has it: what `nats micro ls` reads.

use std::collections::BTreeMap;

use mpic_common::subject;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;
use serde::Deserialize;
use serde_json::Value;

/// What every answer has.
#[derive(Debug, Deserialize)]
struct Answer {
    r#type: String,
    name: String,
    id: String,
    version: String,
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    endpoints: Vec<Value>,
}

async fn ask(client: &async_nats::Client, verb: &str, name: &str, id: Option<&str>) -> Answer {
    let inbox = format!("{}ops.{}", subject::DISCOVERY_INBOX, client.new_inbox());
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let question = subject::discovery(verb, Some(name), id);
    client.publish_with_reply(question, inbox, "".into()).await.unwrap();
    let first = futures_util::StreamExt::next(&mut answers);
    let first = tokio::time::timeout(std::time::Duration::from_secs(10), first).await;
    serde_json::from_slice(&first.expect("somebody answers").unwrap().payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_answer_discovery_in_its_shapes_and_their_metadata_never_changes() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let client = cluster.client().await;
    let endpoints = [("mpic-agent", "check"), ("mpic-coordinator", "job"), ("mpic-audit", "proof")];
    for (name, endpoint) in endpoints {
        let ping = ask(&client, "PING", name, None).await;
        assert_eq!(
            (ping.r#type.as_str(), ping.name.as_str()),
            ("io.nats.micro.v1.ping_response", name)
        );
        assert_eq!(ping.version.split('.').count(), 3, "{}", ping.version);
        let id = Some(ping.id.as_str());
        let info = ask(&client, "INFO", name, id).await;
        assert_eq!(info.r#type, "io.nats.micro.v1.info_response");
        let listed = &info.endpoints[0];
        assert_eq!(listed["name"], endpoint);
        assert!(listed["subject"].is_string() && listed["queue_group"].is_string(), "{listed}");
        ca.decision(&dns_01("honest.example")).await;
        let stats = ask(&client, "STATS", name, id).await;
        assert_eq!(stats.r#type, "io.nats.micro.v1.stats_response");
        let figures = &stats.endpoints[0];
        assert!(figures["num_requests"].is_u64() && figures["num_errors"].is_u64(), "{figures}");
        for later in [info, stats] {
            assert_eq!((later.id, later.metadata), (ping.id.clone(), ping.metadata.clone()));
        }
    }
}
