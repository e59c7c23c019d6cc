//! What is known so far of one job, and whether that can still change its outcome. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use mpic_common::code::PerspectiveId;
use mpic_common::cohort::Cohort;
use mpic_common::directory::Directory;
use mpic_common::job::{Job, PrimaryMode};
use mpic_common::observation::{CheckKind, Finding, Primary};
use mpic_common::policy::{Case, Decision, Findings, Outcome, decide};
use mpic_common::record::Missing;
use mpic_common::reply::{VerifiedReply, finding, primary};
use mpic_common::time::UnixMs;

/// A reply that counts, its exact octets, and when it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The reply.
    pub reply: VerifiedReply,
    /// Its envelope.
    pub octets: Vec<u8>,
    /// When it came.
    pub received_ms: UnixMs,
}

/// Who is asked, under which rules.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The job.
    pub job: Arc<Job>,
    /// The one snapshot of the directory that this job uses.
    pub directory: Arc<Directory>,
    /// When the job was admitted.
    pub requested_ms: UnixMs,
    /// The primary perspective; nil where the CA keeps its own.
    pub primary: Option<PerspectiveId>,
    /// The remotes.
    pub cohort: Cohort,
    /// Relaxations that a reply may state.
    pub allowed: Arc<[String]>,
}

/// The state of asking the perspectives for one job.
#[derive(Debug)]
pub struct Attempt {
    plan: Plan,
    replies: BTreeMap<PerspectiveId, Heard>,
    missing: BTreeMap<PerspectiveId, Missing>,
}

/// How those count of whom nothing is known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silent {
    AsSilent,
    AsCorroborating,
}

impl Attempt {
    /// Nothing is known.
    pub fn new(plan: Plan) -> Self {
        Self { plan, replies: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Who is asked, under which rules.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The replies that count.
    pub fn replies(&self) -> &BTreeMap<PerspectiveId, Heard> {
        &self.replies
    }

    /// Why the others have none, as far as that is known.
    pub fn missing(&self) -> &BTreeMap<PerspectiveId, Missing> {
        &self.missing
    }

    /// A perspective answered; what was known of it before stands.
    pub fn on_reply(&mut self, perspective: PerspectiveId, heard: Heard) {
        if self.is_silent(&perspective) {
            self.replies.insert(perspective, heard);
        }
    }

    /// A perspective will not answer; what was known of it before stands.
    pub fn on_missing(&mut self, perspective: PerspectiveId, reason: Missing) {
        if self.is_silent(&perspective) {
            self.missing.insert(perspective, reason);
        }
    }

    /// Everybody of whom nothing is known yet, the primary first.
    pub fn silent(&self) -> Vec<PerspectiveId> {
        let asked = self.plan.primary.iter().chain(self.plan.cohort.remotes().keys());
        asked.filter(|code| self.is_silent(code)).cloned().collect()
    }

    fn is_silent(&self, code: &PerspectiveId) -> bool {
        !self.replies.contains_key(code) && !self.missing.contains_key(code)
    }

    /// Whether the primary passed every check: nothing else can be corroborated.
    pub fn primary_passed(&self) -> bool {
        self.plan
            .job
            .checks()
            .all(|check| matches!(self.primary(check, Silent::AsSilent), Primary::Passed(_)))
    }

    /// Whether no reply that may still come can change the outcome.
    ///
    /// `decide` is monotone, so the silent as silent and the silent as corroborating bound every
    /// completion.
    pub fn is_settled(&self) -> bool {
        self.decide(Silent::AsSilent).outcome == Outcome::Corroborate
            || self.decide(Silent::AsCorroborating).outcome == Outcome::Refuse
    }

    /// The decision if nothing more comes.
    pub fn decision(&self) -> Decision {
        self.decide(Silent::AsSilent)
    }

    /// The findings of a check, one a member of the cohort: silence is unavailable.
    pub fn findings(&self, check: CheckKind) -> BTreeMap<PerspectiveId, Finding> {
        let heard = self.findings_with(check, Silent::AsSilent).remotes;
        let all = self.plan.cohort.remotes().keys();
        all.map(|code| (code.clone(), heard.get(code).copied().unwrap_or(Finding::Unavailable)))
            .collect()
    }

    fn decide(&self, silent: Silent) -> Decision {
        let job = &self.plan.job;
        decide(&Case {
            certificate_type: job.certificate_type,
            date: self.plan.requested_ms.date(),
            policy: self.plan.directory.policy(),
            stricter: job.stricter,
            cohort: self.plan.cohort.remotes(),
            checks: job.checks().map(|check| (check, self.findings_with(check, silent))).collect(),
        })
    }

    fn findings_with(&self, check: CheckKind, silent: Silent) -> Findings {
        let primary = self.primary(check, silent);
        let of = |code: &PerspectiveId| match self.replies.get(code) {
            Some(heard) => Some(finding(check, primary, &heard.reply, &self.plan.allowed)),
            None if silent == Silent::AsCorroborating && self.is_silent(code) => {
                Some(Finding::Corroborate)
            }
            None => None,
        };
        Findings {
            primary_passed: primary != Primary::DidNotPass,
            remotes: self
                .plan
                .cohort
                .remotes()
                .keys()
                .filter_map(|code| Some((code.clone(), of(code)?)))
                .collect(),
        }
    }

    /// A primary that is silent may still see whatever a remote saw.
    fn primary(&self, check: CheckKind, silent: Silent) -> Primary {
        let Some(code) = &self.plan.primary else {
            return self.plan.job.external_primary(check);
        };
        match self.replies.get(code) {
            Some(heard) => primary(check, &heard.reply, &self.plan.allowed),
            None if silent == Silent::AsCorroborating && self.is_silent(code) => Primary::Open,
            None => Primary::DidNotPass,
        }
    }
}

impl Plan {
    /// Where the primary determination comes from.
    pub fn primary_mode(&self) -> PrimaryMode {
        if self.primary.is_some() { PrimaryMode::Ask } else { PrimaryMode::External }
    }
}

#[cfg(test)]
mod tests;
