//! The real coordinators, agents and audit consumer on one thread and one paused clock, over a
//! played bus on which everything happens that a network, a disk or an attacker can do.
//!
//! `MPIC_SEED=n` runs one seed; `MPIC_SEEDS=n` runs so many instead of 1,000.
#![cfg(test)]

mod attacker;
mod bus;
mod ca;
mod clock;
mod fixture;
mod internet;
mod invariants;
mod link;
mod op;
mod processes;
mod receipt;
mod regressions;
mod stream;
mod system;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use fixture::Fixture;
use op::{Op, generate};

/// Seeds of the ordinary run, in so many tests at a time.
const SEEDS: u64 = 1_000;
const PARTS: u64 = 8;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

type Counts = BTreeMap<&'static str, u64>;

/// Runs one list of operations and gives what does not hold.
fn broken(fixture: &Arc<Fixture>, seed: u64, ops: &[Op], counts: &mut Counts) -> Vec<String> {
    let outcome = system::run(fixture, seed, ops);
    for (what, times) in outcome.seen {
        *counts.entry(what).or_default() += times;
    }
    outcome.violations
}

/// The operations as a regression keeps them.
fn listed(ops: &[Op]) -> String {
    ops.iter().fold(String::new(), |text, op| text + &format!("    {op:?},\n"))
}

/// A part of the seeds, and that in them everything happens that a run should be about.
fn part(part: u64) {
    let fixture = Fixture::new();
    let (only, seeds) = (number("MPIC_SEED"), number("MPIC_SEEDS").unwrap_or(SEEDS));
    let (mut counts, mut failed) = (Counts::new(), Vec::new());
    let all = (part..seeds).step_by(usize::try_from(PARTS).unwrap());
    for seed in only.map_or(all.collect(), |seed| vec![seed]) {
        let broken = broken(&fixture, seed, &generate(seed), &mut counts);
        if !broken.is_empty() {
            failed.push((seed, broken.join("\n")));
        }
    }
    if let Some((seed, broken)) = failed.first() {
        let others: Vec<_> = failed.iter().skip(1).map(|(seed, _)| seed).collect();
        let ops = listed(&generate(*seed));
        panic!("seed {seed}:\n{broken}\n[\n{ops}]\nso do the seeds {others:?}");
    }
    if only.is_some() {
        return;
    }
    if seeds >= SEEDS {
        for what in [
            "acked",
            "answered",
            "refused",
            "killed",
            "corroborated",
            "not corroborated",
            "rejected replies",
            "ended as asked",
            "ended unasked",
            "late",
            "superseded",
            "revoked",
            "proven",
            "not proven yet",
        ] {
            assert!(counts.contains_key(what), "{what} never happened: {counts:?}");
        }
    }
}

/// Parts run side by side.
macro_rules! parts {
    ($($name:ident $number:literal)*) => {
        mod what_must_hold_holds_in_every_run {
            $(#[test]
            fn $name() {
                super::part($number);
            })*
        }
    };
}

parts! {
    part_0 0 part_1 1 part_2 2 part_3 3 part_4 4 part_5 5 part_6 6 part_7 7
}

#[test]
fn a_seed_gives_the_same_run() {
    let fixture = Fixture::new();
    for seed in number("MPIC_SEED").map_or(0..20, |seed| seed..seed + 1) {
        let ops = generate(seed);
        let [first, second] = [(); 2].map(|()| system::run(&fixture, seed, &ops));
        assert_eq!((first.trace, first.seen), (second.trace, second.seen), "seed {seed}");
    }
}
