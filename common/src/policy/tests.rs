use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::testing::remotes;

const TODAY: Date = date(2026, 11, 23);

/// A case of one check whose first `corroborating` remotes corroborate and the rest are silent.
fn decide_one(
    certificate_type: CertificateType,
    date: Date,
    profile: Profile,
    cohort: usize,
    corroborating: usize,
) -> CheckDecision {
    let cohort = remotes(cohort);
    let policy = Policy::of(profile);
    let findings = Findings {
        primary_passed: true,
        remotes: cohort
            .keys()
            .take(corroborating)
            .map(|code| (code.clone(), Finding::Corroborate))
            .collect(),
    };
    let case = Case {
        certificate_type,
        date,
        policy: &policy,
        stricter: Stricter::default(),
        cohort: &cohort,
        checks: BTreeMap::from([(CheckKind::Caa, findings)]),
    };
    decide(&case).checks.remove(&CheckKind::Caa).unwrap()
}

fn outcome(date: Date, profile: Profile, cohort: usize, corroborating: usize) -> Outcome {
    decide_one(CertificateType::TlsServer, date, profile, cohort, corroborating).outcome
}

#[test]
fn six_remotes_survive_two_non_corroborations_in_both_profiles() {
    for profile in [Profile::Strict, Profile::BaselineRequirements] {
        assert_eq!(outcome(TODAY, profile, 6, 4), Outcome::Corroborate);
        assert_eq!(outcome(TODAY, profile, 6, 3), Outcome::Refuse);
    }
}

#[test]
fn five_remotes_survive_one_only_under_the_baseline_requirements() {
    assert_eq!(outcome(TODAY, Profile::BaselineRequirements, 5, 4), Outcome::Corroborate);
    assert_eq!(outcome(TODAY, Profile::Strict, 5, 4), Outcome::Refuse);
    assert_eq!(outcome(TODAY, Profile::Strict, 5, 5), Outcome::Corroborate);
}

#[test]
fn each_phase_begins_at_its_day() {
    use CertificateType::{SMime, TlsServer};
    let least = |certificates, day| {
        (1..=6).find(|remotes| {
            decide_one(certificates, day, Profile::Strict, *remotes, *remotes).outcome
                == Outcome::Corroborate
        })
    };
    for (certificates, day, expected) in [
        (TlsServer, date(2025, 3, 14), None),
        (TlsServer, date(2025, 3, 15), Some(2)),
        (SMime, date(2025, 5, 14), None),
        (SMime, date(2025, 5, 15), Some(2)),
        (TlsServer, date(2026, 3, 14), Some(2)),
        (SMime, date(2026, 3, 15), Some(3)),
        (TlsServer, date(2026, 6, 14), Some(3)),
        (TlsServer, date(2026, 6, 15), Some(4)),
        (SMime, date(2026, 12, 14), Some(4)),
        (TlsServer, date(2026, 12, 15), Some(5)),
        (SMime, date(2026, 12, 15), Some(5)),
    ] {
        assert_eq!(least(certificates, day), expected, "{certificates:?} {day}");
    }
}

#[test]
fn corroboration_from_one_region_alone_is_a_shortfall() {
    let cohort: BTreeMap<_, _> =
        remotes(4).into_keys().map(|code| (code, RegionalInternetRegistry::Arin)).collect();
    let policy = Policy::of(Profile::Strict);
    let findings = Findings {
        primary_passed: true,
        remotes: cohort.keys().map(|code| (code.clone(), Finding::Corroborate)).collect(),
    };
    let case = Case {
        certificate_type: CertificateType::TlsServer,
        date: TODAY,
        policy: &policy,
        stricter: Stricter::default(),
        cohort: &cohort,
        checks: BTreeMap::from([(CheckKind::Dcv, findings)]),
    };
    let decision = decide(&case);
    assert_eq!(decision.outcome, Outcome::Refuse);
    let shortfalls = &decision.checks[&CheckKind::Dcv].shortfalls;
    assert_eq!(*shortfalls, [Shortfall::Registries { have: 1, need: 2 }]);
}

