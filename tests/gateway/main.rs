//! The Open MPIC API as its clients see it: a client generated from the published file, the models
//! of the reference library, and a generator of hostile requests. What they ask and expect is in
//! the Python beside this; here the systems are started that they ask.
#![cfg(test)]

mod answers;
mod channel;
mod conditions;
mod documented;
mod internet;
mod mailboxes;
mod rows;
mod traces;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mpic_tests::cluster::{Choices, Cluster, GATEWAY};
use mpic_tests::process::program;
use mpic_tests::python;
use serde_json::json;

/// Where the Python lies.
const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway");
/// Longer than any of them takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(110);

#[tokio::test]
async fn the_parsers_of_clients_take_the_specified_examples_and_nothing_that_is_damaged() {
    python::passes(Path::new(DIR), &["test_examples.py"], &[], WITHIN).await;
}

/// A system with a gateway, and the file that tells the tests of it.
struct System {
    cluster: Cluster,
    file: PathBuf,
}

impl System {
    async fn start() -> Self {
        let choices = Choices { gateway: true, ..Choices::of(internet::content()) };
        Self::of(Cluster::start_with(choices).await)
    }

    /// One whose gateway has these limits, in TOML.
    async fn start_limited(limits: &str) -> Self {
        let choices = Choices { gateway: true, ..Choices::of(internet::content()) };
        let mut cluster = Cluster::start_with(choices).await;
        cluster.terminate(GATEWAY).await;
        let path = cluster.layout().config(GATEWAY);
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}\n[limits]\n{limits}")).unwrap();
        cluster.start_process(GATEWAY).await;
        Self::of(cluster)
    }

    fn of(cluster: Cluster) -> Self {
        let (address, key) = cluster.gateway();
        let (layout, client) = (cluster.layout(), cluster.client_config());
        let file = layout.dir().join("system.json");
        let told = json!({
            "url": format!("http://{address}"),
            "key": key,
            "gateway_pid": cluster.process(GATEWAY).pid(),
            "ca": client.ca.as_str(),
            "transcript": layout.dir().join("transcript.jsonl"),
            "mpic": program("mpic"),
            "log": layout.log(),
            "log_key": client.log_key_file,
            "directory": layout.directory_file(),
        });
        std::fs::write(&file, told.to_string()).unwrap();
        Self { cluster, file }
    }

    /// Panics unless all tests of these files pass.
    async fn passes(&self, files: &[&str]) {
        let settings = [("MPIC_SYSTEM", self.file.as_path())];
        python::passes(Path::new(DIR), files, &settings, WITHIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_clients_get_through_every_method_and_the_log_agrees() {
    let system = System::start().await;
    system.passes(&["test_clients.py", "test_answers.py"]).await;
    system.passes(&["test_requests.py", "test_orchestration.py"]).await;
    system.cluster.verified().await;
    system.passes(&["test_record.py"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_the_behaviour_table_hold_through_the_gateway_and_the_log_agrees() {
    let system = System::start().await;
    system.passes(&["test_behaviour.py"]).await;
    system.cluster.verified().await;
    system.passes(&["test_record.py"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_answered_as_specified_and_in_time() {
    let system = System::start().await;
    system.passes(&["test_malformed.py", "test_access.py", "test_schemathesis.py"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_gateway_takes_is_put_off_and_what_it_began_it_ends() {
    let mut system = System::start_limited("in_flight_per_ca = 3\n").await;
    system.passes(&["test_limits.py"]).await;
    let ended = system.cluster.ended(GATEWAY).await;
    assert!(ended.success(), "it drains and ends well: {ended}");
}
