use mpic_common::record::{DecisionRecord, RefusalRecord};
use mpic_common::testing::{examples, job_id};
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};

use super::*;
use crate::testing::{NOW, genesis, key, write};

fn includes(names: &str, identifier: &str) -> bool {
    let Ok(names) = names.parse::<Names>();
    names.include(&Identifier::parse(identifier).expect("an identifier"))
}

#[test]
fn a_name_is_found_exactly_or_below_another() {
    assert!(includes("A.example", "a.example"));
    assert!(includes("a.example", "*.a.example"));
    assert!(!includes("a.example", "b.a.example"));
    assert!(includes("*.example", "a.example"));
    assert!(includes("*.a.example", "*.a.example"));
    assert!(includes("*.a.example", "c.b.a.example"));
    assert!(!includes("*.a.example", "a.example"));
    assert!(!includes("*.a.example", "ba.example"));
    assert!(includes("2001:DB8::1", "2001:db8::1"));
}

/// A log of decisions a minute apart, each with the job made then, and after every hundredth
/// `quiet` refusals of an hour before.
fn log_of(decisions: u64, quiet: u64) -> (tempfile::TempDir, LogReader) {
    let (decision, refusal) = (template::<DecisionRecord>(), template::<RefusalRecord>());
    let mut entries = vec![genesis(ORIGIN, None)];
    for minute in 0..decisions {
        let at = UnixMs(NOW.0 + minute * 60_000);
        let (job, decided_ms) = (job_id(minute * 60_000), at);
        let record = DecisionRecord { job, decided_ms, ..decision.clone() };
        entries.push(unsigned(Kind::Decision, &record));
        if minute % 100 == 99 {
            let refusal = RefusalRecord { at_ms: minus_an_hour(at), ..refusal.clone() };
            entries.extend((0..quiet).map(|_| unsigned(Kind::Refusal, &refusal)));
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), ORIGIN, &entries);
    let reader = LogReader::open(directory.path(), key(ORIGIN).public()).expect("opened");
    (directory, reader)
}

const ORIGIN: &str = "log.example/1";

fn minus_an_hour(at: UnixMs) -> UnixMs {
    UnixMs(at.0 - 3_600_000)
}

fn template<T: serde::de::DeserializeOwned>() -> T {
    let examples = examples();
    let found = examples.iter().find_map(|(kind, octets)| {
        let envelope = Envelope::parse(octets, octets.len()).ok()?;
        decode_body(*kind, envelope.body).ok()
    });
    found.expect("an example of this type")
}

fn unsigned<T: serde::Serialize>(kind: Kind, record: &T) -> Vec<u8> {
    envelope::unsigned(kind, &encode_body(kind, record))
}

#[test]
fn a_search_by_time_reads_a_part_of_the_log_and_finds_what_reading_all_of_it_finds() {
    for quiet in [0, 300] {
        let (_directory, log) = log_of(550, quiet);
        let subjects: Vec<_> = log
            .entries()
            .map(|read| read.expect("readable"))
            .map(|(index, octets)| (index, Subject::of(&octets)))
            .collect();
        let minute = |minute: u64| Some(UnixMs(NOW.0 + minute * 60_000));
        for (from, to) in [
            (None, minute(100)),
            (minute(300), minute(301)),
            (minute(99), minute(450)),
            (minute(549), None),
            (minute(5_000), None),
            (minute(9), minute(3)),
        ] {
            let filter = Filter { from, to, ..Filter::default() };
            let found = search(&log, &filter).expect("readable");
            let wanted = subjects.iter().filter(|(_, subject)| filter.admits(subject));
            assert!(found.iter().eq(wanted.map(|(index, _)| index)), "{quiet} {filter:?}");
        }
        let all = log.head().size.div_ceil(TILE_WIDTH);
        let read = span::bundles(&log, minute(10), minute(20), SLACK).expect("readable");
        assert!(read.end < all, "{read:?} of {all}");
    }
}

#[test]
fn the_decision_on_a_job_is_found_by_the_time_in_its_id() {
    let (_directory, log) = log_of(550, 0);
    let job = job_id(400 * 60_000);
    assert_eq!(decisions_on(&log, job).expect("readable"), [401]);
    assert_eq!(decision_since(&log, job, 0).expect("readable"), Some(401));
    assert_eq!(decision_since(&log, job, 401).expect("readable"), Some(401));
    assert_eq!(decision_since(&log, job, 402).expect("readable"), None);
    assert!(decisions_on(&log, job_id(400 * 60_000 + 1)).expect("readable").is_empty());
}
