//! How many perspectives, which quorum and how many attempts: what a request asks, never looser
//! than the policy.

use mpic_common::cohort::PrimaryPlace;
use mpic_common::directory::Directory;
use mpic_common::perspective::Place;
use mpic_common::policy::{CertificateType, Policy, Requirement, Stricter};
use mpic_common::selection::prospects;
use mpic_common::time::UnixMs;
use serde_json::{Map, Value};

use crate::issue::{Issue, kind};

/// `orchestration_parameters`, where they are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Remote perspectives.
    pub perspective_count: Option<i64>,
    /// Corroborations needed.
    pub quorum_count: Option<i64>,
    /// Attempts, each a job of its own.
    pub max_attempts: Option<i64>,
    /// Forces one attempt; cohorts are not numbered.
    pub cohort_for_single_attempt: Option<i64>,
}

/// What the policy of a day and a directory allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The least cohort.
    pub remotes_min: usize,
    /// The largest cohort that the directory can provide; the least one where it can provide none.
    pub remotes_max: usize,
    /// The least number of registries' service regions.
    pub registries_min: usize,
    /// How many may fail.
    pub policy: Policy,
}

/// What will be asked of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Beyond the policy.
    pub stricter: Stricter,
    /// Jobs at most.
    pub attempts: usize,
    /// The cohort of a job for which none is selected.
    pub remotes: usize,
}

impl Rules {
    /// The rules for certificates of a CA whose primary perspective is at `primary`.
    pub fn of(
        directory: &Directory,
        primary: Place,
        certificates: CertificateType,
        at: UnixMs,
    ) -> Self {
        let policy = directory.policy().clone();
        let Some(row) = Requirement::in_force(certificates, at.date()) else {
            return Self { remotes_min: 1, remotes_max: 1, registries_min: 1, policy };
        };
        let remotes_min = row.remotes_min.max(policy.remotes_min.unwrap_or(0));
        let remotes_max = prospects(directory, PrimaryPlace::External(primary), at, row)
            .into_iter()
            .filter(|prospect| prospect.registries_left >= row.registries_min)
            .map(|prospect| prospect.remotes)
            .max();
        let remotes_max = remotes_max.unwrap_or(remotes_min);
        Self { remotes_min, remotes_max, registries_min: row.registries_min, policy }
    }

    /// The corroborations that `remotes` need.
    pub fn quorum(&self, remotes: usize, stricter: Stricter) -> usize {
        let policy = remotes.saturating_sub(self.policy.non_corroborations_max(remotes));
        policy.max(stricter.corroborations_min.unwrap_or(0)).max(1)
    }

    /// What to ask the coordinator; `attempts_cap` is the gateway's own limit.
    pub fn plan(&self, asked: &Asked, attempts_cap: usize) -> Result<Plan, Vec<Issue>> {
        let mut issues = Vec::new();
        let remotes = asked.perspective_count.map(|count| {
            self.remotes(count).unwrap_or_else(|| {
                let message = format!("Invalid perspective count: {count}");
                issues.push(issue(kind::INVALID_PERSPECTIVE_COUNT, message, "perspective_count"));
                self.remotes_min
            })
        });
        let corroborations_min = asked.quorum_count.and_then(|quorum| {
            let least = self.corroborations(quorum, asked.perspective_count);
            if least.is_none() {
                let message = format!("Invalid quorum count: {quorum}");
                issues.push(issue(kind::INVALID_QUORUM_COUNT, message, "quorum_count"));
            }
            least
        });
        if !issues.is_empty() {
            return Err(issues);
        }
        // Nought asks for no more than the policy does; it does not mean to look on only.
        let corroborations_min = corroborations_min.filter(|least| *least > 0);
        Ok(Plan {
            stricter: Stricter { remotes, corroborations_min },
            attempts: asked.attempts(attempts_cap),
            remotes: remotes.unwrap_or(self.remotes_min),
        })
    }

    /// The cohort that `count` asks for, raised to the policy's.
    fn remotes(&self, count: i64) -> Option<usize> {
        let count = usize::try_from(count).ok().filter(|count| *count >= 2)?;
        (count <= self.remotes_max.max(self.remotes_min)).then_some(count.max(self.remotes_min))
    }

    /// The corroborations that `quorum` asks for: beside a count it keeps the allowance and never
    /// widens it; alone it raises what the policy wants.
    fn corroborations(&self, quorum: i64, count: Option<i64>) -> Option<usize> {
        let quorum = usize::try_from(quorum).ok()?;
        let Some(count) = count else {
            return (quorum <= self.remotes_max.max(self.remotes_min)).then_some(quorum);
        };
        // A count that cannot be has an issue of its own.
        let Ok(count) = usize::try_from(count) else { return Some(0) };
        let allowance = count.checked_sub(quorum)?;
        if allowance > if count <= 5 { 1 } else { 2 } {
            return None;
        }
        let remotes = count.max(self.remotes_min);
        let allowance = allowance.min(self.policy.non_corroborations_max(remotes));
        Some(remotes.saturating_sub(allowance))
    }
}

fn issue(issue_type: &'static str, message: String, name: &str) -> Issue {
    Issue::new(issue_type, message, ["orchestration_parameters", name])
}

impl Asked {
    /// Jobs at most.
    fn attempts(&self, cap: usize) -> usize {
        match (self.cohort_for_single_attempt, self.max_attempts) {
            (Some(_), _) | (None, None) => 1,
            (None, Some(asked)) => usize::try_from(asked).unwrap_or(1).clamp(1, cap.max(1)),
        }
    }

