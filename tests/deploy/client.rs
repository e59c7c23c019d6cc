//! A CA in another language has what ours has: the decision, its signatures, its receipt.

use std::path::Path;
use std::process::Command;

use mpic_tests::cluster::{COORDINATOR, Cluster};
use mpic_tests::internet::{Content, DIGEST};
use mpic_tests::process::program;
use serde_json::Value;

use crate::{python, run};

/// The client, as the CA of a system.
fn ask(config: &Path, name: &str) -> Command {
    let mut command = python("deploy/examples/python/ask.py");
    command.arg("--config").arg(config).arg(name);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_in_python_gets_a_decision_its_signatures_and_its_receipt() {
    let content = Content::new()
        .honest("honest.example")
        .site("forbidden.example")
        .caa("forbidden.example", "0 issue \"other-ca.example\"");
    let mut cluster = Cluster::start(content).await;
    let (config, kept) = (cluster.layout().client(), cluster.layout().dir().join("kept"));
    let mut asked = ask(&config, "honest.example");
    let asked = asked.args(["--dns-01", DIGEST, "--again", "--receipt"]).arg(&kept);
    let (code, said, errors) = run(asked);
    assert_eq!(code, Some(0), "{said}{errors}");
    let decision: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(decision["outcome"], "corroborate");
    assert_eq!(decision["checks"]["dcv"], "6/6");
    assert_eq!(decision["replies"].as_array().unwrap().len(), 7);

    let receipt = Command::new(program("mpic"))
        .args(["audit", "check-receipt", "--record"])
        .arg(kept.with_extension("record"))
        .arg("--log-key")
        .arg(cluster.layout().log_public_key())
        .arg(kept.with_extension("proof"))
        .output()
        .unwrap();
    assert!(receipt.status.success(), "{}", String::from_utf8_lossy(&receipt.stderr));

    let (code, said, _) = run(&mut ask(&config, "forbidden.example"));
    assert_eq!(code, Some(1), "{said}");
    let (code, _, errors) = run(&mut ask(&config, "a_b..example"));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("identifier.value"), "{errors}");

    // A coordinator that is started again meanwhile costs a repeat, and no decision.
    cluster.kill(COORDINATOR).await;
    let mut asked = ask(&config, "honest.example");
    let waiting = std::thread::spawn(move || run(&mut asked));
    cluster.start_process(COORDINATOR).await;
    let (code, said, errors) = waiting.join().unwrap();
    assert_eq!(code, Some(0), "{said}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_in_python_believes_neither_another_root_nor_another_log() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let config = std::fs::read_to_string(cluster.layout().client()).unwrap();
    let config: toml::Table = toml::from_str(&config).unwrap();
    let other = cluster.layout().dir().join("other.toml");
    let foreign = "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
    let vkey = cluster.layout().dir().join("other.vkey");
    // The same log by name, with another key.
    let own = std::fs::read_to_string(cluster.layout().log_public_key()).unwrap();
    let name = own.split('+').next().unwrap().to_owned();
    let key = mpic_audit::note::LogKey::new(&name, &[1; 32]).unwrap();
    std::fs::write(&vkey, key.public().to_string()).unwrap();
    let vkey = vkey.to_str().unwrap();
    for (key, value, why) in [
        ("directory_root", foreign, "the directory's signature does not hold"),
        ("log_key_file", vkey, "the log did not sign the checkpoint"),
    ] {
        let mut changed = config.clone();
        changed.insert(key.to_owned(), value.into());
        std::fs::write(&other, changed.to_string()).unwrap();
        let (code, said, errors) = run(&mut ask(&other, "honest.example"));
        assert_eq!(code, Some(3), "{key}: {said}{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}
