use std::collections::BTreeSet;

use crate::observation::{CheckKind, Finding};
use crate::perspective::{Location, Place, RegionalInternetRegistry};
use crate::policy::{Case, Findings, Outcome, decide};
use crate::testing::{Fleet, dns_01_job};
use proptest::prelude::*;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn select_from(fleet: &Fleet, job: &Job, seed: u64) -> Result<Cohort, SelectionError> {
    select(job, &fleet.directory(), fleet.primary(), NOW, seed)
}

#[test]
fn all_suitable_remotes_are_the_cohort() {
    let cohort = select_from(&Fleet::new(6), &dns_01_job("a.example"), 1).unwrap();
    assert_eq!(cohort.remotes().len(), 6);
}

#[test]
fn a_job_may_ask_for_fewer_and_the_seed_chooses() {
    let (fleet, mut job) = (Fleet::new(8), dns_01_job("a.example"));
    job.stricter.remotes = Some(5);
    let cohorts: BTreeSet<Vec<_>> = (0..50)
        .map(|seed| select_from(&fleet, &job, seed).unwrap())
        .map(|cohort| cohort.remotes().keys().cloned().collect())
        .collect();
    assert!(cohorts.iter().all(|cohort| cohort.len() == 5));
    // One of each region: of the three regions that have two, either.
    assert_eq!(cohorts.len(), 8);
    let again = select_from(&fleet, &job, 7).unwrap();
    assert_eq!(select_from(&fleet, &job, 7).unwrap(), again, "a seed gives one cohort");
}

#[test]
fn one_provider_does_not_make_a_cohort_where_there_is_a_choice() {
    let fleet = Fleet::of(&[RegionalInternetRegistry::Arin; 6]);
    let directory = fleet.directory();
    let of = |index: usize| if index < 3 { "one" } else { "other" }.to_owned();
    let perspectives: Vec<_> = directory
        .perspectives(NOW)
        .enumerate()
        .map(|(index, one)| Perspective { provider: Some(of(index)), ..one.clone() })
        .collect();
    let candidates: Vec<_> = perspectives.iter().collect();
    let cohort = Pool::new(&candidates).spread(2);
    assert_ne!(cohort[0].provider, cohort[1].provider);
    let unnamed: Vec<_> = directory.perspectives(NOW).collect();
    let codes: Vec<_> = Pool::new(&unnamed).spread(2).into_iter().map(|one| &one.code).collect();
    assert_eq!(codes, [&unnamed[0].code, &unnamed[1].code], "nobody is of one provider");
}

#[test]
fn two_providers_in_each_of_twenty_cities_are_twenty_remotes_at_once() {
    let directory = Fleet::new(1).directory();
    let one = directory.perspectives(NOW).next().unwrap();
    let cities = (0..20).flat_map(|city: i32| {
        let location = Location::new(0, 17_000_000 * city - 170_000_000).unwrap();
        let place = Place { location, ..one.egress };
        ["a", "b"].map(|provider| Perspective {
            code: format!("{provider}{city}").parse().unwrap(),
            provider: Some(provider.to_owned()),
            egress: place,
            resolver: place,
            ..one.clone()
        })
    });
    let perspectives: Vec<_> = cities.collect();
    let candidates: Vec<_> = perspectives.iter().collect();
    let pool = Pool::new(&candidates);
    assert_eq!(pool.largest(), 20);
    assert_eq!(pool.spread(20).len(), 20);
}

#[test]
fn too_few_remotes_are_refused_before_anyone_is_asked() {
    let error = select_from(&Fleet::new(4), &dns_01_job("a.example"), 1).unwrap_err();
    assert_eq!(error, SelectionError::TooFew { needed: 5, found: 4 });
}

#[test]
fn the_seed_depends_on_the_secret_and_the_job() {
    use crate::testing::job_id;
    assert_ne!(seed(&[1; 32], &job_id(1)), seed(&[2; 32], &job_id(1)));
    assert_ne!(seed(&[1; 32], &job_id(1)), seed(&[1; 32], &job_id(2)));
}

