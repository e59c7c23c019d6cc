//! Re-decides every decision of a log out of what perspectives signed (checks R1 to R14).

mod asked;
mod decision;
mod deep;
mod documents;
mod entry;
mod examine;
mod late;
mod notes;
mod problem;
mod replies;
mod sequence;
mod signatures;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mpic_common::directory::{Directory, DirectoryError};
use mpic_common::octets::Hash;
use mpic_common::record::leaf_hash;
use thiserror::Error;

use self::deep::Underivable;
use self::documents::Documents;
use self::entry::Examined;
use self::examine::{Means, examine, examine_late};
pub(crate) use self::sequence::begins;
use self::sequence::{Followed, Sequence};
pub use self::signatures::{Signature, signatures};
pub use self::walk::{Judged, judge_each};
use crate::finding::{Finding, Report, Severity};
use crate::genesis::Previous;
use crate::note::{Checkpoint, LogPublicKey};
use crate::verify::{self, VerifyError, verify_each};
use crate::work::Work;

/// One log directory.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Where it is.
    pub directory: PathBuf,
    /// Its key.
    pub key: LogPublicKey,
    /// What the auditor kept of it.
    pub kept: verify::Options,
}

/// What an auditor brings along.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Directory documents, whose roots alone are trusted: the newest, and where the root was
    /// handed over, one of each earlier root. Their revocations apply.
    pub directories: Vec<Vec<u8>>,
    /// Decisions that CAs kept, octet by octet, and what to call each: all must be in the log.
    pub records: Vec<(String, Vec<u8>)>,
    /// Ids of certificate requests: each must have a decision.
    pub requests: BTreeSet<String>,
    /// Whether what perspectives concluded is concluded again from their evidence (R14).
    pub depth: Depth,
    /// Whether signatures are verified together.
    pub signatures: Signatures,
}

/// How signatures are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signatures {
    /// Many at once, and one by one where that fails.
    #[default]
    Batches,
    /// Each by itself, strictly.
    OneByOne,
}

/// How far a replay goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Verdicts are believed to whoever signed them.
    #[default]
    Signed,
    /// Evidence that is whole is evaluated again.
    Evidence,
}

/// The replay could not be made.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// A log cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory document that was given is none.
    #[error("the directory document that was given cannot be used")]
    Directory(#[from] DirectoryError),
}

/// Verifies the shards, in order, and replays every entry.
pub fn replay(shards: &[Shard], options: &Options) -> Result<Report, ReplayError> {
    replay_with(shards, options, Work::default())
}

/// The same, and says how it is to be carried out.
pub fn replay_with(
    shards: &[Shard],
    options: &Options,
    work: Work<'_>,
) -> Result<Report, ReplayError> {
    let mut report = Report::default();
    let brought = documents::open(&options.directories)?;
    state_roots(&brought, &mut report);
    let mut replay = Replay {
        work,
        documents: Arc::new(Documents::new(brought)),
        sequence: Sequence::default(),
        previous: None,
        relaxations: BTreeSet::new(),
        records: records(options),
        requests: options.requests.clone(),
        means: Means {
            depth: options.depth,
            signatures: options.signatures,
            threads: work.threads,
        },
        underivable: BTreeMap::new(),
    };
    for shard in shards {
        replay.replay_shard(shard, &mut report)?;
    }
    replay.report_missing(&mut report);
    Ok(report)
}

/// For comparison with what the CA has published.
fn state_roots(brought: &[Arc<Directory>], report: &mut Report) {
    for directory in brought {
        let (root, serial) = (Hash::of(&directory.root().octets()), directory.serial());
        let text = format!("the root of the directory of serial {serial} has the SHA-256 {root}");
        report.add_general(Severity::Note, "R4", text);
    }
    if brought.is_empty() {
        let text = "no directory document was given: the log itself says who its root is";
        report.add_general(Severity::Warning, "R4", text.to_owned());
    }
}

fn records(options: &Options) -> BTreeMap<Hash, String> {
    let leaf = |(name, octets): &(String, Vec<u8>)| (leaf_hash(octets), name.clone());
    options.records.iter().map(leaf).collect()
}

/// What goes on from shard to shard.
struct Replay<'a> {
    work: Work<'a>,
    documents: Arc<Documents>,
    sequence: Sequence,
    previous: Option<Checkpoint>,
    /// What decisions allowed perspectives to be lax about.
    relaxations: BTreeSet<String>,
    /// R12: by leaf, what was not found yet.
    records: BTreeMap<Hash, String>,
    /// R13: what was not found yet.
    requests: BTreeSet<String>,
    means: Means,
    /// R14: how many observations could not be evaluated, and why.
    underivable: BTreeMap<Underivable, u64>,
}

