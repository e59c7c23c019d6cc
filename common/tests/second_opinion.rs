//! `decide` against a second implementation of BR 3.2.2.9 and S/MIME BR 4.2.2.2, written from
//! their text, deliberately naive, and sharing no code with it.
#![cfg(test)]

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use mpic_common::code::PerspectiveId;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::perspective::RegionalInternetRegistry as Region;
use mpic_common::policy::{
    Case, CertificateType, Findings, Outcome, Policy, Profile, Stricter, decide,
};

/// What one remote said of one check; nothing is silence.
type Said = Option<Finding>;

/// One remote: where it lies, and what it said of each check.
#[derive(Debug, Clone)]
struct Remote {
    region: Region,
    said: Vec<Said>,
}

#[derive(Debug, Clone)]
struct Question {
    s_mime: bool,
    day: Date,
    baseline_requirements: bool,
    primary_passed: Vec<bool>,
    remotes: Vec<Remote>,
    stricter: Limits,
}

/// What directory and job ask beyond the Baseline Requirements.
#[derive(Debug, Clone, Default)]
struct Limits {
    policy_remotes: Option<usize>,
    policy_non_corroborations: Option<usize>,
    job_remotes: Option<usize>,
    job_corroborations: Option<usize>,
}

/// May it be issued? As an auditor would work it out on paper.
fn on_paper(question: &Question) -> bool {
    let checks = question.primary_passed.len();
    if checks == 0 || question.primary_passed.contains(&false) {
        return false;
    }
    let each = (0..checks).all(|check| {
        quorum(question, &|remote: &Remote| remote.said[check] == Some(Finding::Corroborate))
    });
    let all_of_them =
        |remote: &Remote| remote.said.iter().all(|said| *said == Some(Finding::Corroborate));
    each && quorum(question, &all_of_them)
}

fn quorum(question: &Question, corroborates: &dyn Fn(&Remote) -> bool) -> bool {
    let asked = question.remotes.len();
    let corroborating: Vec<_> =
        question.remotes.iter().filter(|remote| corroborates(remote)).collect();
    let mut regions: Vec<_> = corroborating.iter().map(|remote| remote.region).collect();
    regions.sort_unstable();
    regions.dedup();

    // "Effective ... the CA MUST implement ... at least N remote Network Perspectives".
    let day = question.day;
    let first = if question.s_mime { date(2025, 5, 15) } else { date(2025, 3, 15) };
    if day < first {
        return false;
    }
    let mut least = 2;
    let mut two_regions = false;
    if day >= date(2026, 3, 15) {
        least = 3;
        two_regions = true;
    }
    if day >= date(2026, 6, 15) {
        least = 4;
    }
    if day >= date(2026, 12, 15) {
        least = 5;
    }
    if asked < least || (two_regions && regions.len() < 2) {
        return false;
    }
    // Who asks for more gets no less.
    let Limits { policy_remotes, policy_non_corroborations, job_remotes, job_corroborations } =
        question.stricter;
    if policy_remotes.is_some_and(|least| asked < least)
        || job_remotes.is_some_and(|least| asked < least)
        || job_corroborations.is_some_and(|least| corroborating.len() < least)
        || policy_non_corroborations.is_some_and(|most| asked - corroborating.len() > most)
    {
        return false;
    }
    // "2-5: 1, 6+: 2"; the strict profile allows none below six.
    let missing = asked - corroborating.len();
    if asked >= 6 {
        missing <= 2
    } else if question.baseline_requirements {
        missing <= 1
    } else {
        missing == 0
    }
}

