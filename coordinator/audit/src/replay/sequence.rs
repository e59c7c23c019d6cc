//! What entries say about one another, in the order of the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mpic_common::code::CaId;
use mpic_common::directory::Directory;
use mpic_common::job::JobId;
use mpic_common::octets::Hash;
use mpic_common::record::{LateRecord, Missing, NoteKind, SupersededRecord, leaf_hash};
use mpic_common::time::UnixMs;

use super::decision::Checked;
use super::documents::{Documents, RELOAD_MAX};
use super::entry::{Examined, Is};
use super::late::Late;
use super::problem::Problems;
use super::{finding, is_continued};
use crate::finding::{Finding, Severity};
use crate::genesis::{Genesis, OwnEntry};
use crate::note::Checkpoint;

/// One shard as far as it was followed.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// How many shards came before.
    shard: usize,
    base_seq: u64,
    /// Decisions of late, by job: a second one would come within minutes.
    decided: BTreeMap<(JobId, CaId), Decided>,
    /// Decisions whose late window may still be open, by leaf.
    open: BTreeMap<Hash, Open>,
    /// Lost sequences without a note, and the entry that stands for each.
    gaps: BTreeMap<u64, u64>,
    last_decided: Option<UnixMs>,
    /// The newest serial, and when it was logged as far as decisions around it tell.
    newest: Option<(u64, Option<UnixMs>)>,
}

/// Where the decision on a job is.
#[derive(Clone, Copy, Debug)]
struct Decided {
    shard: usize,
    index: u64,
    leaf: Hash,
}

#[derive(Debug)]
struct Open {
    checked: Arc<Checked>,
    directory: Arc<Directory>,
    late: Option<Hash>,
}

/// An entry at its place.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) index: u64,
    pub(super) job: Option<JobId>,
    pub(super) problems: Problems,
    /// What is still to be checked of late replies.
    pub(super) late: Option<Late>,
}

impl Sequence {
    /// R1 and R2: entry 0.
    pub(super) fn begin(
        &mut self,
        origin: &str,
        previous: Option<&Checkpoint>,
        entry: Option<&Bytes>,
    ) -> Vec<Finding> {
        if let Some(Ok(OwnEntry::Genesis(genesis))) = entry.map(|entry| OwnEntry::decode(entry)) {
            self.base_seq = genesis.base_seq;
        }
        begins(origin, previous, entry)
    }

    /// The next entry; gives all that is wrong with it, but with late replies themselves.
    pub(super) fn follow(&mut self, index: u64, examined: Examined) -> Followed {
        let (job, mut due) = (examined.job(), None);
        let Examined { is, mut problems, leaf, octets, documents, .. } = examined;
        match is {
            Is::Genesis => {
                problems.demand(index == 0, "R2", || "a genesis entry in the middle".to_owned());
            }
            Is::Gap(gap) => {
                let expected = self.base_seq + index - 1;
                problems.demand(gap.seq == expected, "R2", || {
                    format!("it stands for sequence {}, and is at the place of {expected}", gap.seq)
                });
                self.gaps.insert(expected, index);
            }
            Is::Note(note) if note.kind == NoteKind::Gap => {
                self.gaps.retain(|seq, _| !note.seqs.contains(seq));
            }
            Is::Directory(_) => self.follow_document(&documents),
            Is::Decision(checked) => {
                self.follow_decision(index, leaf, checked, &documents, &mut problems);
            }
            Is::Late(late) => {
                due = self.follow_late(octets, late, documents, &mut problems);
            }
            Is::Superseded(lost) => self.follow_superseded(index, &lost, &mut problems),
            Is::Note(_) | Is::Refusal(_) | Is::Unreadable => {}
        }
        Followed { index, job, problems, late: due }
    }

    /// The shard that goes on from this one: a job that was decided here is not decided there, and
    /// what comes late may come there.
    pub(super) fn next_shard(self) -> Self {
        let Self { shard, decided, open, last_decided, .. } = self;
        Self { shard: shard + 1, decided, open, last_decided, ..Self::default() }
    }

    /// R2: what no later note has explained.
    pub(super) fn end(&self) -> Vec<Finding> {
        let unexplained = |(seq, index): (&u64, &u64)| {
            let text = format!("no note of kind gap explains the loss of sequence {seq}");
            finding(Severity::Error, "R2", Some(*index), text)
        };
        self.gaps.iter().map(unexplained).collect()
    }

    fn follow_document(&mut self, documents: &Documents) {
        let Some(serial) = documents.newest().map(|newest| newest.serial()) else { return };
        if self.newest.is_none_or(|(newest, _)| newest < serial) {
            self.newest = Some((serial, self.last_decided));
        }
    }

    fn follow_decision(
        &mut self,
        index: u64,
        leaf: Hash,
        checked: Arc<Checked>,
        documents: &Documents,
        problems: &mut Problems,
    ) {
        let record = &checked.record;
        let decided = record.decided_ms;
        check_age(record.job, decided, problems);
        let key = (record.job, record.ca.clone());
        // Equal octets may come twice, and count once.
        let here = Decided { shard: self.shard, index, leaf };
        let first = *self.decided.entry(key).or_insert(here);
        problems.demand(first.leaf == leaf, "R5", || match self.shard - first.shard {
            0 => format!("entry {} is a decision on the same job", first.index),
            _ => format!("entry {} of an earlier shard is a decision on the same job", first.index),
        });
        let directory = documents.by_hash(&record.directory_hash);
        if let Some(directory) = directory {
            self.check_serial(directory.serial(), decided, problems);
        }
        self.check_fall(decided, problems);
        self.last_decided = self.last_decided.max(Some(decided));
        let may_be_late = record.missing.iter().any(|missing| missing.reason != Missing::NotAsked);
        if let Some(directory) = directory.filter(|_| may_be_late).cloned() {
            self.open.insert(leaf, Open { checked, directory, late: None });
        }
        self.forget(decided);
    }

