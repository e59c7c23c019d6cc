//! The trace of an HTTP client leads through the gateway and the coordinator to each agent.

use mpic_runtime::config::TracesConfig;
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::collector::{Collector, Span};
use mpic_tests::http_client::HttpClient;
use mpic_tests::internet::Content;
use mpic_tests::process::eventually;
use serde_json::json;

const SITE: &str = "honest.example";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_an_http_client_leads_to_each_agent_and_an_ill_formed_one_is_dropped() {
    let collector = Collector::start().await;
    let traces = TracesConfig { endpoint: collector.endpoint().to_owned(), ratio: 1.0 };
    let choices = Choices::of(Content::new().honest(SITE));
    let cluster =
        Cluster::start_with(Choices { traces: Some(traces), gateway: true, ..choices }).await;
    let client = HttpClient::of(&cluster);
    let good = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=1\r\ntracestate: b=2");
    ask(&client, &good).await;
    let remotes = cluster.remotes().len();
    let whole = trace(&collector, remotes).await;
    let the_only = |name: &str| {
        let mut found = whole.iter().filter(|span| span.name == name);
        let span = found.next().unwrap();
        assert_eq!(found.next(), None, "{name}");
        span
    };
    let (request, submit, job) = (the_only("request"), the_only("submit"), the_only("job"));
    assert_eq!((request.service.as_str(), request.parent.as_str()), ("mpic-gateway", PARENT));
    assert_eq!((submit.service.as_str(), &submit.parent), ("mpic-gateway", &request.id));
    assert_eq!((job.service.as_str(), &job.parent), ("mpic-coordinator", &submit.id));

    let bad = [
        format!("traceparent: 00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("traceparent: 00-{TRACE}-0000000000000000-01"),
        format!("traceparent: {TRACE}"),
        format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntraceparent: 00-{TRACE}-{PARENT}-01"),
    ];
    for fields in &bad {
        ask(&client, fields).await;
    }
    let own = eventually("every request has come", || {
        let spans = collector.spans();
        let requests: Vec<_> = spans.into_iter().filter(|span| span.name == "request").collect();
        (requests.len() == 1 + bad.len()).then_some(requests)
    })
    .await;
    let without_parent = own.iter().filter(|span| span.parent.is_empty() && span.trace != TRACE);
    assert_eq!(without_parent.count(), bad.len(), "{own:?}");
}

async fn ask(client: &HttpClient, fields: &str) {
    let body = json!({ "check_type": "caa", "domain_or_ip_target": SITE }).to_string();
    let fields = format!("x-api-key: {}\r\n{fields}", client.key);
    let answered = client.ask("POST", "/mpic", &fields, body.as_bytes()).await;
    assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(true)), "{answered:?}");
}

/// The spans of the trace, once those of gateway, coordinator and agents are there.
async fn trace(collector: &Collector, remotes: usize) -> Vec<Span> {
    eventually("every span has come", || {
        let wanted: Vec<_> =
            collector.spans().into_iter().filter(|span| span.trace == TRACE).collect();
        let count = |name| wanted.iter().filter(|span| span.name == name).count();
        let is_whole = count("assignment") == remotes && count("job") == 1 && count("request") == 1;
        is_whole.then_some(wanted)
    })
    .await
}
