//! Deliveries as a broker may make them, with the log, the stream and the acks played.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use mpic_common::octets::Hash;
use proptest::prelude::*;

use super::*;
use crate::genesis::{Gap, OwnEntry};
use crate::tree::leaf_hash;

/// What was appended and acked, in one order.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Appended(u64),
    Acked(u64),
}

type Trace = Arc<Mutex<Vec<Event>>>;

struct ListLog {
    entries: Arc<Mutex<Vec<Bytes>>>,
    trace: Trace,
}

impl Log for ListLog {
    fn size(&self) -> u64 {
        self.entries.lock().expect("not poisoned").len() as u64
    }

    async fn leaves(&mut self, indices: Range<u64>) -> Result<Vec<Hash>, LogError> {
        let range = usize::try_from(indices.start).expect("small")
            ..usize::try_from(indices.end).expect("small");
        let entries = self.entries.lock().expect("not poisoned");
        Ok(entries[range].iter().map(|entry| leaf_hash(entry)).collect())
    }

    async fn tidy(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    async fn append(&mut self, new: Vec<Bytes>) -> Result<u64, LogError> {
        let first = self.size();
        self.entries.lock().expect("not poisoned").extend(new);
        self.trace.lock().expect("not poisoned").push(Event::Appended(self.size()));
        Ok(first)
    }
}

/// Has the messages that it was given, some of them only after a number of tries.
#[derive(Default)]
struct Messages {
    payloads: BTreeMap<u64, Bytes>,
    failures: Mutex<BTreeMap<u64, u32>>,
}

impl Source for Messages {
    async fn fetch(&self, seq: u64) -> Option<Bytes> {
        let mut failures = self.failures.lock().expect("not poisoned");
        match failures.get_mut(&seq) {
            Some(left) if *left > 0 => {
                *left -= 1;
                None
            }
            _ => self.payloads.get(&seq).cloned(),
        }
    }
}

struct Traced(u64, Trace);

impl Acknowledge for Traced {
    async fn acknowledge(self) -> bool {
        self.1.lock().expect("not poisoned").push(Event::Acked(self.0));
        true
    }
}

struct Now;

impl Clock for Now {
    fn now(&self) -> UnixMs {
        UnixMs(7)
    }
}

fn payload(seq: u64) -> Bytes {
    format!("message {seq}").into()
}

fn messages(last: u64) -> Messages {
    let payloads = (1..=last).map(|seq| (seq, payload(seq))).collect();
    Messages { payloads, failures: Mutex::default() }
}

struct Outcome {
    result: Result<(), AppendError>,
    entries: Vec<Bytes>,
    trace: Vec<Event>,
}

/// Appends batches to a log that begins with an entry of its own.
async fn append(batches: Vec<Vec<(u64, Bytes)>>, source: Messages, gaps: &[u64]) -> Outcome {
    let entries = Arc::new(Mutex::new(vec![Bytes::from("genesis")]));
    let trace = Trace::default();
    let log = ListLog { entries: entries.clone(), trace: trace.clone() };
    let stream = Stream {
        source,
        base_seq: 1,
        accept_gaps: gaps.iter().copied().collect(),
        steps: Steps::default(),
        clock: Now,
    };
    let (appender, appending, _) = Appender::new(log, stream);
    let sent = async {
        for batch in batches {
            let deliver =
                |(seq, payload)| Delivered { seq, payload, ack: Traced(seq, trace.clone()) };
            if appender.append(batch.into_iter().map(deliver).collect()).await.is_err() {
                break;
            }
        }
        drop(appender);
    };
    let (result, ()) = tokio::join!(appending, sent);
    let entries = entries.lock().expect("not poisoned").clone();
    let trace = trace.lock().expect("not poisoned").clone();
    Outcome { result, entries, trace }
}

fn delivered(seqs: &[u64]) -> Vec<(u64, Bytes)> {
    seqs.iter().map(|seq| (*seq, payload(*seq))).collect()
}

fn plain_list(last: u64) -> Vec<Bytes> {
    std::iter::once("genesis".into()).chain((1..=last).map(payload)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_any_order_is_appended_in_stream_order_and_acked_once_at_its_end() {
    let outcome = append(vec![delivered(&[3, 1, 2]), delivered(&[4])], messages(4), &[]).await;
    outcome.result.expect("appended");
    assert_eq!(outcome.entries, plain_list(4));
    let expected = [Event::Appended(4), Event::Acked(3), Event::Appended(5), Event::Acked(4)];
    assert_eq!(outcome.trace, expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_before_is_acked_and_appended_no_more() {
    let again = vec![delivered(&[1, 2]), delivered(&[2, 1, 2]), delivered(&[2, 3])];
    let outcome = append(again, messages(3), &[]).await;
    outcome.result.expect("appended");
    assert_eq!(outcome.entries, plain_list(3));
    assert_eq!(outcome.trace.last(), Some(&Event::Acked(3)));
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_fetched_even_if_the_stream_has_it_only_at_the_fifth_try() {
    let source = messages(9);
    source.failures.lock().expect("not poisoned").insert(4, 4);
    let before = Instant::now();
    let outcome = append(vec![delivered(&[1, 9])], source, &[]).await;
    outcome.result.expect("appended");
    assert_eq!(outcome.entries, plain_list(9));
    assert_eq!(before.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_stops_the_log_and_names_itself_and_nothing_is_acked() {
    let mut source = messages(5);
    source.payloads.remove(&3);
    let outcome = append(vec![delivered(&[1]), delivered(&[5])], source, &[4]).await;
    assert!(matches!(outcome.result, Err(AppendError::Lost { seq: 3 })));
    assert_eq!(outcome.entries, plain_list(1));
    assert_eq!(outcome.trace, [Event::Appended(2), Event::Acked(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_stands_for_a_lost_message_that_an_operator_gave_up() {
    let mut source = messages(4);
    source.payloads.remove(&3);
    let outcome = append(vec![delivered(&[1, 4])], source, &[3]).await;
    outcome.result.expect("appended");
    let gap = OwnEntry::decode(&outcome.entries[3]);
    assert_eq!(gap, Ok(OwnEntry::Gap(Gap { seq: 3 })));
    assert_eq!(outcome.entries[4], payload(4));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_with_other_octets_stops_the_log() {
    let other = (2, Bytes::from("rewritten"));
    for batches in [
        vec![delivered(&[1, 2, 3]), vec![other.clone()]],
        vec![delivered(&[1]), vec![(2, payload(2)), other.clone()]],
    ] {
        let outcome = append(batches, messages(3), &[]).await;
        assert!(matches!(outcome.result, Err(AppendError::Rewritten { seq: 2 })));
        assert_eq!(outcome.result.map_err(|error| error.exit_code()), Err(70));
        assert!(!outcome.trace.contains(&Event::Acked(2)));
    }
}

proptest! {
    #[test]
    fn any_deliveries_give_the_plain_list_and_no_ack_precedes_its_commit(
        batches in prop::collection::vec(prop::collection::vec(1_u64..700, 1..40), 1..12)
    ) {
        let last = *batches.iter().flatten().max().expect("not empty");
        let batches = batches.iter().map(|seqs| delivered(seqs)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let outcome = runtime.block_on(append(batches, messages(last), &[]));
        prop_assert!(outcome.result.is_ok());
        prop_assert_eq!(outcome.entries, plain_list(last));
        let mut size = 1;
        for event in outcome.trace {
            match event {
                Event::Appended(new) => size = new,
                Event::Acked(seq) => prop_assert!(seq < size, "acked {} at size {}", seq, size),
            }
        }
    }
}
