//! The log of a system under test as an auditor finds it, and the comparison of it with what the
//! stream has and with what the CA was told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream::stream::Stream;
use futures_util::{FutureExt, StreamExt, stream};
use mpic_audit::finding::{Report, Severity};
use mpic_audit::note::LogPublicKey;
use mpic_audit::replay::{self, Shard};
use mpic_audit::{bundle, verify};
use mpic_common::code::PerspectiveId;
use mpic_common::job::JobId;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::octets::Hash;
use mpic_common::record::{
    DecisionRecord, LateRecord, Missing, RefusalRecord, SupersededRecord, leaf_hash,
};
use mpic_common::reply::Reply;
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_runtime::ca_client::Recorded;
use serde::de::DeserializeOwned;

use crate::certification_authority::CertificationAuthority;
use crate::cluster::Cluster;
use crate::process::eventually;

/// A verified log.
#[derive(Debug)]
pub struct Log {
    /// The exact entries, genesis first.
    pub entries: Vec<Vec<u8>>,
}

/// Where the log of a system lies, and what an auditor holds beside it.
#[derive(Debug)]
pub struct LogPlace {
    /// The log.
    pub log: PathBuf,
    /// What its checkpoints are verified with.
    pub key: LogPublicKey,
    /// The directory document.
    pub directory_file: PathBuf,
}

impl LogPlace {
    /// Waits until the log has all that the stream has now, and audits it: it verifies, replays,
    /// is the stream octet by octet as far back as that goes, with nothing in twice, and holds
    /// what the CA was told.
    pub async fn audited(&self, stream: &Stream, ca: &CertificationAuthority) -> Log {
        let kept = ca.kept();
        let log = self.verified(stream).await;
        let state = &stream.cached_info().state;
        let (first, last) = (state.first_sequence, state.last_sequence.min(log.last()));
        let read = |seq| stream.get_raw_message(seq).map(move |message| (seq, message));
        let mut messages = stream::iter(first..=last).map(read).buffered(READS_MAX);
        while let Some((seq, message)) = messages.next().await {
            let message = message.unwrap_or_else(|error| panic!("sequence {seq}: {error}"));
            assert_eq!(log.entry(seq), &*message.payload, "entry {seq} is the stream's");
        }
        log.holds_nothing_twice();
        log.holds(&kept);
        let report = self.replay(&kept);
        assert!(report.has_passed(Severity::Warning), "{:#?}", report.findings);
        log
    }

    /// Waits until the log has what the stream had when it was looked at, and verifies its files.
    pub async fn verified(&self, stream: &Stream) -> Log {
        let last = stream.cached_info().state.last_sequence;
        eventually("the log has what the stream has", || {
            let note = std::fs::read(self.log.join("checkpoint")).ok()?;
            (self.key.open(&note).unwrap().size > last).then_some(())
        })
        .await;
        Log::verified(&self.log, &self.key)
    }

    /// What an auditor finds who has the directory document and what a CA kept.
    pub fn replay(&self, kept: &[Recorded]) -> Report {
        let options = verify::Options::default();
        let shard = Shard { directory: self.log.clone(), key: self.key.clone(), kept: options };
        let name = |recorded: &Recorded| recorded.decision.job.to_string();
        let options = replay::Options {
            directories: vec![std::fs::read(&self.directory_file).unwrap()],
            records: kept.iter().map(|kept| (name(kept), kept.octets.clone())).collect(),
            ..replay::Options::default()
        };
        replay::replay(&[shard], &options).unwrap()
    }
}

impl Cluster {
    /// Where the log lies.
    pub fn log_place(&self) -> LogPlace {
        let layout = self.layout();
        let (log, key) = (layout.log(), self.log_key());
        LogPlace { log, key, directory_file: layout.directory_file() }
    }

    /// Audits the log, see [`LogPlace::audited`].
    pub async fn audited(&self, ca: &CertificationAuthority) -> Log {
        self.log_place().audited(&self.records().await, ca).await
    }

    /// Waits until the log has all that the stream has now, and verifies its files.
    pub async fn verified(&self) -> Log {
        self.log_place().verified(&self.records().await).await
    }

    /// What an auditor finds who has the directory document and what a CA kept.
    pub fn replay(&self, kept: &[Recorded]) -> Report {
        self.log_place().replay(kept)
    }

    /// The records of late replies from now on.
    pub async fn late_records(&self) -> LateRecords {
        let subject = subject::audit_late(&mpic_cli::fleet::CA.parse().unwrap());
        let client = self.client().await;
        let heard = client.subscribe(subject).await.unwrap();
        client.flush().await.unwrap();
        LateRecords(heard)
    }

    /// The stream of records.
    pub async fn records(&self) -> Stream {
        self.jetstream().await.get_stream(subject::AUDIT_STREAM).await.unwrap()
    }

    /// What the checkpoints of the log are verified with.
    pub fn log_key(&self) -> LogPublicKey {
        std::fs::read_to_string(self.layout().log_public_key()).unwrap().trim().parse().unwrap()
    }
}

/// Records of late replies as they are published.
#[derive(Debug)]
pub struct LateRecords(Subscriber);

