//! The decision: the quorum, its dates and its profiles, each stated here and nowhere else.

mod timeline;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use timeline::{CertificateType, Requirement};

use crate::code::PerspectiveId;
use crate::observation::{CheckKind, Finding};
use crate::perspective::RegionalInternetRegistry;

/// The version of `decide` below. Every version that ever signed a decision is kept.
pub const DECIDE_VERSION: u32 = 1;

/// How many non-corroborations a cohort may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// None below six remotes: satisfies the Baseline Requirements and the stricter tables that
    /// are in print.
    #[default]
    Strict,
    /// What BR 3.2.2.9 allows.
    BaselineRequirements,
}

impl Profile {
    /// The "Quorum Requirements" table of BR 3.2.2.9: non-corroborations that `remotes` may have.
    pub fn non_corroborations_max(self, remotes: usize) -> usize {
        match (self, remotes) {
            (_, 6..) => 2,
            (Self::BaselineRequirements, 2..=5) => 1,
            _ => 0,
        }
    }

    /// As in the directory document and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::BaselineRequirements => "baseline-requirements",
        }
    }
}

/// The policy of a directory document: a profile, and limits that only tighten it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The version of `decide` that it is written for.
    pub decide: u32,
    /// How many non-corroborations are allowed.
    pub profile: Profile,
    /// The least number of remotes; nil for that of the timeline.
    #[serde(default)]
    pub remotes_min: Option<usize>,
    /// The most non-corroborations; nil for that of the profile.
    #[serde(default)]
    pub non_corroborations_max: Option<usize>,
}

impl Policy {
    /// A policy that is the profile and nothing more.
    pub fn of(profile: Profile) -> Self {
        Self { decide: DECIDE_VERSION, profile, remotes_min: None, non_corroborations_max: None }
    }

    /// Errs where the policy is looser than the row in force on `day` for either kind of
    /// certificate.
    pub fn check(&self, day: Date) -> Result<(), Looser> {
        for certificates in [CertificateType::TlsServer, CertificateType::SMime] {
            let Some(row) = Requirement::in_force(certificates, day) else { continue };
            if let Some(remotes_min) = self.remotes_min.filter(|min| *min < row.remotes_min) {
                return Err(Looser { field: "remotes_min", value: remotes_min, row });
            }
        }
        let allowed = self.profile.non_corroborations_max(usize::MAX);
        match (self.non_corroborations_max, Requirement::in_force(CertificateType::TlsServer, day))
        {
            (Some(value), Some(row)) if value > allowed => {
                Err(Looser { field: "non_corroborations_max", value, row })
            }
            _ => Ok(()),
        }
    }

    /// How many of `remotes` may fail to corroborate.
    pub fn non_corroborations_max(&self, remotes: usize) -> usize {
        let profile = self.profile.non_corroborations_max(remotes);
        self.non_corroborations_max.map_or(profile, |limit| limit.min(profile))
    }
}

/// A limit that would loosen the Baseline Requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("policy.{field} `{value}` is looser than the row of BR 3.2.2.9 in force since {}: {row}", row.effective)]
pub struct Looser {
    field: &'static str,
    value: usize,
    row: Requirement,
}

/// What a job may ask beyond the policy; nil asks nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stricter {
    /// The size of the cohort.
    pub remotes: Option<usize>,
    /// The least number of corroborations.
    pub corroborations_min: Option<usize>,
}

/// All that `decide` looks at.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The kind of certificate.
    pub certificate_type: CertificateType,
    /// The UTC date of the job's admission.
    pub date: Date,
    /// The directory's policy.
    pub policy: &'a Policy,
    /// The job's own.
    pub stricter: Stricter,
    /// The remotes asked and the service region of each.
    pub cohort: &'a BTreeMap<PerspectiveId, RegionalInternetRegistry>,
    /// What came of each check asked.
    pub checks: BTreeMap<CheckKind, Findings>,
}

/// What came of one check. A remote without a finding was silent, which is a non-corroboration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Whether the primary passed.
    pub primary_passed: bool,
    /// One a remote at most.
    pub remotes: BTreeMap<PerspectiveId, Finding>,
}

/// Whether the certificate may be issued as far as these checks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Enough perspectives saw the same.
    Corroborate,
    /// They did not.
    Refuse,
}

impl Outcome {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corroborate => "corroborate",
            Self::Refuse => "refuse",
        }
    }
}

/// "3/4" of BR 5.4.1(2)(8): corroborating remotes of those asked. The primary is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// How many corroborate.
    pub corroborating: usize,
    /// How many were asked.
    pub cohort: usize,
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.corroborating, self.cohort))
    }
}

