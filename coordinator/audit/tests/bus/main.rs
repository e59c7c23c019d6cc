//! The audit consumer against a real nats-server.
#![cfg(test)]

mod audit_process;
mod figures;
mod nats_server;

use std::fs;
use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer};
use futures_util::StreamExt as _;
use mpic_audit::genesis::OwnEntry;
use mpic_audit::log::Step;
use mpic_common::subject;

use self::audit_process::AuditLog;
use self::nats_server::NatsServer;

/// Publishes messages `from..to`, each of its own length, and waits until they are stored.
async fn publish(context: &jetstream::Context, from: u64, to: u64) {
    for number in from..to {
        let sent = context.publish(subject::AUDIT_NOTE, message(number).into()).await;
        sent.expect("sent").await.expect("stored");
    }
}

fn message(number: u64) -> Vec<u8> {
    format!("message {number} {}", "x".repeat(usize::try_from(number % 50).expect("small"))).into()
}

/// That the log is genesis and then the messages `1..=last`, each once.
fn assert_whole(log: &AuditLog, last: u64) {
    let entries = log.verified_entries();
    assert!(matches!(OwnEntry::decode(&entries[0]), Ok(OwnEntry::Genesis(_))));
    let expected: Vec<_> = (1..=last).map(message).collect();
    assert_eq!(entries[1..].len(), expected.len());
    assert_eq!(entries[1..], expected);
}

/// Waits until the consumer has no message that is not acked.
async fn all_acked(context: &jetstream::Context, last: u64) {
    let (consumer, stream) = (subject::AUDIT_CONSUMER, subject::AUDIT_STREAM);
    let consumer: PullConsumer =
        context.get_consumer_from_stream(consumer, stream).await.expect("the consumer");
    loop {
        let info = consumer.get_info().await.expect("its state");
        if info.ack_floor.stream_sequence >= last {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn records_are_in_the_log_octet_by_octet_and_acked() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    publish(&context, 1, 11).await;
    let audit = log.run().await;
    log.reaches(11).await;
    publish(&context, 11, 601).await;
    log.reaches(601).await;
    all_acked(&context, 600).await;
    assert!(audit.stop().await.success());
    assert_whole(&log, 600);
}

#[tokio::test]
async fn a_stop_commits_what_is_held() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    assert!(log.spawn(&["init"]).ended().await.success());
    assert_eq!(log.reaches(1).await.size, 1);
    let audit = log.run().await;
    publish(&context, 1, 301).await;
    log.reaches(2).await;
    assert!(audit.stop().await.success());
    let reached = log.reaches(2).await.size - 1;
    all_acked(&context, reached).await;
    assert_whole(&log, reached);
}

#[tokio::test]
async fn a_kill_after_any_step_loses_nothing_and_doubles_nothing() {
    for step in Step::ALL {
        let server = NatsServer::provisioned().await;
        let context = server.jetstream().await;
        let mut log = AuditLog::new(server.url());
        publish(&context, 1, 6).await;
        let after = match step {
            // The first is that of genesis, which is not ordered, acked or tidied.
            Step::Ordered | Step::Acked | Step::Tidied => "2",
            _ => "3",
        };
        let mut killed = log.spawn(&["run", "--crash-at", &format!("{step}:{after}")]);
        let mut last = 5;
        while killed.is_running() {
            publish(&context, last + 1, last + 3).await;
            last += 2;
            log.keep_checkpoint();
        }
        let audit = log.run().await;
        publish(&context, last + 1, last + 4).await;
        log.reaches(last + 4).await;
        all_acked(&context, last + 3).await;
        assert!(audit.stop().await.success(), "{step}");
        assert_whole(&log, last + 3);
    }
}

#[tokio::test]
async fn a_kill_during_init_is_made_up_for_by_run() {
    let server = NatsServer::provisioned().await;
    for step in ["written", "linked", "committed", "fenced"] {
        let mut log = AuditLog::new(server.url());
        assert!(!log.spawn(&["init", "--crash-at", step]).ended().await.success());
        // Each log would have the bucket's one head: they are all of the same entry.
        let audit = log.run().await;
        log.reaches(1).await;
        assert!(audit.stop().await.success(), "{step}");
        assert_whole(&log, 0);
    }
}

#[tokio::test]
async fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    for round in 0..12_u64 {
        let audit = log.run().await;
        publish(&context, round * 40 + 1, round * 40 + 41).await;
        log.reaches(round * 30 + 2).await;
        audit.kill();
    }
    let audit = log.run().await;
    log.reaches(481).await;
    assert!(audit.stop().await.success());
    assert_whole(&log, 480);
}