/// The same question to the code that decides.
fn in_code(question: &Question) -> bool {
    let codes: Vec<PerspectiveId> =
        (0..question.remotes.len()).map(|index| format!("r{index}").parse().unwrap()).collect();
    let cohort: BTreeMap<_, _> =
        codes.iter().cloned().zip(question.remotes.iter().map(|remote| remote.region)).collect();
    let findings = |check: usize| Findings {
        primary_passed: question.primary_passed[check],
        remotes: codes
            .iter()
            .zip(&question.remotes)
            .filter_map(|(code, remote)| Some((code.clone(), remote.said[check]?)))
            .collect(),
    };
    let kinds = [CheckKind::Dcv, CheckKind::Caa];
    let checks = kinds.into_iter().zip(0..question.primary_passed.len());
    let profile = if question.baseline_requirements {
        Profile::BaselineRequirements
    } else {
        Profile::Strict
    };
    let limits = &question.stricter;
    let policy = Policy {
        remotes_min: limits.policy_remotes,
        non_corroborations_max: limits.policy_non_corroborations,
        ..Policy::of(profile)
    };
    let certificate_type =
        if question.s_mime { CertificateType::SMime } else { CertificateType::TlsServer };
    let decision = decide(&Case {
        certificate_type,
        date: question.day,
        policy: &policy,
        stricter: Stricter {
            remotes: limits.job_remotes,
            corroborations_min: limits.job_corroborations,
        },
        cohort: &cohort,
        checks: checks.map(|(kind, check)| (kind, findings(check))).collect(),
    });
    decision.outcome == Outcome::Corroborate
}

fn agree(question: &Question) {
    assert_eq!(in_code(question), on_paper(question), "{question:?}");
}

/// The day before, the day, and the day after each phase begins.
fn boundary_days() -> Vec<Date> {
    [(2025, 3), (2025, 5), (2025, 9), (2026, 3), (2026, 6), (2026, 12)]
        .into_iter()
        .map(|(year, month)| date(year, month, 15))
        .flat_map(|day| [day.yesterday().unwrap(), day, day.tomorrow().unwrap()])
        .collect()
}

const REGIONS: [Region; 3] = [Region::Arin, Region::RipeNcc, Region::Apnic];

/// Every cohort of up to six remotes in two regions, every pattern of who corroborates one check,
/// every day about a boundary, both profiles, both kinds of certificate.
#[test]
fn both_agree_on_every_small_cohort() {
    let mut asked = 0_u64;
    for day in boundary_days() {
        for (s_mime, baseline_requirements) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            for size in 0..=6_usize {
                for pattern in 0..4_usize.pow(u32::try_from(size).unwrap()) {
                    let remote = |index: usize| {
                        let digit = pattern >> (2 * index) & 3;
                        let said =
                            if digit & 1 == 1 { Finding::Corroborate } else { Finding::Contradict };
                        Remote { region: REGIONS[digit >> 1], said: vec![Some(said)] }
                    };
                    agree(&Question {
                        s_mime,
                        day,
                        baseline_requirements,
                        primary_passed: vec![true],
                        remotes: (0..size).map(remote).collect(),
                        stricter: Limits::default(),
                    });
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 18 * 4 * 5_461);
}

/// Every cohort of up to `size` remotes of these kinds, whatever their order.
fn cohorts(kinds: &[Remote], size: usize) -> Vec<Vec<Remote>> {
    let mut all = vec![Vec::new()];
    if size > 0 {
        for (index, first) in kinds.iter().enumerate() {
            let rest = cohorts(&kinds[index..], size - 1).into_iter();
            all.extend(rest.map(|rest| [vec![first.clone()], rest].concat()));
        }
    }
    all
}

/// Each of these cohorts on the day of each boundary and on the one before, in both profiles, for
/// both kinds of certificate, with these primaries.
fn agree_on(cohorts: &[Vec<Remote>], primaries: &[Vec<bool>]) {
    let days = boundary_days().into_iter().enumerate().filter(|(index, _)| index % 3 < 2);
    for (day, primary_passed, remotes) in days.flat_map(|(_, day)| {
        let with = move |primary| cohorts.iter().map(move |remotes| (day, primary, remotes));
        primaries.iter().flat_map(with)
    }) {
        for (s_mime, baseline_requirements) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let (primary_passed, remotes) = (primary_passed.clone(), remotes.clone());
            let stricter = Limits::default();
            agree(&Question {
                s_mime,
                day,
                baseline_requirements,
                primary_passed,
                remotes,
                stricter,
            });
        }
    }
}

/// All that one remote can say of one check: silence too.
#[test]
fn both_agree_on_every_cohort_of_up_to_six_whatever_each_remote_says() {
    let all =
        [None, Some(Finding::Corroborate), Some(Finding::Contradict), Some(Finding::Unavailable)];
    let kinds = REGIONS[..2]
        .iter()
        .flat_map(|region| all.iter().map(|said| Remote { region: *region, said: vec![*said] }));
    let cohorts = cohorts(&kinds.collect::<Vec<_>>(), 6);
    assert_eq!(cohorts.len(), 3_003);
    agree_on(&cohorts, &[vec![true]]);
    agree_on(&cohorts[..300], &[vec![false], vec![]]);
}

/// Both checks at once: who corroborates which.
#[test]
fn both_agree_on_every_cohort_of_up_to_six_that_is_asked_two_checks() {
    let said = |corroborates| if corroborates { Some(Finding::Corroborate) } else { None };
    let kinds = REGIONS[..2].iter().flat_map(|region| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(dcv, caa)| Remote { region: *region, said: vec![said(dcv), said(caa)] })
    });
    let cohorts = cohorts(&kinds.collect::<Vec<_>>(), 6);
    agree_on(&cohorts, &[vec![true, true]]);
    agree_on(&cohorts[..300], &[vec![true, false], vec![false, true], vec![false, false]]);
}

