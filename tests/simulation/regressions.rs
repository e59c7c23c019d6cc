//! Operations that once led to something that must not happen. They run for ever.

use std::collections::BTreeMap;

use crate::fixture::Fixture;
use crate::op::Attack::MisdateReplies;
use crate::op::Op;
use crate::op::Op::{Attack, Pass, Submit};
use crate::op::Primary::{First, Together};
use crate::op::Site::{Honest, Victim};
use crate::{broken, listed};

/// All that these operations lead to holds, whoever holds which perspectives.
fn holds(ops: &[Op]) {
    let fixture = Fixture::new();
    for seed in 0..8 {
        let broken = broken(&fixture, seed, ops, &mut BTreeMap::new());
        assert!(broken.is_empty(), "seed {seed}:\n{}\n[\n{}]", broken.join("\n"), listed(ops));
    }
}

/// The decision counted them, and the auditor then took the log for a forged one.
#[test]
fn replies_of_another_time_do_not_count() {
    holds(&[
        Attack(MisdateReplies),
        Submit { site: Honest, primary: First, budget_ms: 10_000 },
        Pass { ms: 3_000 },
        Submit { site: Victim, primary: Together, budget_ms: 10_000 },
        Pass { ms: 3_000 },
    ]);
}

/// What is kept here is written as a failing run prints it.
#[test]
fn a_list_is_printed_as_it_is_kept() {
    let ops = [Submit { site: Honest, primary: First, budget_ms: 5_000 }, Pass { ms: 10 }];
    let text =
        "    Submit { site: Honest, primary: First, budget_ms: 5000 },\n    Pass { ms: 10 },\n";
    assert_eq!(listed(&ops), text);
}
