//! What signed notes say of the tree at some size: commits of the log itself, and what auditors
//! and CAs kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use mpic_common::octets::Hash;

use super::{Options, VerifyError, cannot_read};
use crate::finding::{Finding, Report, Severity};
use crate::log::{Disk, Storage};
use crate::note::{Checkpoint, LogPublicKey};
use crate::proof::Proof;

/// Roots and leaves that the tree must turn out to have.
#[derive(Default)]
pub(super) struct Claims {
    roots: BTreeMap<u64, Vec<Claim>>,
    proofs: BTreeMap<u64, Vec<(String, Proof)>>,
    /// Which check, and what does not fit.
    broken: Vec<(&'static str, String)>,
}

struct Claim {
    check: &'static str,
    source: String,
    root: Hash,
}

impl Claims {
    /// V6: the notes of `checkpoints/`.
    pub(super) fn add_commits(
        &mut self,
        disk: &Disk,
        key: &LogPublicKey,
        head: &Checkpoint,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        let names = match disk.list(COMMITS) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("{COMMITS} is absent: a mirror need not have it");
                report.add_general(Severity::Note, "V6", text);
                return Ok(());
            }
            Err(error) => return Err(cannot_read(disk.root(), COMMITS)(error)),
        };
        for (name, _) in names {
            let path = format!("{COMMITS}/{name}");
            let note = match disk.read(&path) {
                Ok(note) => note,
                // Thinned out since the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot_read(disk.root(), &path)(error)),
            };
            match key.open(&note) {
                Ok(commit) if name != format!("{:012}", commit.size) => {
                    let text = format!("{path} is the checkpoint of size {}", commit.size);
                    report.add_general(Severity::Error, "V6", text);
                }
                Ok(commit) if commit.size > head.size => {
                    let text = format!("{path} is ahead of the checkpoint");
                    report.add_general(Severity::Note, "V6", text);
                }
                Ok(commit) => self.add(commit.size, "V6", path, commit.root),
                Err(error) => {
                    report.add_general(Severity::Error, "V6", format!("{path}: {error}"));
                }
            }
        }
        Ok(())
    }

    /// V7 and V8: checkpoints and proofs kept outside.
    pub(super) fn add_kept(
        &mut self,
        key: &LogPublicKey,
        head: &Checkpoint,
        options: &Options,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        for path in &options.old_checkpoints {
            let note = fs::read(path).map_err(cannot_read(path, ""))?;
            let source = path.display().to_string();
            match key.open(&note) {
                Ok(old) => self.add_old("V7", source, &old, head, report),
                Err(error) => {
                    report.add_general(Severity::Error, "V7", format!("{source}: {error}"));
                }
            }
        }
        for path in &options.proofs {
            let text = fs::read_to_string(path).map_err(cannot_read(path, ""))?;
            self.add_proof(key, head, path, &text, report);
        }
        Ok(())
    }

    fn add_proof(
        &mut self,
        key: &LogPublicKey,
        head: &Checkpoint,
        path: &Path,
        text: &str,
        report: &mut Report,
    ) {
        let source = path.display().to_string();
        let opened = text.parse::<Proof>().and_then(|proof| {
            let old = key.open(proof.checkpoint.as_bytes())?;
            Ok((proof, old))
        });
        match opened {
            Ok((proof, old)) => {
                self.add_old("V8", source.clone(), &old, head, report);
                self.proofs.entry(proof.index).or_default().push((source, proof));
            }
            Err(error) => {
                report.add_general(Severity::Error, "V8", format!("{source}: {error}"));
            }
        }
    }

    fn add_old(
        &mut self,
        check: &'static str,
        source: String,
        old: &Checkpoint,
        head: &Checkpoint,
        report: &mut Report,
    ) {
        if old.size > head.size {
            let text = format!("ROLLBACK: {source} is of size {}, the log {}", old.size, head.size);
            report.add_general(Severity::Error, check, text);
        } else {
            self.add(old.size, check, source, old.root);
        }
    }

    fn add(&mut self, size: u64, check: &'static str, source: String, root: Hash) {
        self.roots.entry(size).or_default().push(Claim { check, source, root });
    }

    /// The sizes in a range of which a root is claimed.
    pub(super) fn sizes(&self, range: Range<u64>) -> Vec<u64> {
        self.roots.range(range).map(|(size, _)| *size).collect()
    }

    /// Compares what is claimed of a size with the root that the entries give.
    pub(super) fn meet_root(&mut self, size: u64, root: Hash) {
        for claim in self.roots.remove(&size).unwrap_or_default() {
            if claim.root != root {
                let Claim { check, source, root: claimed } = claim;
                let text =
                    format!("{source} has the root {claimed} for size {size}, the entries {root}");
                self.broken.push((check, text));
            }
        }
    }

    /// Checks the proofs of entries whose leaf hashes these are.
    pub(super) fn meet_leaves(
        &mut self,
        key: &LogPublicKey,
        first: u64,
        leaves: &[Hash],
        report: &mut Report,
    ) {
        for (index, leaf) in (first..).zip(leaves) {
            for (source, proof) in self.proofs.remove(&index).unwrap_or_default() {
                if let Err(error) = proof.check(key, *leaf) {
                    let text = format!("{source}: {error}");
                    let (severity, check) = (Severity::Error, "V8");
                    report.add(Finding { severity, check, index: Some(index), job: None, text });
                }
            }
        }
    }

    /// What does not fit the entries. Where these are those of the checkpoint, the log's key has
    /// signed two histories; else they are damaged, and nobody knows what they were.
    pub(super) fn report_broken(&mut self, are_of_head: bool, report: &mut Report) {
        for (check, text) in std::mem::take(&mut self.broken) {
            let fork = if are_of_head { "FORK: " } else { "" };
            report.add_general(Severity::Error, check, format!("{fork}{text}"));
        }
    }

    /// What nothing in the log could meet.
    pub(super) fn report_rest(self, report: &mut Report) {
        for (source, proof) in self.proofs.into_values().flatten() {
            let text = format!("{source}: the log has no entry {}", proof.index);
            report.add_general(Severity::Error, "V8", text);
        }
    }
}

const COMMITS: &str = "checkpoints";