impl LateRecords {
    /// The one of this job.
    pub async fn of(&mut self, job: JobId) -> LateRecord {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let payload = self.0.next().await.unwrap().payload;
                let envelope = Envelope::parse(&payload, usize::MAX).unwrap();
                if envelope.kind == Kind::Late {
                    let late: LateRecord = decode_body(Kind::Late, envelope.body).unwrap();
                    if late.job == job {
                        return late;
                    }
                }
            }
        })
        .await
        .expect("a late record in time")
    }
}

/// Messages of the stream that are read at once.
const READS_MAX: usize = 16;

/// Longer than the late window lasts.
const PATIENCE: Duration = Duration::from_secs(20);

impl Log {
    /// Reads the log in `dir`, which must pass every check on its files.
    pub fn verified(dir: &std::path::Path, key: &LogPublicKey) -> Self {
        let report = verify::verify(dir, key, &verify::Options::default()).unwrap();
        assert!(report.has_passed(Severity::Warning), "{:?}", report.findings);
        let size = report.heads.first().unwrap().size;
        let entries = (0..size.div_ceil(256)).flat_map(|number| {
            let width = 256.min(size - number * 256);
            let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
            let octets = std::fs::read(dir.join(format!("tile/entries/{number:03}{partial}")));
            let octets = octets.unwrap();
            bundle::entries(&octets, width)
                .unwrap()
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        });
        Self { entries: entries.collect() }
    }

    /// The stream sequence of its last entry.
    fn last(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap() - 1
    }

    /// The entry of a stream sequence: the log begins where the stream does.
    pub fn entry(&self, seq: u64) -> &[u8] {
        let index = usize::try_from(seq).unwrap();
        self.entries.get(index).unwrap_or_else(|| panic!("the log has sequence {seq}"))
    }

    /// The bodies of every entry of this kind, in order.
    pub fn of_kind<T: DeserializeOwned>(&self, kind: Kind) -> Vec<T> {
        let envelopes =
            self.entries.iter().filter_map(|entry| Envelope::parse(entry, usize::MAX).ok());
        let of_kind = envelopes.filter(|envelope| envelope.kind == kind);
        of_kind.map(|envelope| decode_body(kind, envelope.body).unwrap()).collect()
    }

    /// The decisions on a job.
    pub fn decisions(&self, job: JobId) -> Vec<DecisionRecord> {
        let mut all: Vec<DecisionRecord> = self.of_kind(Kind::Decision);
        all.retain(|decision| decision.job == job);
        all
    }

    /// The late replies to a job.
    pub fn late(&self, job: JobId) -> Vec<LateRecord> {
        let mut all: Vec<LateRecord> = self.of_kind(Kind::Late);
        all.retain(|late| late.job == job);
        all
    }

    /// The decisions on a job that came second.
    pub fn superseded(&self, job: JobId) -> Vec<SupersededRecord> {
        let mut all: Vec<SupersededRecord> = self.of_kind(Kind::Superseded);
        all.retain(|superseded| superseded.job == job);
        all
    }

    /// The refusals, in order.
    pub fn refusals(&self) -> Vec<RefusalRecord> {
        self.of_kind(Kind::Refusal)
    }

    /// One decision a job, and no octets twice.
    fn holds_nothing_twice(&self) {
        let leaves: BTreeSet<_> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(leaves.len(), self.entries.len(), "an entry is in the log twice");
        let mut decided = BTreeSet::new();
        for decision in self.of_kind::<DecisionRecord>(Kind::Decision) {
            assert!(decided.insert(decision.job), "{} was decided twice", decision.job);
        }
    }

    /// What a CA was told is where it was told.
    pub fn holds(&self, told: &[Recorded]) {
        for recorded in told {
            let job = recorded.decision.job;
            assert_eq!(self.entry(recorded.seq), &*recorded.octets, "the decision on {job}");
            assert_eq!(leaf_hash(&recorded.octets), recorded.leaf, "the leaf of {job}");
        }
    }
}

/// The replies that a decision rests on, by perspective.
pub fn replies(decision: &DecisionRecord) -> BTreeMap<PerspectiveId, Reply> {
    let reply = |octets: &[u8]| {
        let envelope = Envelope::parse(octets, usize::MAX).unwrap().of_kind(Kind::Reply).unwrap();
        decode_body(Kind::Reply, envelope.body).unwrap()
    };
    let of = |reply_record: &mpic_common::record::ReplyRecord| {
        (reply_record.perspective.clone(), reply(&reply_record.reply.0))
    };
    decision.replies.iter().map(of).collect()
}

/// What a perspective observed.
///
/// Panics where it did not answer.
pub fn observation(
    decision: &DecisionRecord,
    perspective: &PerspectiveId,
    check: CheckKind,
) -> Observation {
    let mut reply = replies(decision).remove(perspective).expect("it answered");
    reply.observations.remove(&check).expect("it was asked")
}

/// Why a perspective has no reply that counts.
pub fn missing(decision: &DecisionRecord, perspective: &PerspectiveId) -> Option<Missing> {
    let missing = decision.missing.iter().find(|missing| missing.perspective == *perspective);
    missing.map(|missing| missing.reason)
}

/// SHA-256 of a job's body in an envelope.
pub fn digest_of(envelope: &[u8]) -> Hash {
    Envelope::parse(envelope, usize::MAX).unwrap().digest()
}