    /// The attempts that were asked for and not granted, and those that were.
    pub fn attempts_adjusted(&self, cap: usize) -> Option<(i64, usize)> {
        let used = self.attempts(cap);
        let asked = self.max_attempts?;
        (usize::try_from(asked) != Ok(used)).then_some((asked, used))
    }

    /// As received, less what was null.
    pub fn to_json(self) -> Map<String, Value> {
        [
            ("perspective_count", self.perspective_count),
            ("quorum_count", self.quorum_count),
            ("max_attempts", self.max_attempts),
            ("cohort_for_single_attempt", self.cohort_for_single_attempt),
        ]
        .into_iter()
        .filter_map(|(name, asked)| Some((name.to_owned(), asked?.into())))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use mpic_common::policy::Profile;

    use super::*;

    fn rules(remotes_min: usize, remotes_max: usize, profile: Profile) -> Rules {
        Rules { remotes_min, remotes_max, registries_min: 2, policy: Policy::of(profile) }
    }

    fn asked(perspective_count: Option<i64>, quorum_count: Option<i64>) -> Asked {
        Asked { perspective_count, quorum_count, ..Asked::default() }
    }

    /// The cohort asked for and its quorum, for a directory of six.
    fn planned(
        count: Option<i64>,
        quorum: Option<i64>,
        profile: Profile,
    ) -> Option<(usize, usize)> {
        let rules = rules(4, 6, profile);
        let plan = rules.plan(&asked(count, quorum), 3).ok()?;
        let remotes = plan.stricter.remotes.unwrap_or(6);
        Some((remotes, rules.quorum(remotes, plan.stricter)))
    }

    #[test]
    fn each_row_of_the_table_holds() {
        let strict = Profile::Strict;
        let br = Profile::BaselineRequirements;
        for (count, quorum, profile, expected) in [
            (None, None, strict, Some((6, 4))),
            (Some(6), None, strict, Some((6, 4))),
            (Some(5), None, strict, Some((5, 5))),
            (Some(5), None, br, Some((5, 4))),
            (Some(3), None, br, Some((4, 3))),
            (Some(2), Some(2), br, Some((4, 4))),
            (Some(2), Some(1), br, Some((4, 3))),
            (Some(2), Some(1), strict, Some((4, 4))),
            (Some(6), Some(6), br, Some((6, 6))),
            (Some(6), Some(4), br, Some((6, 4))),
            (None, Some(5), strict, Some((6, 5))),
            (None, Some(1), strict, Some((6, 4))),
            (None, Some(0), strict, Some((6, 4))),
        ] {
            assert_eq!(planned(count, quorum, profile), expected, "{count:?} {quorum:?}");
        }
    }

    #[test]
    fn a_quorum_of_nought_asks_for_no_more_than_the_policy() {
        let plan = rules(4, 6, Profile::Strict).plan(&asked(None, Some(0)), 3).unwrap();
        assert_eq!(plan.stricter, Stricter::default());
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_known_text() {
        let rules = rules(4, 6, Profile::BaselineRequirements);
        for (count, quorum, expected) in [
            (Some(1), None, "Invalid perspective count: 1"),
            (Some(-7), None, "Invalid perspective count: -7"),
            (Some(7), None, "Invalid perspective count: 7"),
            (Some(i64::MAX), None, "Invalid perspective count: 9223372036854775807"),
            (Some(5), Some(3), "Invalid quorum count: 3"),
            (Some(5), Some(6), "Invalid quorum count: 6"),
            (Some(6), Some(3), "Invalid quorum count: 3"),
            (None, Some(-1), "Invalid quorum count: -1"),
            (None, Some(7), "Invalid quorum count: 7"),
        ] {
            let issues = rules.plan(&asked(count, quorum), 3).unwrap_err();
            let messages: Vec<_> = issues.iter().map(|issue| issue.message.as_str()).collect();
            assert_eq!(messages, [expected]);
        }
    }

    #[test]
    fn nothing_asked_can_lower_what_the_policy_wants() {
        for profile in [Profile::Strict, Profile::BaselineRequirements] {
            for count in [None].into_iter().chain((-1..9).map(Some)) {
                for quorum in [None].into_iter().chain((-1..9).map(Some)) {
                    let Some((remotes, needed)) = planned(count, quorum, profile) else { continue };
                    assert!(remotes >= 4 && needed <= remotes, "{count:?} {quorum:?}");
                    let policy = remotes - profile.non_corroborations_max(remotes);
                    assert!(needed >= policy, "{count:?} {quorum:?} {profile:?}");
                }
            }
        }
    }

    #[test]
    fn attempts_are_one_to_the_cap() {
        let attempts = |max_attempts, cohort_for_single_attempt, cap| {
            let asked = Asked { max_attempts, cohort_for_single_attempt, ..Asked::default() };
            (asked.attempts(cap), asked.attempts_adjusted(cap))
        };
        assert_eq!(attempts(None, None, 3), (1, None));
        assert_eq!(attempts(Some(2), None, 3), (2, None));
        assert_eq!(attempts(Some(10), None, 3), (3, Some((10, 3))));
        assert_eq!(attempts(Some(-1), None, 3), (1, Some((-1, 1))));
        assert_eq!(attempts(Some(3), Some(2), 3), (1, Some((3, 1))));
    }
}