#[test]
fn an_external_primary_needs_a_place() {
    let mut job = dns_01_job("a.example");
    job.primary = PrimaryMode::External;
    let error = select_from(&Fleet::new(6), &job, 1).unwrap_err();
    assert_eq!(error, SelectionError::NoExternalPrimary);
}

#[test]
fn a_cohort_keeps_two_regions_whichever_allowed_failures_happen() {
    use RegionalInternetRegistry::{Apnic, Arin, RipeNcc};
    // Of six remotes two may fail; the two outside ARIN could be those.
    let fleet = Fleet::of(&[Arin, Arin, Arin, Arin, RipeNcc, Apnic]);
    let cohort = select_from(&fleet, &dns_01_job("a.example"), 1).unwrap();
    // Of five none may, under the strict profile.
    assert_eq!(cohort.remotes().len(), 5);
    let one_region = Fleet::of(&[Arin; 6]);
    let error = select_from(&one_region, &dns_01_job("a.example"), 1).unwrap_err();
    assert_eq!(error, SelectionError::TooFewRegistries { needed: 2 });
}

#[test]
fn the_outlook_names_the_day_from_which_more_are_needed() {
    let before = UnixMs(1_796_000_000_000);
    assert_eq!(before.date().to_string(), "2026-11-30");
    let outlook = |remotes, at| {
        let fleet = Fleet::new(remotes);
        outlook(&fleet.directory(), fleet.primary(), at)
    };
    assert_eq!(outlook(6, before), Ok(vec![]));
    let none_may_fail = "remote perspectives none may fail: one that is dead refuses every job";
    assert_eq!(
        outlook(4, before),
        Ok(vec![
            "from 2026-12-15 5 remote perspectives are needed; 4 are distinct".to_owned(),
            format!("with 4 {none_may_fail}"),
        ])
    );
    assert_eq!(outlook(5, NOW), Ok(vec![format!("with 5 {none_may_fail}")]));
    assert_eq!(outlook(4, NOW), Err(SelectionError::TooFew { needed: 5, found: 4 }));
}

proptest! {
    /// Whatever the regions and whoever fails within what is allowed: `decide` corroborates.
    #[test]
    fn no_selected_cohort_fails_within_its_allowed_failures(
        regions in prop::collection::vec(0_usize..5, 0..10),
        seed in any::<u64>(),
        wanted in prop::option::of(5_usize..10),
        failing in any::<u16>(),
    ) {
        const ALL: [RegionalInternetRegistry; 5] = [
            RegionalInternetRegistry::Afrinic,
            RegionalInternetRegistry::Apnic,
            RegionalInternetRegistry::Arin,
            RegionalInternetRegistry::Lacnic,
            RegionalInternetRegistry::RipeNcc,
        ];
        let fleet = Fleet::of(&regions.iter().map(|region| ALL[*region]).collect::<Vec<_>>());
        let mut job = dns_01_job("a.example");
        job.stricter.remotes = wanted;
        let Ok(cohort) = select_from(&fleet, &job, seed) else { return Ok(()) };
        let directory = fleet.directory();
        let allowed = directory.policy().non_corroborations_max(cohort.remotes().len());
        let fails = |index: &usize| failing >> index & 1 == 1;
        let failed: Vec<_> = (0..cohort.remotes().len()).filter(fails).take(allowed).collect();
        let corroborating = cohort.remotes().keys().enumerate();
        let remotes = corroborating
            .filter(|(index, _)| !failed.contains(index))
            .map(|(_, code)| (code.clone(), Finding::Corroborate))
            .collect();
        let findings = Findings { primary_passed: true, remotes };
        let decision = decide(&Case {
            certificate_type: job.certificate_type,
            date: NOW.date(),
            policy: directory.policy(),
            stricter: job.stricter,
            cohort: cohort.remotes(),
            checks: [(CheckKind::Dcv, findings)].into(),
        });
        prop_assert_eq!(decision.outcome, Outcome::Corroborate);
    }
}
