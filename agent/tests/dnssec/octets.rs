//! Servers whose messages are cut, bent and lengthened on the way: every question ends with a
//! named outcome, and none of them hides a signed prohibition.

use std::sync::Mutex;

use domain::base::iana::Rtype;
use mpic_common::evidence::DnsOutcome;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::forged::plan;
use crate::forger::prohibits;
use crate::world::{Asked, Say, Zones};

/// One thing that happens to a message on its way.
#[derive(Debug, Clone)]
enum Damage {
    Flip {
        at: usize,
        with: u8,
    },
    Cut {
        to: usize,
    },
    Append(Vec<u8>),
    /// The octets from one place stand at another too.
    Copy {
        from: usize,
        to: usize,
        length: usize,
    },
    Replace(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<usize>;
    prop_oneof![
        6 => (place(), 1_u8..).prop_map(|(at, with)| Damage::Flip { at, with }),
        1 => place().prop_map(|to| Damage::Cut { to }),
        1 => any::<Vec<u8>>().prop_map(Damage::Append),
        2 => (place(), place(), 1_usize..40)
            .prop_map(|(from, to, length)| Damage::Copy { from, to, length }),
        1 => any::<Vec<u8>>().prop_map(Damage::Replace),
    ]
}

impl Damage {
    /// Id and question stay, or else nobody would look at the rest.
    fn apply(&self, octets: &mut Vec<u8>, question_end: usize) {
        let place = |number: usize, octets: &[u8]| match number % octets.len() {
            position @ 2..12 => position,
            position => position.max(question_end).min(octets.len() - 1),
        };
        match self {
            Self::Flip { at, with } => {
                let at = place(*at, octets);
                octets[at] ^= with;
            }
            Self::Cut { to } => octets.truncate(place(*to, octets)),
            Self::Append(more) => octets.extend(more),
            Self::Copy { from, to, length } => {
                let (from, to) = (place(*from, octets), place(*to, octets));
                let length = (*length).min(octets.len() - from.max(to));
                octets.copy_within(from..from + length, to);
            }
            Self::Replace(with) => {
                octets.truncate(question_end);
                octets.extend(with);
            }
        }
    }
}

/// What happens to the messages of the case in hand; a script's distortion holds no state.
static DAMAGES: Mutex<Vec<Damage>> = Mutex::new(Vec::new());

fn damaged(mut octets: Vec<u8>) -> Vec<Vec<u8>> {
    // Each name of the question is written out: labels up to the root, then type and class.
    let mut question_end = 12;
    while let Some(length @ 1..) = octets.get(question_end) {
        question_end += usize::from(*length) + 1;
    }
    question_end += 5;
    for damage in DAMAGES.lock().unwrap().iter() {
        if octets.len() > question_end {
            damage.apply(&mut octets, question_end);
        }
    }
    vec![octets]
}

#[test]
fn no_damage_to_messages_turns_a_signed_prohibition_into_permission() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let damaging = |asked: &Asked, say: Say, _: &Zones| {
        // The delegations stay, or else nothing would be asked at all.
        if asked.qtype == Rtype::NS { say } else { Say { distort: damaged, ..say } }
    };
    let plan = plan().lying("victim.com", damaging).lying("com", damaging);
    let world = runtime.block_on(plan.start());
    let honest = runtime.block_on(world.ask("victim.com", Rtype::CAA));
    assert!(honest.outcome == DnsOutcome::Answer && prohibits(&honest), "{honest:?}");

    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let strategy = proptest::collection::vec(damage(), 1..5);
    let result = runner.run(&strategy, |damages| {
        *DAMAGES.lock().unwrap() = damages;
        let seen = runtime.block_on(world.ask("victim.com", Rtype::CAA));
        prop_assert!(prohibits(&seen), "{:?}", seen);
        prop_assert!(seen.outcome.is_settled() || seen.outcome.reason().is_some());
        Ok(())
    });
    result.unwrap();
}

/// Some 50 ms each, more where nothing comes that could be taken for a reply.
const CASES: u32 = 96;
