//! The channel to clients, and what becomes of it when the bus or the gateway goes.

use std::path::Path;
use std::process::Stdio;

use mpic_common::octets::hex;
use mpic_tests::cluster::{Choices, Cluster, GATEWAY};
use mpic_tests::http_client::HttpClient;
use mpic_tests::internet::Content;
use mpic_tests::process::{Process, Recipe, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;

const SITE: &str = "honest.example";

async fn system() -> Cluster {
    let choices = Choices::of(Content::new().honest(SITE));
    Cluster::start_with(Choices { gateway: true, ..choices }).await
}

fn caa() -> Value {
    json!({ "check_type": "caa", "domain_or_ip_target": SITE })
}

/// SHA-256 of the public key of the certificate at `path`, as people find it out.
async fn public_key_hash(path: &Path) -> String {
    let command = "openssl x509 -pubkey -noout -in \"$0\" | openssl pkey -pubin -outform DER";
    let ran = Command::new("bash").args(["-c", command]).arg(path).output().await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    hex(&Sha256::digest(&ran.stdout))
}

/// A second gateway, by TLS, that knows the certificate of the CA's party.
async fn start_secured(cluster: &Cluster) -> Process {
    let layout = cluster.layout();
    let mut config: toml::Table =
        toml::from_str(&std::fs::read_to_string(layout.config(GATEWAY)).unwrap()).unwrap();
    let text = |path: std::path::PathBuf| toml::Value::from(path.to_str().unwrap());
    let tls = toml::Table::from_iter([
        ("certificate".to_owned(), text(layout.tls_certificate("local"))),
        ("key".to_owned(), text(layout.tls_key("local"))),
        ("client_ca_file".to_owned(), text(layout.tls_certificate("ca"))),
    ]);
    config.insert("tls".to_owned(), tls.into());
    let known = public_key_hash(&layout.tls_certificate("ca-ca1")).await;
    let ca = config["ca"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    ca.insert("spki_sha256".to_owned(), vec![known].into());
    let path = layout.config("secured");
    std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    let gateway = Recipe {
        name: "secured".to_owned(),
        program: "mpic-gateway",
        arguments: vec!["--config".into(), path],
        ready_when: mpic_cli::fleet::ReadyWhen::Line,
        host: None,
    };
    Process::start(layout, &gateway).await
}

/// Asks as `party`, and gives the version of HTTP, the status and the answer.
async fn ask(
    cluster: &Cluster,
    address: &str,
    party: Option<&str>,
    more: &[&str],
) -> (String, Value) {
    let layout = cluster.layout();
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--write-out", "\n%{http_version} %{http_code}"])
        .args(more);
    command.arg("--cacert").arg(layout.tls_certificate("ca"));
    if let Some(party) = party {
        command.arg("--cert").arg(layout.tls_certificate(party));
        command.arg("--key").arg(layout.tls_key(party));
    }
    command.args(["--data", &caa().to_string(), &format!("https://{address}/mpic")]);
    let json = "content-type: application/json";
    let ran = command.args(["--header", json]).stdin(Stdio::null()).output().await.unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    let (body, outcome) = said.rsplit_once('\n').unwrap();
    (outcome.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn a_certificate_stands_in_for_a_key_and_names_one_ca() {
    let cluster = system().await;
    let secured = start_secured(&cluster).await;
    let address = secured.said.as_str();
    let (outcome, answer) = ask(&cluster, address, Some("ca-ca1"), &["--http2"]).await;
    assert_eq!((outcome.as_str(), &answer["is_valid"]), ("2 200", &json!(true)), "{answer}");
    let (outcome, _) =
        ask(&cluster, address, Some("ca-ca1"), &["--http1.1", "--tls-max", "1.2"]).await;
    assert_eq!(outcome, "1.1 200");
    for party in [None, Some("ops")] {
        let (outcome, answer) = ask(&cluster, address, party, &[]).await;
        assert_eq!((outcome.as_str(), answer), ("2 401", json!({ "error": "unauthorized" })));
    }
    let key = format!("x-api-key: {}", cluster.gateway().1);
    let (outcome, _) = ask(&cluster, address, None, &["--header", &key]).await;
    assert_eq!(outcome, "2 200");
    // One credential that is good does not make up for one that is not.
    let (outcome, _) = ask(&cluster, address, Some("ops"), &["--header", &key]).await;
    assert_eq!(outcome, "2 401");
    assert!(secured.terminate().await.success());
}

#[tokio::test]
async fn without_the_bus_it_is_not_ready_and_says_when_to_come_again() {
    let mut cluster = system().await;
    let client = HttpClient::of(&cluster);
    assert_eq!(client.post(&caa()).await.at("/is_valid"), true);
    cluster.nats().kill().await;
    let mut ready = client.ask("GET", "/readyz", "", b"").await;
    while ready.status == 200 {
        ready = client.ask("GET", "/readyz", "", b"").await;
    }
    assert_eq!(ready.at("/status"), "not-ready");
    let answered = client.post(&caa()).await;
    assert_eq!((answered.status, answered.header("retry-after")), (503, "5"), "{answered:?}");
    assert_eq!(answered.body, json!({ "error": "unavailable" }));
    assert_eq!(client.ask("GET", "/healthz", "", b"").await.status, 200);
    cluster.terminate(GATEWAY).await;
    eventually("the gateway has gone", || {
        std::net::TcpStream::connect(client.address).is_err().then_some(())
    })
    .await;
}
