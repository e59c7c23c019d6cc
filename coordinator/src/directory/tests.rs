use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mpic_common::directory::DirectoryDocument;
use mpic_common::testing::Fleet;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::bus::Bus;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::multiplexer::Multiplexer;
use crate::records::{Last, Records};
use crate::testing::{Played, Said, message};

/// What the stream has as its last document, each time that it is asked.
#[derive(Debug)]
struct Stream(Mutex<VecDeque<Last>>);

impl Records for Stream {
    fn get(&self, _: u64) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async { Err(ReadError("none".to_owned())) })
    }

    fn last<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Last, ReadError>> {
        let last = self.0.lock().unwrap().pop_front().unwrap();
        Box::pin(async { Ok(last) })
    }
}

fn document(serial: u64, issued_ms: u64) -> Document {
    let octets = Fleet::new(6).document();
    let body = Envelope::parse(&octets, usize::MAX).unwrap().body;
    let mut document: DirectoryDocument = decode_body(Kind::Directory, body).unwrap();
    (document.serial, document.issued_ms) = (serial, UnixMs(issued_ms));
    let (body, root) = (encode_body(Kind::Directory, &document), Fleet::key("root"));
    let octets = envelope::seal(Kind::Directory, &body, &root, Some(Hash::ZERO));
    let directory = Arc::new(Directory::open(&octets, &root.public()).unwrap());
    Document { directory, octets: octets.into() }
}

/// What comes of publishing `document` where the stream has these as the last, each time that it
/// is asked, and says this each time that it is to take one; and after which it was to take it.
async fn publishing(
    document: &Document,
    last: Vec<Last>,
    said: Vec<serde_json::Value>,
) -> (Result<(), PublishError>, Vec<String>) {
    let ((bus, mut published), (heard, say)) = (Played::new(), Said::new());
    let acks = Multiplexer::default();
    let (token, stop) = (subject::parse_puback, CancellationToken::new());
    let _reader =
        JoinSet::from_iter([acks.clone().run(Box::new(heard), token, |_| {}, stop.clone())]);
    let stream = Arc::new(Stream(Mutex::new(last.into())));
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let recorder = Recorder::new(bus, "c0".parse().unwrap(), acks, stream);
    let answering = async {
        let mut after = Vec::new();
        for answer in said {
            let sent = published.recv().await.unwrap();
            let headers = sent.headers.unwrap();
            let expected = headers.get("Nats-Expected-Last-Subject-Sequence").unwrap();
            after.push(expected.as_str().to_owned());
            let answer = message(&sent.reply.unwrap(), answer.to_string().as_bytes(), None);
            say.send(answer).await.unwrap();
        }
        after
    };
    tokio::join!(publish(document, &recorder), answering)
}

fn overtaken() -> serde_json::Value {
    json!({"error": {"code": 400, "err_code": 10_071, "description": "wrong last sequence: 9"}})
}

fn stored() -> serde_json::Value {
    json!({"stream": subject::AUDIT_STREAM, "seq": 10})
}

#[tokio::test(start_paused = true)]
async fn of_two_documents_that_are_published_at_once_the_lower_never_follows_the_higher() {
    let (four, five, six) = (document(4, 4), document(5, 5), document(6, 6));
    let last = vec![Some((3, four.octets)), Some((9, six.octets))];
    let (told, after) = publishing(&five, last, vec![overtaken()]).await;
    assert!(matches!(told, Err(PublishError::NotNewer { stream: 6, file: 5 })), "{told:?}");
    assert_eq!(after, ["3"]);
}

#[tokio::test(start_paused = true)]
async fn the_higher_document_follows_the_lower_that_came_first() {
    let (four, five, six) = (document(4, 4), document(5, 5), document(6, 6));
    let last = vec![Some((3, four.octets)), Some((9, five.octets))];
    let (told, after) = publishing(&six, last, vec![overtaken(), stored()]).await;
    told.unwrap();
    assert_eq!(after, ["3", "9"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_document_of_all_follows_nothing() {
    let (told, after) = publishing(&document(5, 5), vec![None], vec![stored()]).await;
    told.unwrap();
    assert_eq!(after, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn another_document_of_the_same_serial_is_refused_and_the_same_is_there_already() {
    let (ours, other) = (document(5, 5), document(5, 6));
    let (told, _) = publishing(&ours, vec![Some((3, other.octets))], Vec::new()).await;
    assert!(matches!(told, Err(PublishError::NotNewer { stream: 5, file: 5 })), "{told:?}");
    let (told, after) = publishing(&ours, vec![Some((3, ours.octets.clone()))], Vec::new()).await;
    told.unwrap();
    assert!(after.is_empty(), "nothing is published");
}
