//! What the gateway's document tells people to type does what it says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use mpic_cli::fleet::generated::Generated;
use mpic_cli::fleet::store::Mode;
use mpic_gateway::config::Config;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::internet::Content;
use serde_json::Value;
use tokio::process::Command;

const DOCUMENT: &str = include_str!("../../docs/GATEWAY.md");
const METHODS: usize = 12;

/// The commands of the document.
fn commands() -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn each_command_of_the_document_answers_as_it_says() {
    let choices = Choices { gateway: true, ..Choices::of(Content::demo()) };
    let cluster = Cluster::start_with(choices).await;
    let (address, key) = cluster.gateway();
    let mut methods = BTreeSet::new();
    for command in commands() {
        let ran = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .env("GATEWAY", format!("http://{address}"))
            .env("KEY", key.trim())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
        let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let expected = !command.trim_end().ends_with("# is_valid: false");
        assert_eq!(said["is_valid"], expected, "{command}\n{said}");
        let method = &said["dcv_check_parameters"]["validation_method"];
        methods.extend(method.as_str().map(str::to_owned));
    }
    assert_eq!(methods.len(), METHODS, "{methods:?}");
}

#[test]
fn a_described_fleet_has_a_gateway_that_its_program_can_read() {
    let (dir, sample) = (tempfile::tempdir().unwrap(), "../deploy/config/fleet.toml");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
    let fleet = Generated::read(&sample, dir.path()).unwrap();
    fleet.apply(Mode::Write, SystemClock.now()).unwrap();
    let config = Config::load(&dir.path().join("config/gateway.toml")).unwrap();
    assert_eq!(config.ca.len(), 1);
    let key = std::fs::read_to_string(dir.path().join("keys/api-ca1.key")).unwrap();
    let hash = mpic_common::octets::Hash::of(key.as_bytes());
    assert_eq!(config.ca[0].key[0].key_sha256.0, hash);
    let tls = config.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/mpic/tls/gateway.pem"));
    assert_eq!(tls.key, Path::new("/etc/mpic/tls/gateway.key"));
}