#[tokio::test]
async fn a_second_writer_on_the_same_directory_is_turned_away() {
    let server = NatsServer::provisioned().await;
    let mut log = AuditLog::new(server.url());
    let audit = log.run().await;
    log.reaches(1).await;
    assert_eq!(log.spawn(&["run"]).ended().await.code(), Some(75));
    assert!(audit.stop().await.success());
}

#[tokio::test]
async fn a_standby_takes_over_once_the_writer_is_gone() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    let audit = log.run().await;
    publish(&context, 1, 11).await;
    log.reaches(11).await;
    // The service manager starts it again and again.
    for _ in 0..2 {
        assert_eq!(log.spawn(&["run"]).ended().await.code(), Some(75));
    }
    publish(&context, 11, 21).await;
    audit.kill();
    publish(&context, 21, 31).await;
    let standby = log.run().await;
    log.reaches(31).await;
    all_acked(&context, 30).await;
    assert!(standby.stop().await.success());
    assert_whole(&log, 30);
}

#[tokio::test]
async fn of_two_writers_with_a_directory_each_one_is_fenced_and_their_logs_agree() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let (mut one, mut two) = (AuditLog::new(server.url()), AuditLog::new(server.url()));
    let mut first = one.run().await;
    one.reaches(1).await;
    let mut second = two.run().await;
    two.reaches(1).await;
    let mut last = 0;
    let fenced = loop {
        publish(&context, last + 1, last + 21).await;
        last += 20;
        tokio::select! {
            status = first.ended() => break status,
            status = second.ended() => break status,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    };
    assert_eq!(fenced.code(), Some(70));
    drop((first, second));
    let (one, two) = (one.verified_entries(), two.verified_entries());
    let common = one.len().min(two.len());
    assert_eq!(one[..common], two[..common]);
}

#[tokio::test]
async fn a_directory_that_was_rolled_back_is_redone_to_the_same_root() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    publish(&context, 1, 51).await;
    let audit = log.run().await;
    log.reaches(51).await;
    assert!(audit.stop().await.success());
    let copy = tempfile::tempdir().expect("a directory");
    copy_all(&log.shard(), copy.path());
    let audit = log.run().await;
    publish(&context, 51, 401).await;
    let head = log.reaches(401).await;
    assert!(audit.stop().await.success());
    fs::remove_dir_all(log.shard()).expect("removed");
    copy_all(copy.path(), &log.shard());
    let audit = log.run().await;
    assert_eq!(log.reaches(401).await, head);
    assert!(audit.stop().await.success());
    assert_whole(&log, 400);
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_refused() {
    let server = NatsServer::provisioned().await;
    let context = server.jetstream().await;
    let mut log = AuditLog::new(server.url());
    publish(&context, 1, 4).await;
    let audit = log.run().await;
    log.reaches(4).await;
    assert!(audit.stop().await.success());
    context.delete_stream(subject::AUDIT_STREAM).await.expect("deleted");
    mpic_runtime::stream::provision(&context, 1 << 30, 1).await.expect("provisioned");
    assert_eq!(log.spawn(&["run"]).ended().await.code(), Some(70));
    assert_whole(&log, 3);
}

#[tokio::test]
async fn a_stream_with_a_setting_that_loses_evidence_is_refused() {
    let server = NatsServer::start().await;
    let context = server.jetstream().await;
    let log = AuditLog::new(server.url());
    let mut settings = mpic_runtime::stream::audit_config(1 << 30, 1);
    settings.discard = jetstream::stream::DiscardPolicy::Old;
    context.create_stream(settings).await.expect("created");
    assert_eq!(log.spawn(&["run"]).ended().await.code(), Some(70));
}

#[tokio::test]
async fn without_a_bus_the_process_says_that_a_restart_may_help() {
    let log = AuditLog::new("nats://127.0.0.1:1");
    assert_eq!(log.spawn(&["run"]).ended().await.code(), Some(75));
    assert_eq!(log.spawn(&["--check-config"]).ended().await.code(), Some(0));
    assert_eq!(log.spawn(&["--unknown"]).ended().await.code(), Some(78));
}

#[tokio::test]
async fn status_says_how_far_the_log_is() {
    let server = NatsServer::provisioned().await;
    let client = server.client().await;
    let mut status = client.subscribe(subject::STATUS_AUDIT).await.expect("subscribed");
    let mut log = AuditLog::new(server.url());
    publish(&server.jetstream().await, 1, 8).await;
    let audit = log.run().await;
    let status = loop {
        let message = status.next().await.expect("a status");
        let status: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        if status["size"] == 8 {
            break status;
        }
    };
    assert_eq!((&status["next"], &status["lag_messages"]), (&8.into(), &0.into()));
    log.reaches(8).await;
    assert!(audit.stop().await.success());
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("created");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
