//! A stream that is full, absent or not to be relied on: no decision that is not recorded.

use async_nats::jetstream::stream::DiscardPolicy;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_runtime::stream;
use mpic_tests::certification_authority::{CertificationAuthority, carried, octets};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Choices, Cluster};
use mpic_tests::internet::Content;

use mpic_tests::load::job;

/// Room for some records.
const SMALL: i64 = 150_000;

/// What one job is told, asked once: a refusal, or that it was decided.
async fn told(ca: &CertificationAuthority) -> Result<(), RefusalCode> {
    let octets = carried(&ca.ask_once(&ca.submission(&job(0))).await);
    let envelope = Envelope::parse(&octets, usize::MAX).unwrap();
    if envelope.kind == Kind::Decision {
        return Ok(());
    }
    let refusal: RefusalRecord = decode_body(Kind::Refusal, envelope.body).unwrap();
    assert_eq!(refusal.retry_after_ms, refusal.code.retry_after_ms());
    Err(refusal.code)
}

async fn last_sequence(cluster: &Cluster) -> u64 {
    cluster.records().await.cached_info().state.last_sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_decides_nothing_until_it_has_room_again() {
    let internet = Content::new().honest("honest.example");
    let choices = Choices { stream_octets_max: SMALL, ..Choices::of(internet) };
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let mut decided = 0;
    while let Ok(()) = told(&ca).await {
        decided += 1;
        assert!(decided < 100, "the stream never fills");
    }
    assert!(decided > 0);
    let full = last_sequence(&cluster).await;
    for _ in 0..10 {
        assert_eq!(told(&ca).await, Err(RefusalCode::Unrecorded));
    }
    assert_eq!(last_sequence(&cluster).await, full);
    let refused = carried(&ca.ask_once(&octets("no job")).await);
    assert_eq!(Envelope::parse(&refused, usize::MAX).unwrap().kind, Kind::Refusal);

    let jetstream = cluster.jetstream().await;
    jetstream.update_stream(stream::audit_config(1 << 30, 1)).await.unwrap();
    // The CA repeats, and one job a second finds out.
    ca.decision(&job(0)).await;
    assert_eq!(told(&ca).await, Ok(()));
    let log = cluster.audited(&ca).await;
    assert_eq!(
        log.of_kind::<mpic_common::record::DecisionRecord>(Kind::Decision).len(),
        decided + 2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_stream_decides_nothing_and_another_is_not_taken_for_it() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    assert_eq!(told(&ca).await, Ok(()));
    let jetstream = cluster.jetstream().await;
    jetstream.delete_stream(subject::AUDIT_STREAM).await.unwrap();
    assert_eq!(told(&ca).await, Err(RefusalCode::Unrecorded));
    stream::provision(&jetstream, 1 << 30, 1).await.unwrap();
    // What the log was made of is gone, so nobody goes on with it as if nothing had happened.
    cluster.kill(AUDIT).await;
    cluster.start_unready(AUDIT, &[]);
    assert_eq!(cluster.ended(AUDIT).await.code(), Some(70));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_drops_old_records_is_not_relied_on() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let mut settings = stream::audit_config(1 << 30, 1);
    settings.discard = DiscardPolicy::Old;
    cluster.jetstream().await.update_stream(settings).await.unwrap();
    for (name, code) in [(COORDINATOR, None), (AUDIT, Some(70))] {
        cluster.terminate(name).await;
        cluster.start_unready(name, &[]);
        let status = cluster.ended(name).await;
        assert!(!status.success(), "{name} ended with {status}");
        assert!(code.is_none_or(|code| status.code() == Some(code)), "{name}: {status}");
    }
}