/// The xorshift64* generator: the same questions for the same seed, and fast.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn question(&mut self, boundary_days: &[Date]) -> Question {
        const ALL: [Region; 5] =
            [Region::Afrinic, Region::Apnic, Region::Arin, Region::Lacnic, Region::RipeNcc];
        // Mostly corroborating, or hardly any case would be.
        const SAID: [Said; 8] = [
            Some(Finding::Corroborate),
            Some(Finding::Corroborate),
            Some(Finding::Corroborate),
            Some(Finding::Corroborate),
            Some(Finding::Corroborate),
            Some(Finding::Contradict),
            Some(Finding::Unavailable),
            None,
        ];
        let day = if self.below(2) == 0 {
            self.one_of(boundary_days)
        } else {
            let days = i32::try_from(self.below(1_000)).unwrap();
            date(2025, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap()
        };
        let (checks, regions) = (self.below(3), self.one_of(&[1, 2, 5]));
        let remotes = (0..self.below(10))
            .map(|_| Remote {
                region: self.one_of(&ALL[..regions]),
                said: (0..checks).map(|_| self.one_of(&SAID)).collect(),
            })
            .collect();
        Question {
            s_mime: self.below(2) == 0,
            day,
            baseline_requirements: self.below(2) == 0,
            primary_passed: (0..checks).map(|_| self.below(10) > 0).collect(),
            remotes,
            stricter: self.limits(),
        }
    }

    /// Mostly none.
    fn limits(&mut self) -> Limits {
        let mut limit = |choices: &[usize]| {
            (self.below(8) == 0).then(|| choices[usize::try_from(self.below(3)).unwrap()])
        };
        Limits {
            policy_remotes: limit(&[2, 5, 7]),
            policy_non_corroborations: limit(&[0, 1, 2]),
            job_remotes: limit(&[3, 6, 8]),
            job_corroborations: limit(&[1, 4, 6]),
        }
    }
}

/// `MPIC_CASES` questions of the seed `MPIC_SEED`; by hand, optimised, millions take seconds.
#[test]
fn both_agree_on_anything() {
    let number =
        |name, default| std::env::var(name).map_or(default, |text: String| text.parse().unwrap());
    let (mut random, days) = (Random(number("MPIC_SEED", 7).max(1)), boundary_days());
    let (mut corroborated, cases) = (0, number("MPIC_CASES", 100_000));
    for _ in 0..cases {
        let question = random.question(&days);
        agree(&question);
        corroborated += u64::from(on_paper(&question));
    }
    assert!(corroborated * 20 > cases, "only {corroborated} of {cases} are corroborated");
}
