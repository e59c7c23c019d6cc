//! What processes count is what happened, and is told as the table of metrics says.

use std::collections::BTreeSet;

use bytes::Bytes;
use mpic_common::subject;
use mpic_runtime::metrics::{Kind, METRICS, definition};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, octets, unanimous};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::process::eventually;
use mpic_tests::scrape::Scrape;

/// Every series is of a metric of the table, with its type, help and labels; and every metric
/// that the table gives to this process is there.
fn is_as_the_table_says(scrape: &Scrape, process: &str) {
    for (name, (kind, help)) in &scrape.described {
        let defined = definition(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!((kind.as_str(), help.as_str()), (defined.kind.as_str(), defined.help));
        assert!([process, "every process"].contains(&defined.of), "{name} of {process}");
        for labels in scrape.labels(name) {
            assert_eq!(labels, defined.labels, "{name}");
        }
    }
    let expected = METRICS.iter().filter(|one| [process, "every process"].contains(&one.of));
    let missing: Vec<_> =
        expected.map(|one| one.name).filter(|name| scrape.labels(name).is_empty()).collect();
    assert!(missing.is_empty(), "{process} does not tell {missing:?}");
}

/// A histogram's buckets rise to its count.
fn histograms_rise(scrape: &Scrape) {
    for defined in METRICS.iter().filter(|defined| defined.kind == Kind::Histogram) {
        let counts = format!("{}_count", defined.name);
        for (series, count) in
            scrape.series.iter().filter(|(series, _)| series.starts_with(&counts))
        {
            let labels = series.strip_prefix(&counts).unwrap().trim_end_matches('}');
            let bucket = |bound: &str| {
                scrape.value(&format!("{}_bucket{labels},le=\"{bound}\"}}", defined.name))
            };
            assert!(bucket("0.001") <= bucket("1") && bucket("1") <= bucket("60"), "{series}");
            assert!((bucket("+Inf") - count).abs() < 0.5, "{series}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_move_with_what_happens_and_are_told_as_the_table_says() {
    let content = Content::new().honest("honest.example").site("bare.example");
    let mut cluster = Cluster::start(content).await;
    let (killed, heard) = (cluster.remotes()[0].clone(), cluster.remotes()[1].clone());
    let remotes = cluster.remotes().len();
    let agent_at = cluster.listening(&agent(heard.as_str())).await;
    let audit_at = cluster.listening(AUDIT).await;
    let at = cluster.listening(COORDINATOR).await;
    let ca = CertificationAuthority::of(&cluster).await;

    let job = unanimous(dns_01("honest.example"), remotes);
    ca.decision(&job).await;
    ca.decision(&job).await;
    ca.decision(&dns_01("bare.example")).await;
    ca.refusal(&octets("no job")).await;
    cluster.kill(&agent(killed.as_str())).await;
    ca.decision(&dns_01("honest.example")).await;
    let client = cluster.client().await;
    let coordinator = COORDINATOR.parse().unwrap();
    let unasked = subject::reply(&heard, &coordinator, &[7; 16]);
    client.publish(unasked.clone(), Bytes::from_static(b"noise")).await.unwrap();
    let check = subject::check(&heard);
    client.publish_with_reply(check, unasked, Bytes::from_static(b"noise")).await.unwrap();
    client.flush().await.unwrap();

    let told = eventually("the coordinator has counted all of it", || {
        let scrape = Scrape::of(&at);
        let last =
            format!("mpic_replies_total{{perspective=\"{heard}\",outcome=\"unknown_token\"}}");
        let has_asked = scrape.series.contains_key("mpic_agents_foreign");
        (has_asked && scrape.value(&last) > 0.5).then_some(scrape)
    })
    .await;
    is_as_the_table_says(&told, "coordinator");
    histograms_rise(&told);
    for (series, expected) in [
        ("mpic_ready".to_owned(), 1.0),
        ("mpic_jobs_total{outcome=\"corroborate\"}".to_owned(), 2.0),
        ("mpic_jobs_total{outcome=\"refuse\"}".to_owned(), 1.0),
        ("mpic_jobs_total{outcome=\"repeat\"}".to_owned(), 1.0),
        ("mpic_jobs_total{outcome=\"no-decision\"}".to_owned(), 1.0),
        ("mpic_job_duration_seconds_count{outcome=\"corroborate\"}".to_owned(), 2.0),
        ("mpic_refusals_total{code=\"malformed\"}".to_owned(), 1.0),
        ("mpic_refusals_total{code=\"busy\"}".to_owned(), 0.0),
        ("mpic_jobs_inflight".to_owned(), 0.0),
        ("mpic_breaker_open".to_owned(), 0.0),
        // Three decisions and a refusal; the directory document was there before.
        ("mpic_pubacks_total{outcome=\"stored\"}".to_owned(), 4.0),
        ("mpic_pubacks_total{outcome=\"refused\"}".to_owned(), 0.0),
        (format!("mpic_sends_total{{perspective=\"{heard}\"}}"), 2.0),
        (format!("mpic_resends_total{{perspective=\"{heard}\"}}"), 0.0),
        (format!("mpic_sends_total{{perspective=\"{killed}\"}}"), 3.0),
        (format!("mpic_resends_total{{perspective=\"{killed}\"}}"), 1.0),
        (format!("mpic_no_responders_total{{perspective=\"{killed}\"}}"), 2.0),
        (format!("mpic_replies_total{{perspective=\"{heard}\",outcome=\"first\"}}"), 2.0),
        (format!("mpic_replies_total{{perspective=\"{killed}\",outcome=\"first\"}}"), 1.0),
        (format!("mpic_reply_duration_seconds_count{{perspective=\"{killed}\"}}"), 1.0),
        (format!("mpic_agents_seen{{perspective=\"{heard}\"}}"), 1.0),
        ("mpic_agents_foreign".to_owned(), 0.0),
    ] {
        assert!((told.value(&series) - expected).abs() < 0.5, "{series}: {}", told.value(&series));
    }

    let told = Scrape::of(&agent_at);
    is_as_the_table_says(&told, "agent");
    let dropped = "mpic_agent_dropped_total";
    let dropped = |reason| format!("{dropped}{{perspective=\"{heard}\",reason=\"{reason}\"}}");
    assert!((told.value(&dropped("malformed")) - 1.0).abs() < 0.5, "{told:#?}");
    assert!(told.value(&dropped("expired")).abs() < 0.5, "{told:#?}");
    is_as_the_table_says(&Scrape::of(&audit_at), "audit consumer");
}

/// Whoever may publish to a coordinator's inbox could otherwise make it keep, and whoever reads
/// its figures store, as many series as there are names.
#[tokio::test(flavor = "multi_thread")]
async fn a_perspective_that_the_directory_does_not_list_is_no_label() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let at = cluster.listening(COORDINATOR).await;
    let series = || Scrape::of(&at).series.into_keys().collect::<BTreeSet<_>>();
    let before = series();
    let (client, coordinator) = (cluster.client().await, COORDINATOR.parse().unwrap());
    for number in 0..50 {
        let nowhere = format!("nowhere-{number}").parse().unwrap();
        let reply = subject::reply(&nowhere, &coordinator, &[7; 16]);
        client.publish(reply, Bytes::from_static(b"noise")).await.unwrap();
    }
    let listed = subject::reply(&cluster.primary(), &coordinator, &[7; 16]);
    client.publish(listed, Bytes::from_static(b"noise")).await.unwrap();
    client.flush().await.unwrap();
    let last = format!(
        "mpic_replies_total{{perspective=\"{}\",outcome=\"unknown_token\"}}",
        cluster.primary()
    );
    eventually("the last of them is counted", || {
        (Scrape::of(&at).value(&last) > 0.5).then_some(())
    })
    .await;
    let grown: Vec<_> = series().difference(&before).cloned().collect();
    let census = |series: &String| series.starts_with("mpic_agents_");
    assert!(grown.iter().all(census), "{grown:?}");
}