    /// R11: a clock that is a little wrong is worth a warning. Times that fall further could make a
    /// replay forget a decision, so that a second one on its job would go unseen.
    fn check_fall(&self, decided: UnixMs, problems: &mut Problems) {
        let Some(last) = self.last_decided else { return };
        let text = || format!("decided at {decided}, an earlier entry at {last}");
        match last.since(decided) {
            fall if fall > FORGETFUL_FALL => problems.error("R11", text()),
            fall if fall > FALL_MAX => problems.warning("R11", text()),
            _ => {}
        }
    }

    /// R6: a document is in use soon after it was logged.
    fn check_serial(&mut self, serial: u64, decided: UnixMs, problems: &mut Problems) {
        let Some((newest, logged_at)) = &mut self.newest else { return };
        let logged_at = *logged_at.get_or_insert(decided);
        if serial < *newest && decided.since(logged_at) > RELOAD_MAX {
            let text = format!("it uses serial {serial}, {newest} was logged at {logged_at}");
            if decided.since(logged_at) > STALE_MAX {
                problems.error("R6", text);
            } else {
                problems.warning("R6", text);
            }
        }
    }

    fn follow_late(
        &mut self,
        octets: Bytes,
        late: Box<LateRecord>,
        documents: Arc<Documents>,
        problems: &mut Problems,
    ) -> Option<Late> {
        let Some(open) = self.open.get_mut(&late.decision_hash) else {
            let hash = late.decision_hash;
            problems.error("R9", format!("it names no decision of late, {hash}"));
            return None;
        };
        let leaf = leaf_hash(&octets);
        let is_only = *open.late.get_or_insert(leaf) == leaf;
        problems.demand(is_only, "R9", || "its decision has two of them".to_owned());
        let (decided, directory) = (Arc::clone(&open.checked), Arc::clone(&open.directory));
        Some(Late { octets, record: late, decided, directory, documents })
    }

    /// A superseded decision names the one that stands.
    fn follow_superseded(&self, index: u64, lost: &SupersededRecord, problems: &mut Problems) {
        let stands = lost.lost_to.checked_sub(self.base_seq).map(|place| place + 1);
        let known = self.decided.get(&(lost.job, lost.ca.clone()));
        let holds = known.is_some_and(|known| {
            known.shard < self.shard || (known.index < index && Some(known.index) == stands)
        });
        problems.demand(holds, "R5", || {
            format!("it lost to sequence {}, which is no decision on its job", lost.lost_to)
        });
    }

    /// Drops what is too old to matter.
    fn forget(&mut self, now: UnixMs) {
        while let Some(oldest) = self.decided.first_entry()
            && now.since(oldest.key().0.time()) > REMEMBERED
        {
            oldest.remove();
        }
        if self.open.len() > OPEN_SWEPT {
            let is_open = |open: &Open| now.since(open.checked.record.decided_ms) <= REMEMBERED;
            self.open.retain(|_, open| is_open(open));
        }
    }
}

/// R1 and R2: what entry 0 of a shard must be.
pub(crate) fn begins(
    origin: &str,
    previous: Option<&Checkpoint>,
    entry: Option<&Bytes>,
) -> Vec<Finding> {
    let error = |check, text: &str| vec![finding(Severity::Error, check, Some(0), text)];
    let genesis: Genesis = match entry.map(|entry| OwnEntry::decode(entry)) {
        Some(Ok(OwnEntry::Genesis(genesis))) => genesis,
        _ => return error("R2", "it is no genesis entry"),
    };
    if genesis.origin != origin {
        return error("R2", "it is the genesis entry of another log");
    }
    if !is_continued(genesis.previous.as_ref(), previous) {
        return error("R1", "it does not name the head of the shard before");
    }
    Vec::new()
}

/// R5: the job was new, by the time in its id.
fn check_age(job: JobId, decided: UnixMs, problems: &mut Problems) {
    let made = job.time();
    let is_new = decided.since(made) <= JOB_AGE_MAX && made.since(decided) <= CLOCKS;
    problems.demand(is_new, "R5", || format!("the job was made at {made}, decided at {decided}"));
}

/// A job lives 2 minutes, and its decision is published before it is 3 minutes old.
const JOB_AGE_MAX: Duration = Duration::from_secs(240);

/// Between the clocks of a CA and a coordinator.
const CLOCKS: Duration = Duration::from_secs(5);

/// How far the times of decisions may fall in the order of the log.
const FALL_MAX: Duration = Duration::from_secs(180);

/// After this time a document that a higher serial has replaced is in use by nobody honest.
const STALE_MAX: Duration = Duration::from_secs(600);

/// Less than `REMEMBERED` and more than clocks err: `REMEMBERED` less the age of a decided job.
const FORGETFUL_FALL: Duration = Duration::from_secs(600);

/// Longer than a job can have decisions or late replies.
const REMEMBERED: Duration = Duration::from_secs(900);

/// Decisions remembered before the old ones are swept out.
const OPEN_SWEPT: usize = 10_000;
