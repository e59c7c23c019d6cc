use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use futures_util::future::BoxFuture;
use mpic_common::testing::job_id;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{NOW, Played, Said, message};

/// A stream that nobody can read.
#[derive(Debug)]
struct Unreadable;

impl Records for Unreadable {
    fn get(&self, _: u64) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async { Err(ReadError("none".to_owned())) })
    }

    fn last<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Last, ReadError>> {
        Box::pin(async { Ok(None) })
    }
}

/// A recorder, and the stream that the test plays.
struct World {
    recorder: Recorder,
    bus: Arc<Played>,
    published: mpsc::Receiver<OutboundMessage>,
    say: mpsc::Sender<Message>,
    _reader: JoinSet<()>,
}

impl World {
    fn new() -> Self {
        let ((bus, published), (said, say)) = (Played::new(), Said::new());
        let (bus, acks) = (Arc::new(bus), Multiplexer::default());
        let (token, stop) = (subject::parse_puback, CancellationToken::new());
        let reading = acks.clone().run(Box::new(said), token, |_| {}, stop);
        let own = Arc::clone(&bus) as Arc<dyn Bus>;
        let recorder = Recorder::new(own, "c0".parse().unwrap(), acks, Arc::new(Unreadable));
        Self { recorder, bus, published, say, _reader: JoinSet::from_iter([reading]) }
    }

    /// What comes of a record that the stream answers with this.
    async fn record(&mut self, answer: serde_json::Value) -> Result<Standing, RecordError> {
        let publication = publication(None);
        let answering = async {
            let sent = self.published.recv().await.unwrap();
            let answer = message(&sent.reply.unwrap(), answer.to_string().as_bytes(), None);
            self.say.send(answer).await.unwrap();
        };
        tokio::join!(self.recorder.record(&publication, soon()), answering).0
    }
}

fn publication(after: Option<u64>) -> Publication {
    let id = subject::decision_id(&"ca1".parse().unwrap(), &job_id(0));
    let octets = Bytes::from_static(b"a record");
    Publication { subject: subject::AUDIT_DIRECTORY.to_owned(), id, octets, after }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn refused(code: u16, err_code: u64) -> serde_json::Value {
    json!({"error": {"code": code, "err_code": err_code, "description": "no"}})
}

fn stored() -> serde_json::Value {
    json!({"stream": subject::AUDIT_STREAM, "seq": 7})
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_refuses_records_whatever_the_reason_gets_no_more_jobs() {
    for (code, err_code) in [(400, 10_060), (503, 10_077), (400, 10_199)] {
        let mut world = World::new();
        let told = world.record(refused(code, err_code)).await;
        let is_refused = matches!(told, Err(RecordError::Refused(_) | RecordError::Full(_)));
        assert!(is_refused && world.recorder.is_broken(), "{err_code}: {told:?}");
        assert!(world.recorder.takes(NOW), "one a second finds out");
        assert!(!world.recorder.takes(NOW), "the others need not try");
        assert_eq!(world.record(stored()).await, Ok(Standing::Ours(7)));
        assert!(!world.recorder.is_broken() && world.recorder.takes(NOW));
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_large_says_nothing_of_others() {
    let mut world = World::new();
    let told = world.record(refused(400, 10_054)).await;
    assert!(matches!(told, Err(RecordError::TooLarge(_))), "{told:?}");
    assert!(!world.recorder.is_broken());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_overtaken_is_not_published_again() {
    for err_code in [10_071, 10_164] {
        let mut world = World::new();
        let told = world.record(refused(400, err_code)).await;
        assert!(matches!(told, Err(RecordError::Overtaken(_))), "{told:?}");
        assert!(!world.recorder.is_broken());
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_told_after_which_message_alone_it_is_to_take_this() {
    let mut world = World::new();
    for (after, header) in [(None, None), (Some(0), Some("0")), (Some(41), Some("41"))] {
        let publication = publication(after);
        let recording = world.recorder.record(&publication, soon());
        let (_, sent) = tokio::join!(recording, world.published.recv());
        let headers = sent.unwrap().headers.unwrap();
        let told = headers.get(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE);
        assert_eq!(told.map(async_nats::HeaderValue::as_str), header);
        while world.published.try_recv().is_ok() {}
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_with_a_connection_that_is_away() {
    let mut world = World::new();
    world.bus.set_connected(false);
    let told = world.recorder.record(&publication(None), soon()).await;
    assert_eq!(told, Err(RecordError::Unacknowledged));
    assert!(world.published.try_recv().is_err(), "it would be sent when it is back");
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_of_the_machine_no_decision_is_published_that_is_too_old() {
    let mut world = World::new();
    let may_publish = AtomicBool::new(true);
    let publication = publication(None);
    let give_up = Instant::now() + Duration::from_secs(3_600);
    let young = || may_publish.load(Ordering::Relaxed);
    let recording = world.recorder.record_while(&publication, give_up, young);
    let sleeping = async {
        world.published.recv().await.unwrap();
        may_publish.store(false, Ordering::Relaxed);
    };
    let (told, ()) = tokio::join!(recording, sleeping);
    assert_eq!(told, Err(RecordError::Unacknowledged));
    assert!(world.published.try_recv().is_err(), "it is published once");
}
