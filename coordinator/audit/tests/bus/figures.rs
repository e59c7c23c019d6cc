//! What the audit consumer tells a monitoring system is what happens to its log.

use std::time::Duration;

use async_nats::jetstream::{self, stream::Info};
use mpic_common::subject;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::audit_process::AuditLog;
use super::nats_server::NatsServer;
use super::publish;

const PATIENCE: Duration = Duration::from_secs(60);

/// What is told at `address`; `None` where nobody listens.
async fn told(address: &str) -> Option<String> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    let question = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    connection.write_all(question).await.ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

fn value(told: &str, series: &str) -> Option<f64> {
    let lines = told.lines().filter_map(|line| line.rsplit_once(' '));
    lines.filter(|(name, _)| *name == series).find_map(|(_, value)| value.parse().ok())
}

/// Waits until the figures are as wanted, and gives them.
async fn eventually(address: &str, holds: impl Fn(&str) -> bool) -> String {
    let look = async {
        loop {
            if let Some(told) = told(address).await
                && holds(&told)
            {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, look).await.expect("the figures come to it")
}

/// Whether a series is above a value.
fn is_above(told: &str, series: &str, least: f64) -> bool {
    value(told, series).is_some_and(|value| value > least)
}

#[tokio::test]
async fn figures_move_with_the_log_and_show_what_it_waits_for() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    let address = log.listen();
    let audit = log.run().await;
    publish(&context, 1, 11).await;
    log.reaches(11).await;
    let at_rest = eventually(&address, |told| {
        value(told, "mpic_audit_entries") == Some(11.0)
            && value(told, "mpic_audit_lag_messages") == Some(0.0)
    })
    .await;
    // Notes that say `message 1` are none.
    assert_eq!(value(&at_rest, "mpic_audit_foreign_total"), Some(10.0));
    let commits = "mpic_audit_commit_duration_seconds";
    assert!(is_above(&at_rest, &format!("{commits}_count"), 0.5), "{at_rest}");
    assert!(is_above(&at_rest, &format!("{commits}_sum"), 0.0), "{at_rest}");
    assert!(is_above(&at_rest, "mpic_audit_batch_entries", 0.5), "{at_rest}");
    assert!(is_above(&at_rest, "mpic_audit_hours_until_full", 0.0), "{at_rest}");
    for series in ["mpic_audit_gaps", "mpic_audit_damage", "mpic_audit_lag_seconds"] {
        assert_eq!(value(&at_rest, series), Some(0.0), "{series}");
    }

    // Without the bucket of the head nothing is published.
    context.delete_key_value(subject::AUDIT_HEAD_BUCKET).await.expect("deleted");
    publish(&context, 11, 16).await;
    let waiting = eventually(&address, |told| is_above(told, "mpic_audit_lag_seconds", 0.5)).await;
    assert_eq!(value(&waiting, "mpic_audit_lag_messages"), Some(5.0));
    assert!(is_above(&waiting, "mpic_audit_checkpoint_age_seconds", 0.5), "{waiting}");
    assert_eq!(value(&waiting, "mpic_audit_entries"), Some(11.0));
    audit.kill();
}

#[tokio::test]
async fn a_writer_that_is_fenced_tells_so_before_it_ends() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let (one, two) = (AuditLog::new(server.url()), AuditLog::new(server.url()));
    let addresses = [one.listen(), two.listen()];
    let (first, second) = (one.run().await, two.run().await);
    let fenced = "mpic_audit_conflict{kind=\"writer\"}";
    let mut last = 0;
    let which = loop {
        publish(&context, last + 1, last + 21).await;
        last += 20;
        let [one, two] = [told(&addresses[0]).await, told(&addresses[1]).await];
        let is_fenced =
            |told: Option<String>| told.is_some_and(|told| is_above(&told, fenced, 0.5));
        match (is_fenced(one), is_fenced(two)) {
            (true, _) => break 0,
            (_, true) => break 1,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let loser = if which == 0 { first } else { second };
    // It ends at once where it is asked to, and still says why.
    assert_eq!(loser.stop().await.code(), Some(70));
}

#[tokio::test]
async fn a_message_that_the_stream_has_lost_is_told_as_a_gap() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    publish(&context, 1, 4).await;
    let audit = log.run().await;
    log.reaches(4).await;
    assert!(audit.stop().await.success());
    publish(&context, 4, 7).await;
    forget_all(&context).await;
    publish(&context, 7, 8).await;
    let address = log.listen();
    let audit = log.spawn(&["run"]);
    let gap = "mpic_audit_conflict{kind=\"gap\"}";
    eventually(&address, |told| is_above(told, gap, 0.5)).await;
    assert_eq!(audit.stop().await.code(), Some(70));
}

/// Lets the stream lose what it has by age, and gives it its settings back.
async fn forget_all(context: &jetstream::Context) {
    let mut stream = context.get_stream(subject::AUDIT_STREAM).await.expect("the stream");
    let Info { config, .. } = stream.cached_info().clone();
    let soon = Duration::from_millis(100);
    let forgetful =
        jetstream::stream::Config { max_age: soon, duplicate_window: soon, ..config.clone() };
    context.update_stream(forgetful).await.expect("updated");
    while stream.info().await.expect("its state").state.messages > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    context.update_stream(config).await.expect("updated");
}
