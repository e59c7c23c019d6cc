//! What clients are told while the gateway has too much to do, or nobody behind it can decide.

use mpic_common::directory::DirectoryDocument;
use mpic_common::limits::DIRECTORY_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::keys;
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster, GATEWAY};
use mpic_tests::http_client::{Answered, HttpClient};
use mpic_tests::internet::Content;
use mpic_tests::process::eventually;
use mpic_tests::scrape::Scrape;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const SITE: &str = "honest.example";
const SLOW: &str = "slow.example";
const IN_FLIGHT: &str = "mpic_gateway_inflight";

/// A system whose gateway has these limits, and where the gateway tells how it is.
async fn system(limits: &[(&str, i64)]) -> (Cluster, String) {
    let content = Content::new().honest(SITE).site(SLOW).slow(SLOW, 1_500, None);
    let mut cluster = Cluster::start_with(Choices { gateway: true, ..Choices::of(content) }).await;
    let limits: toml::Table =
        limits.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    cluster.configure(GATEWAY, |config| {
        config.insert("limits".to_owned(), limits.into());
    });
    let health = cluster.listening(GATEWAY).await;
    // Its own port for that comes up beside the other.
    eventually("it tells how it is", || std::net::TcpStream::connect(&health).ok()).await;
    (cluster, health)
}

fn caa(target: &str) -> Value {
    json!({ "check_type": "caa", "domain_or_ip_target": target })
}

fn told(answered: &Answered) -> (u16, &str, &str) {
    let error = answered.body["error"].as_str().unwrap_or_default();
    (answered.status, error, answered.header("retry-after"))
}

/// A series, as it is written.
fn figure(health: &str, series: &str) -> String {
    Scrape::of(health).series[series].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_places_are_taken_it_says_so_and_the_metrics_do() {
    let (cluster, health) = system(&[("in_flight", 2)]).await;
    let client = HttpClient::of(&cluster);
    assert_eq!(figure(&health, IN_FLIGHT), "0");
    let mut begun = JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        begun.spawn(async move { client.post(&caa(SLOW)).await });
    }
    eventually("both are in flight", || (figure(&health, IN_FLIGHT) == "2").then_some(())).await;
    assert_eq!(told(&client.post(&caa(SITE)).await), (503, "overloaded", "1"));
    for answered in begun.join_all().await {
        assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(true)));
    }
    assert_eq!(figure(&health, IN_FLIGHT), "0");
    let total =
        |labels: &str| figure(&health, &format!("mpic_gateway_responses_total{{{labels}}}"));
    assert_eq!(total("ca=\"ca1\",check=\"caa\",status=\"200\""), "2");
    assert_eq!(total("ca=\"ca1\",check=\"\",status=\"503\""), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_rate_of_a_ca_is_put_off_for_a_second() {
    let (cluster, _) = system(&[("rate_per_s_per_ca", 1)]).await;
    let client = HttpClient::of(&cluster);
    let mut asking = JoinSet::new();
    for _ in 0..30 {
        let client = client.clone();
        asking.spawn(async move { client.post_octets(b"{}").await });
    }
    let answers = asking.join_all().await;
    let put_off: Vec<_> = answers.iter().filter(|answered| answered.status != 400).collect();
    assert!(!put_off.is_empty() && put_off.len() < answers.len());
    for answered in put_off {
        assert_eq!(told(answered), (429, "too-many-requests", "1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_decision_in_time_it_is_504_and_without_a_coordinator_503() {
    let (mut cluster, _) = system(&[("request_ms", 7_000), ("budget_ms", 5_000)]).await;
    let client = HttpClient::of(&cluster);
    cluster.freeze(COORDINATOR);
    let answered = client.post(&caa(SITE)).await;
    assert_eq!(told(&answered), (504, "deadline exceeded", ""), "{answered:?}");
    assert_eq!(answered.header("mpic-job").len(), 38, "the id of the job: {answered:?}");
    cluster.thaw(COORDINATOR);
    // What was asked meanwhile is decided now, and nobody relies on it.
    cluster.terminate(COORDINATOR).await;
    let answered = client.post(&caa(SITE)).await;
    assert_eq!(told(&answered), (503, "unavailable", "5"), "{answered:?}");
    assert_eq!(client.ask("GET", "/readyz", "", b"").await.status, 200, "its bus is there");
    cluster.start_process(COORDINATOR).await;
    assert_eq!(client.post(&caa(SITE)).await.at("/is_valid"), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cohort_it_is_503_until_there_is_one() {
    let (cluster, _) = system(&[("request_ms", 7_000), ("budget_ms", 5_000)]).await;
    let client = HttpClient::of(&cluster);
    let octets = std::fs::read(cluster.layout().directory_file()).unwrap();
    let whole = Envelope::parse(&octets, DIRECTORY_OCTETS_MAX).unwrap();
    let whole: DirectoryDocument = decode_body(Kind::Directory, whole.body).unwrap();
    let mut few = DirectoryDocument { serial: 2, ..whole.clone() };
    let left_out = cluster.remotes().split_off(3);
    few.perspectives.retain(|one| !left_out.contains(&one.code));
    publish(&cluster, &few);
    let needed = "The coordinator could not construct a cohort of size 4";
    assert_eq!(told(&until(&client, 503).await), (503, needed, "30"));
    publish(&cluster, &DirectoryDocument { serial: 3, ..whole });
    assert_eq!(until(&client, 200).await.at("/is_valid"), true);
}

/// Asks until it is answered with this status.
async fn until(client: &HttpClient, status: u16) -> Answered {
    let asking = async {
        loop {
            let answered = client.post(&caa(SITE)).await;
            if answered.status == status {
                return answered;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.expect("it changes")
}

/// Signs `document`, and tells the coordinator and the gateway.
fn publish(cluster: &Cluster, document: &DirectoryDocument) {
    let root = keys::load(&cluster.layout().key("root")).unwrap();
    let body = encode_body(Kind::Directory, document);
    let octets = envelope::seal(Kind::Directory, &body, &root, Some(Hash::ZERO));
    std::fs::write(cluster.layout().directory_file(), octets).unwrap();
    for name in [COORDINATOR, GATEWAY] {
        cluster.process(name).signal(Signal::HUP);
    }
}
