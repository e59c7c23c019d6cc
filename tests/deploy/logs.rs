//! Logs: what a job's lines carry.

use mpic_common::subject;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::{COORDINATOR, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::process::eventually;
use serde_json::Value;

/// Restarts a process so that it logs the whole walk, as JSON.
async fn telling(cluster: &mut Cluster, name: &str) {
    let path = cluster.layout().config(name);
    let mut config: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let log = toml::from_str(
        "format = 'json'\nfilter = 'mpic=debug,mpic_agent=debug,mpic_coordinator=debug'",
    );
    config.insert("log".to_owned(), toml::Value::Table(log.unwrap()));
    std::fs::write(path, config.to_string()).unwrap();
    cluster.terminate(name).await;
    std::fs::remove_file(cluster.layout().output(name)).unwrap();
    cluster.start_process(name).await;
}

/// The lines that a process has logged.
fn lines(cluster: &Cluster, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(cluster.layout().output(name)).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The values of a field of a line and of the spans that it was written in.
fn values<'a>(line: &'a Value, field: &str) -> Vec<&'a str> {
    let spans = line["spans"].as_array().into_iter().flatten();
    let all = spans.chain([&line["fields"]]);
    all.filter_map(|one| one[field].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_job_are_found_by_job_and_attempt_in_coordinator_and_agent() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let (heard, killed) = (cluster.remotes()[0].clone(), cluster.remotes()[1].clone());
    let name = agent(heard.as_str());
    telling(&mut cluster, &name).await;
    telling(&mut cluster, COORDINATOR).await;
    cluster.kill(&agent(killed.as_str())).await;
    let ca = CertificationAuthority::of(&cluster).await;
    // A reply that does not count, so that a line is written within an attempt.
    let client = cluster.client().await;
    let mut asked =
        client.queue_subscribe(subject::check(&killed), killed.to_string()).await.unwrap();
    client.flush().await.unwrap();
    let job = dns_01("honest.example");
    let lying = async {
        let question = futures_util::StreamExt::next(&mut asked).await.unwrap();
        client.publish(question.reply.unwrap(), "noise".into()).await.unwrap();
    };
    let (decided, ()) = tokio::join!(ca.decision(&job), lying);
    let id = decided.decision.job.to_string();

    let answered = eventually("the agent has logged its answer", || {
        lines(&cluster, &name).into_iter().find(|line| line["fields"]["message"] == "answered")
    })
    .await;
    assert_eq!(values(&answered, "job"), [id.as_str()]);
    let attempt = values(&answered, "attempt")[0].to_owned();
    let told = lines(&cluster, COORDINATOR);
    let of_job: Vec<_> =
        told.iter().filter(|line| values(line, "job").contains(&id.as_str())).collect();
    let message = |text: &str| {
        let found = of_job.iter().find(|line| line["fields"]["message"] == text);
        *found.unwrap_or_else(|| panic!("no `{text}` of the job in {told:#?}"))
    };
    assert_eq!(message("decided")["fields"]["outcome"], "corroborate");
    let rejected = message("a reply does not count");
    assert_eq!(values(rejected, "attempt"), [attempt.as_str()], "the remotes share an assignment");
    let text = format!("{told:?}{answered:?}");
    assert!(!text.contains("honest-token") && !text.contains(mpic_tests::internet::DIGEST));
}
