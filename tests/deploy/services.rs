//! Each process is a NATS service, as tools of NATS read it.

use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;
use serde_json::Value;

use crate::{python, run};

fn services(cluster: &Cluster) -> Value {
    let (code, said, errors) =
        run(python("tests/deploy/services.py").arg(cluster.layout().client()));
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_str(&said).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_answers_in_the_shapes_of_adr_32_and_is_the_same_all_its_life() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let before = services(&cluster);
    let ca = CertificationAuthority::of(&cluster).await;
    ca.decision(&dns_01("honest.example")).await;
    let after = services(&cluster);
    let all = before["PING"].as_object().unwrap();
    // A coordinator, the audit consumer, the primary and the remotes.
    assert_eq!(all.len(), 3 + cluster.remotes().len());
    for (id, service) in all {
        for verb in ["PING", "INFO", "STATS"] {
            for told in [&before, &after] {
                for constant in ["name", "version", "metadata"] {
                    assert_eq!(told[verb][id][constant], service[constant], "{verb} {id}");
                }
            }
        }
        assert_eq!(before["STATS"][id]["started"], after["STATS"][id]["started"]);
    }
    let agents: Vec<_> =
        all.iter().filter(|(_, service)| service["name"] == "mpic-agent").collect();
    let mut codes: Vec<_> =
        agents.iter().map(|(_, agent)| agent["metadata"]["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    let mut listed: Vec<_> = cluster.remotes().iter().map(ToString::to_string).collect();
    listed.push(cluster.primary().to_string());
    listed.sort();
    assert_eq!(codes, listed);
    for (id, agent) in agents {
        let code = agent["metadata"]["code"].as_str().unwrap().parse().unwrap();
        let key = cluster.agent_key(&code).public().id().to_string();
        assert_eq!(agent["metadata"]["key"], key);
        assert_eq!(after["STATS"][id]["endpoints"][0]["num_requests"], 1, "{id}");
    }
}