#[test]
fn the_perspectives_that_corroborate_both_checks_must_meet_the_quorum() {
    let cohort = remotes(6);
    let policy = Policy::of(Profile::Strict);
    let all_but = |silent: [&str; 2]| Findings {
        primary_passed: true,
        remotes: cohort
            .keys()
            .filter(|code| !silent.contains(&code.as_str()))
            .map(|code| (code.clone(), Finding::Corroborate))
            .collect(),
    };
    let case = Case {
        certificate_type: CertificateType::TlsServer,
        date: TODAY,
        policy: &policy,
        stricter: Stricter::default(),
        cohort: &cohort,
        checks: BTreeMap::from([
            (CheckKind::Dcv, all_but(["r0", "r1"])),
            (CheckKind::Caa, all_but(["r2", "r3"])),
        ]),
    };
    let decision = decide(&case);
    assert!(decision.checks.values().all(|check| check.outcome == Outcome::Corroborate));
    assert_eq!(decision.both.unwrap().quorum.to_string(), "2/6");
    assert_eq!(decision.outcome, Outcome::Refuse);
}

#[test]
fn a_stricter_job_is_honoured() {
    let cohort = remotes(6);
    let policy = Policy::of(Profile::Strict);
    let case = |stricter, corroborating: usize| Case {
        certificate_type: CertificateType::TlsServer,
        date: TODAY,
        policy: &policy,
        stricter,
        cohort: &cohort,
        checks: BTreeMap::from([(
            CheckKind::Caa,
            Findings {
                primary_passed: true,
                remotes: cohort
                    .keys()
                    .take(corroborating)
                    .map(|code| (code.clone(), Finding::Corroborate))
                    .collect(),
            },
        )]),
    };
    let stricter = Stricter { remotes: None, corroborations_min: Some(6) };
    assert_eq!(decide(&case(stricter, 5)).outcome, Outcome::Refuse);
    assert_eq!(decide(&case(stricter, 6)).outcome, Outcome::Corroborate);
    let more = Stricter { remotes: Some(7), corroborations_min: None };
    assert_eq!(decide(&case(more, 6)).outcome, Outcome::Refuse);
}

#[test]
fn a_job_without_checks_is_refused() {
    let (cohort, policy) = (remotes(6), Policy::of(Profile::Strict));
    let case = Case {
        certificate_type: CertificateType::TlsServer,
        date: TODAY,
        policy: &policy,
        stricter: Stricter::default(),
        cohort: &cohort,
        checks: BTreeMap::new(),
    };
    assert_eq!(decide(&case).outcome, Outcome::Refuse);
}

#[test]
fn a_looser_policy_names_the_row() {
    let policy = Policy { remotes_min: Some(3), ..Policy::of(Profile::Strict) };
    let error = policy.check(TODAY).unwrap_err().to_string();
    assert_eq!(
        error,
        "policy.remotes_min `3` is looser than the row of BR 3.2.2.9 in force since 2026-06-15: \
         4 remote perspectives in 2 registries' regions"
    );
    assert_eq!(policy.check(date(2026, 3, 15)), Ok(()));
    let policy = Policy { non_corroborations_max: Some(3), ..Policy::of(Profile::Strict) };
    assert!(policy.check(TODAY).is_err());
}

fn findings() -> impl Strategy<Value = Vec<Option<Finding>>> {
    let finding = prop_oneof![
        Just(None),
        Just(Some(Finding::Corroborate)),
        Just(Some(Finding::Contradict)),
        Just(Some(Finding::Unavailable)),
    ];
    prop::collection::vec(finding, 0..9)
}

proptest! {
    /// One more corroboration never turns a corroborated job into a refused one, so the silent
    /// as silent and the silent as corroborating bound every completion.
    #[test]
    fn decide_is_monotone(
        before in findings(),
        at in any::<prop::sample::Index>(),
        days in 0i32..900,
        profile in prop_oneof![Just(Profile::Strict), Just(Profile::BaselineRequirements)],
    ) {
        prop_assume!(!before.is_empty());
        let cohort = remotes(before.len());
        let policy = Policy::of(profile);
        let case = |findings: &[Option<Finding>]| {
            let remotes = cohort
                .keys()
                .zip(findings)
                .filter_map(|(code, finding)| Some((code.clone(), (*finding)?)))
                .collect();
            let findings = Findings { primary_passed: true, remotes };
            let date = date(2025, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            decide(&Case {
                certificate_type: CertificateType::TlsServer,
                date,
                policy: &policy,
                stricter: Stricter::default(),
                cohort: &cohort,
                checks: BTreeMap::from([(CheckKind::Caa, findings)]),
            })
            .outcome
        };
        let mut after = before.clone();
        after[at.index(before.len())] = Some(Finding::Corroborate);
        prop_assert!(
            case(&before) == Outcome::Refuse || case(&after) == Outcome::Corroborate
        );
    }
}