impl Replay<'_> {
    fn replay_shard(&mut self, shard: &Shard, report: &mut Report) -> Result<(), ReplayError> {
        let mut sequence = std::mem::take(&mut self.sequence);
        let previous = self.previous.take();
        let work = self.work;
        let head = verify_each(shard, work, report, |first, entries, leaves, report| {
            if first == 0 {
                let (origin, entry) = (shard.key.origin(), entries.first());
                let begun = sequence.begin(origin, previous.as_ref(), entry);
                for finding in begun {
                    report.add(finding);
                }
            }
            for leaf in leaves {
                self.records.remove(leaf);
            }
            let examined = examine(entries, leaves, &mut self.documents, self.means);
            let followed = (first..)
                .zip(examined)
                .map(|(index, examined)| self.follow(index, examined, &mut sequence, report));
            let followed: Vec<_> = followed.collect();
            for finding in settled(followed, self.means).into_iter().flatten() {
                report.add(finding);
            }
        })?;
        for finding in sequence.end() {
            report.add(finding);
        }
        if let Err(text) = self.documents.check_brought() {
            report.add_general(Severity::Error, "R4", text);
        }
        self.documents = Arc::new(self.documents.next_shard());
        self.sequence = sequence.next_shard();
        self.previous = head;
        Ok(())
    }

    /// What one entry says about another is looked at in order.
    fn follow(
        &mut self,
        index: u64,
        examined: Examined,
        sequence: &mut Sequence,
        report: &mut Report,
    ) -> Followed {
        if let Some(request) = examined.request() {
            self.requests.remove(request);
        }
        self.relaxations.extend(examined.relaxations().iter().cloned());
        examined.time_ms().into_iter().for_each(|ms| widen(&mut report.times_ms, ms));
        for cause in &examined.underivable {
            *self.underivable.entry(cause.clone()).or_default() += 1;
        }
        sequence.follow(index, examined)
    }

    /// R12 and R13, and what an auditor should know of all decisions.
    fn report_missing(self, report: &mut Report) {
        for relaxation in self.relaxations {
            let text = format!("decisions count replies made under the relaxation {relaxation}");
            report.add_general(Severity::Note, "R10", text);
        }
        for ((method, why), count) in self.underivable {
            let text = format!("not-derivable: {count} observations of {method}: {why}");
            report.add_general(Severity::Note, "R14", text);
        }
        for (leaf, name) in self.records {
            let text = format!("{name}, whose leaf is {leaf}, is not in the log");
            report.add_general(Severity::Error, "R12", text);
        }
        for request in self.requests {
            let text = format!("the certificate request {request} has no decision");
            report.add_general(Severity::Error, "R13", text);
        }
    }
}

/// All that is wrong with each of some entries, with late replies too.
fn settled(followed: Vec<Followed>, means: Means) -> Vec<Vec<Finding>> {
    let late: Vec<_> = followed.iter().filter_map(|followed| followed.late.as_ref()).collect();
    let mut of_late = examine_late(&late, means).into_iter();
    let settle = |Followed { index, job, mut problems, late }: Followed| {
        if late.is_some() {
            problems.join(of_late.next().unwrap_or_default());
        }
        problems.into_findings(index, job.as_ref()).collect()
    };
    followed.into_iter().map(settle).collect()
}

fn widen(times: &mut Option<(u64, u64)>, ms: u64) {
    let (first, last) = times.unwrap_or((ms, ms));
    *times = Some((first.min(ms), last.max(ms)));
}

/// R1: what a genesis entry must say of the shard before.
fn is_continued(previous: Option<&Previous>, head: Option<&Checkpoint>) -> bool {
    match (previous, head) {
        (Some(previous), Some(head)) => {
            previous.origin == head.origin
                && previous.size == head.size
                && Hash(previous.root) == head.root
        }
        // The first shard given need not be the first there was.
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// Reads what CAs kept: every file of a directory but proofs, which end in `.proof`.
pub fn read_records(directory: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut records = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "proof") {
            records.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(records)
}

/// A finding about one entry, or about none.
fn finding(
    severity: Severity,
    check: &'static str,
    index: Option<u64>,
    text: impl Into<String>,
) -> Finding {
    Finding { severity, check, index, job: None, text: text.into() }
}
