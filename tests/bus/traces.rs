//! One trace leads from the command line through the coordinator to each agent and back.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use mpic_common::subject;
use mpic_runtime::config::TracesConfig;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::collector::{Collector, Span};
use mpic_tests::internet::{Content, DIGEST};
use mpic_tests::process::{eventually, program};
use tokio::process::Command;

async fn traced_cluster(collector: &Collector) -> Cluster {
    let traces = TracesConfig { endpoint: collector.endpoint().to_owned(), ratio: 1.0 };
    let content = Content::new().honest("honest.example");
    Cluster::start_with(Choices { traces: Some(traces), ..Choices::of(content) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_mpic_check_through_the_coordinator_to_each_agent() {
    let collector = Collector::start().await;
    let cluster = traced_cluster(&collector).await;
    let checked = Command::new(program("mpic"))
        .args(["check", "honest.example", "--caa", "--method", "dns-01"])
        .args(["--key-authorization-hash", DIGEST, "--dir"])
        .arg(cluster.layout().dir())
        .output()
        .await
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let agents = cluster.remotes().len() + 1;
    let whole = eventually("every span has come", || {
        let spans = collector.spans();
        let submit = spans.iter().find(|span| span.name == "submit")?;
        let trace: Vec<_> =
            spans.iter().filter(|span| span.trace == submit.trace).cloned().collect();
        let is_there = |name| trace.iter().filter(|span: &&Span| span.name == name).count();
        (is_there("assignment") == agents && is_there("job") == 1).then_some(trace)
    })
    .await;
    let named = |name: &str| whole.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (submit, job) = (named("submit")[0], named("job")[0]);
    assert_eq!((submit.service.as_str(), submit.parent.as_str()), ("mpic", ""));
    assert_eq!((job.service.as_str(), &job.parent), ("mpic-coordinator", &submit.id));
    let asked: BTreeSet<_> = named("perspective").into_iter().map(|span| &span.id).collect();
    assert_eq!(asked.len(), agents);
    assert!(named("perspective").iter().all(|span| span.parent == job.id));
    let answered: BTreeSet<_> = named("assignment").into_iter().map(|span| &span.parent).collect();
    assert_eq!(answered, asked, "each agent goes on where it was asked");
    assert!(named("assignment").iter().all(|span| span.service == "mpic-agent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_replies_carry_the_trace_and_without_a_collector_nothing_does() {
    let collector = Collector::start().await;
    for is_traced in [true, false] {
        let cluster = if is_traced {
            traced_cluster(&collector).await
        } else {
            Cluster::start(Content::new().honest("honest.example")).await
        };
        let watcher = cluster.client().await;
        let mut replies = watcher.subscribe("mpic.v1.reply.>").await.unwrap();
        let mut records = watcher.subscribe(subject::AUDIT_DECISIONS).await.unwrap();
        watcher.flush().await.unwrap();
        let ca = CertificationAuthority::of(&cluster).await;
        ca.decision(&dns_01("honest.example")).await;
        for seen in [&mut replies, &mut records] {
            let message = seen.next().await.unwrap();
            let headers = message.headers.unwrap_or_default();
            assert_eq!(headers.get("traceparent").is_some(), is_traced, "{}", message.subject);
        }
    }
}
