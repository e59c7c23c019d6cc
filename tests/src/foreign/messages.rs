//! What comes over the bus and what lies on a disk.

use std::str::FromStr;
use std::sync::LazyLock;

use mpic_audit::genesis::OwnEntry;
use mpic_audit::proof::Proof;
use mpic_audit::tree::TileName;
use mpic_audit::{bundle, note, show};
use mpic_common::assignment::Assignment;
use mpic_common::directory::Directory;
use mpic_common::job::{self, Job};
use mpic_common::testing::{Fleet, dns_01_job, examples, http_01_job};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, strict};

use super::Entry;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
/// Longer than any input.
const OCTETS_MAX: usize = 1 << 20;

fn messages() -> Vec<Vec<u8>> {
    examples().into_iter().map(|(_, octets)| octets).collect()
}

fn bodies() -> Vec<Vec<u8>> {
    let body = |octets: &Vec<u8>| Envelope::parse(octets, OCTETS_MAX).unwrap().body.to_vec();
    messages().iter().map(body).collect()
}

/// Made once: its keys take longer than all parsing.
static DIRECTORY_OF_FIVE: LazyLock<Directory> = LazyLock::new(|| Fleet::new(5).directory());

/// Strict decoding, the envelope, and an assignment's verification.
pub(super) const WIRE: Entry =
    Entry { name: "wire", seeds: || [messages(), bodies()].concat(), run: wire };

fn wire(octets: &[u8]) {
    let _ = strict::parse(octets);
    if let Ok(envelope) = Envelope::parse(octets, OCTETS_MAX) {
        let _ = strict::parse(envelope.body);
    }
    if let Ok(verified) = Assignment::verify(octets, &DIRECTORY_OF_FIVE, NOW) {
        let again = messages();
        assert!(again.iter().any(|made| made == octets), "forged: {:?}", verified.assignment);
    }
}

/// A job's body.
pub(super) const JOB: Entry = Entry {
    name: "job",
    seeds: || {
        let jobs = [dns_01_job("www.honest.example"), http_01_job("*.honest.example")];
        jobs.iter().map(Job::to_body).collect()
    },
    run: read_job,
};

fn read_job(octets: &[u8]) {
    match Job::parse(octets) {
        Ok(job) => {
            assert_eq!(job::id_of(octets), Some(job.id));
            assert_eq!(Job::parse(&job.to_body()), Ok(job), "what is read is written and read");
        }
        Err(errors) => assert!(!errors.is_empty(), "refused without a reason"),
    }
}

/// A directory document, before its signature is judged.
pub(super) const DIRECTORY: Entry =
    Entry { name: "directory", seeds: || vec![Fleet::new(5).document()], run: directory };

fn directory(octets: &[u8]) {
    if let Ok(opened) = Directory::open_unpinned(octets) {
        assert_eq!(opened.root(), Fleet::key("root").public(), "nobody else signed");
    }
}

/// An entry of the log, as it is shown.
pub(super) const LOG_ENTRY: Entry = Entry {
    name: "log_entry",
    seeds: || {
        let made = messages().into_iter().filter(|octets| {
            let parsed = Envelope::parse(octets, OCTETS_MAX);
            parsed.is_ok_and(|envelope| envelope.kind != Kind::Job)
        });
        made.collect()
    },
    run: log_entry,
};

fn log_entry(octets: &[u8]) {
    let shown = show::entry(0, None, octets);
    assert!(shown["type"].is_string() || shown["error"].is_string(), "{shown}");
    let _ = OwnEntry::decode(octets);
}

/// Bundles, checkpoints, proofs and the names of tiles.
pub(super) const LOG_TILE: Entry = Entry {
    name: "log_tile",
    seeds: || {
        let mut two = Vec::new();
        for entry in [&b"one"[..], b"another"] {
            bundle::push(&mut two, entry).unwrap();
        }
        vec![two, b"tile/0/x001/067.p/8".to_vec(), b"mpic.example/log\n1\nAAAA\n\n".to_vec()]
    },
    run: log_tile,
};

fn log_tile(octets: &[u8]) {
    for wanted in 0..4 {
        if let Ok(entries) = bundle::entries(octets, wanted) {
            let mut again = Vec::new();
            for entry in entries {
                bundle::push(&mut again, entry).unwrap();
            }
            assert_eq!(again, octets);
        }
    }
    let _ = note::read_unverified(octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        let _ = Proof::from_str(text);
        if let Some(name) = TileName::parse(text) {
            assert_eq!(name.to_string(), text);
        }
    }
}