/// Why `decide` refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// Before the first row of the timeline.
    #[error("no requirement is in force for {certificates} on {date}, so nothing can be corroborated", certificates = .0.as_str(), date = .1)]
    NoRequirement(CertificateType, Date),
    /// The cohort is too small.
    #[error("{have} remote perspectives, {need} are needed")]
    Remotes {
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// The primary has nothing to corroborate.
    #[error("the primary perspective did not pass")]
    Primary,
    /// Too few see the same.
    #[error("{have} of {cohort} remote perspectives corroborate, {need} are needed")]
    Corroborations {
        /// How many do.
        have: usize,
        /// Of how many.
        cohort: usize,
        /// How many must.
        need: usize,
    },
    /// Those that do lie too close together on the Internet.
    #[error("the corroborating perspectives lie in {have} registries' regions, {need} are needed")]
    Registries {
        /// How many regions.
        have: usize,
        /// How many there must be.
        need: usize,
    },
}

/// The decision on one check, or on both together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckDecision {
    /// How many of how many.
    pub quorum: Quorum,
    /// May it be issued.
    pub outcome: Outcome,
    /// Why not; empty where it may.
    pub shortfalls: Vec<Shortfall>,
}

/// The decision on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// `Corroborate` only if every check is, and both together.
    pub outcome: Outcome,
    /// One a check asked.
    pub checks: BTreeMap<CheckKind, CheckDecision>,
    /// Where two checks were asked: the perspectives that corroborate both.
    pub both: Option<CheckDecision>,
}

/// Decides a case. It may be asked at any moment: silence is a non-corroboration.
///
/// BR 3.2.2.9; each check has its own quorum, and the perspectives that corroborate both must meet
/// it too.
pub fn decide(case: &Case<'_>) -> Decision {
    let corroborating: Vec<_> =
        case.checks.values().map(|findings| case.corroborating(findings)).collect();
    let checks: BTreeMap<_, _> = case
        .checks
        .iter()
        .zip(&corroborating)
        .map(|((check, findings), corroborating)| {
            (*check, case.decide_check(corroborating, findings.primary_passed))
        })
        .collect();
    let both = (case.checks.len() > 1).then(|| {
        let everywhere =
            |code: &&PerspectiveId| corroborating.iter().all(|codes| codes.contains(code));
        let corroborating: Vec<_> = case.cohort.keys().filter(everywhere).collect();
        let primary_passed = case.checks.values().all(|findings| findings.primary_passed);
        case.decide_check(&corroborating, primary_passed)
    });
    let corroborated = !checks.is_empty()
        && checks.values().chain(&both).all(|check| check.outcome == Outcome::Corroborate);
    let outcome = if corroborated { Outcome::Corroborate } else { Outcome::Refuse };
    Decision { outcome, checks, both }
}

impl<'a> Case<'a> {
    /// The members of the cohort that corroborate; without a primary that passed, none does.
    fn corroborating(&self, findings: &Findings) -> Vec<&'a PerspectiveId> {
        let corroborates = |code: &&PerspectiveId| {
            findings.primary_passed && findings.remotes.get(*code) == Some(&Finding::Corroborate)
        };
        self.cohort.keys().filter(corroborates).collect()
    }

    fn decide_check(
        &self,
        corroborating: &[&PerspectiveId],
        primary_passed: bool,
    ) -> CheckDecision {
        let quorum = Quorum { corroborating: corroborating.len(), cohort: self.cohort.len() };
        let mut shortfalls = Vec::new();
        if !primary_passed {
            shortfalls.push(Shortfall::Primary);
        }
        match Requirement::in_force(self.certificate_type, self.date) {
            None => shortfalls.push(Shortfall::NoRequirement(self.certificate_type, self.date)),
            Some(row) => shortfalls.extend(self.shortfalls(row, corroborating)),
        }
        let outcome = if shortfalls.is_empty() { Outcome::Corroborate } else { Outcome::Refuse };
        CheckDecision { quorum, outcome, shortfalls }
    }

    fn shortfalls(&self, row: Requirement, corroborating: &[&PerspectiveId]) -> Vec<Shortfall> {
        let cohort = self.cohort.len();
        let corroborations = corroborating.len();
        let registries: BTreeSet<_> =
            corroborating.iter().filter_map(|code| self.cohort.get(*code)).collect();
        let short = |have: usize, need: usize, shortfall| (have < need).then_some(shortfall);
        let remotes_min = self.remotes_min(row);
        let corroborations_min = self.corroborations_min();
        [
            short(cohort, remotes_min, Shortfall::Remotes { have: cohort, need: remotes_min }),
            short(
                corroborations,
                corroborations_min,
                Shortfall::Corroborations {
                    have: corroborations,
                    cohort,
                    need: corroborations_min,
                },
            ),
            short(
                registries.len(),
                row.registries_min,
                Shortfall::Registries { have: registries.len(), need: row.registries_min },
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The least cohort: the strictest of timeline, policy and job.
    pub fn remotes_min(&self, row: Requirement) -> usize {
        [Some(row.remotes_min), self.policy.remotes_min, self.stricter.remotes]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(row.remotes_min)
    }

    /// The least number of corroborations of this cohort: the strictest of policy and job, and
    /// never none.
    pub fn corroborations_min(&self) -> usize {
        let cohort = self.cohort.len();
        let policy = cohort - self.policy.non_corroborations_max(cohort);
        policy.max(self.stricter.corroborations_min.unwrap_or(0)).max(1)
    }
}

#[cfg(test)]
mod tests;
