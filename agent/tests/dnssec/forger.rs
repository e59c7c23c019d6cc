//! A forger on the path changes replies about a restrictive, signed CAA set, and about the keys
//! and delegations above it, in random ways: he may end the check, but he never makes the
//! prohibition go away.

use std::sync::{Arc, Mutex};

use domain::base::UnknownRecordData;
use domain::base::iana::{OptRcode, Rtype};
use domain::base::rdata::ComposeRecordData;
use domain::rdata::ZoneRecordData;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::forged::{plan, signed_by, unsigned_soa};
use crate::world::{Asked, Record, Say, Zones, name, record, renamed};

/// One thing that he does. A number picks a record, modulo how many there are.
#[derive(Debug, Clone)]
enum Tampering {
    Remove(usize),
    Repeat(usize),
    Rename(usize, &'static str),
    Flip(usize, usize),
    Sign(usize, &'static str),
    Answer(usize),
    Deny(usize),
    Empty,
    NoSuchName,
    NotAuthoritative,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let which = any::<usize>;
    let whose = || prop_oneof![Just("plain.com"), Just("victim.com"), Just("com"), Just("")];
    prop_oneof![
        which().prop_map(Tampering::Remove),
        which().prop_map(Tampering::Repeat),
        (which(), whose()).prop_map(|(which, owner)| Tampering::Rename(which, owner)),
        (which(), which()).prop_map(|(which, bit)| Tampering::Flip(which, bit)),
        (which(), whose()).prop_map(|(which, signer)| Tampering::Sign(which, signer)),
        which().prop_map(Tampering::Answer),
        which().prop_map(Tampering::Deny),
        Just(Tampering::Empty),
        Just(Tampering::NoSuchName),
        Just(Tampering::NotAuthoritative),
    ]
}

impl Tampering {
    fn apply(&self, say: &mut Say, all: &Zones) {
        match self {
            Self::Remove(which) => {
                if let Some(index) = index(&say.answer, *which) {
                    drop(say.answer.remove(index));
                }
            }
            Self::Repeat(which) => {
                if let Some(index) = index(&say.answer, *which) {
                    say.answer.push(say.answer[index].clone());
                }
            }
            Self::Rename(which, owner) => {
                change(say, *which, |record| renamed(record, &name(owner)));
            }
            Self::Flip(which, bit) => change(say, *which, |record| flipped(record, *bit)),
            Self::Sign(which, signer) => {
                let unsigned = |record: &&Record| record.rtype() != Rtype::RRSIG;
                let set: Vec<_> =
                    say.answer.iter().chain(&say.authority).filter(unsigned).collect();
                if let Some(index) = index(&set, *which) {
                    let signature = signed_by(signer, set[index], all);
                    say.answer.insert(0, signature.clone());
                    say.authority.insert(0, signature);
                }
            }
            Self::Answer(which) => say.answer.push(out_of_library(all, *which)),
            Self::Deny(which) => say.authority.push(out_of_library(all, *which)),
            Self::Empty => say.answer.clear(),
            Self::NoSuchName => say.rcode = OptRcode::NXDOMAIN,
            Self::NotAuthoritative => say.aa = false,
        }
    }
}

fn index<T>(records: &[T], which: usize) -> Option<usize> {
    which.checked_rem(records.len())
}

/// Changes one record of answer and authority together.
fn change(say: &mut Say, which: usize, how: impl Fn(&Record) -> Record) {
    let count = say.answer.len() + say.authority.len();
    let mut all = say.answer.iter_mut().chain(&mut say.authority);
    if let Some(record) = which.checked_rem(count).and_then(|index| all.nth(index)) {
        *record = how(record);
    }
}

/// What he may add: records out of other, honest replies, and his own.
fn out_of_library(all: &Zones, which: usize) -> Record {
    let honest = [
        all.honest("victim.com", "none.victim.com", Rtype::CAA),
        all.honest("victim.com", "www.victim.com", Rtype::CAA),
        all.honest("victim.com", "a.wild.victim.com", Rtype::CAA),
        all.honest("com", "plain.com", Rtype::DS),
        all.honest("com", "victim.com", Rtype::DS),
        all.honest("attacker.com", "none.attacker.com", Rtype::CAA),
        all.honest("plain.com", "none.plain.com", Rtype::CAA),
    ];
    let own = [
        record("victim.com. CAA 0 issue \"attacker.example\""),
        record("victim.com. CNAME www.plain.com."),
        record("com. DNAME plain.com."),
        unsigned_soa("victim.com"),
    ];
    let records = honest.into_iter().flat_map(|say| [say.answer, say.authority].concat());
    let library: Vec<_> = records.chain(own).collect();
    library[which % library.len()].clone()
}

/// The record with one bit of its data changed.
fn flipped(record: &Record, bit: usize) -> Record {
    let mut rdata = Vec::new();
    record.data().compose_rdata(&mut rdata).unwrap();
    let position = bit / 8 % rdata.len().max(1);
    if let Some(octet) = rdata.get_mut(position) {
        *octet ^= 1 << (bit % 8);
    }
    let data = UnknownRecordData::from_octets(record.rtype(), rdata.into()).unwrap();
    let data = ZoneRecordData::Unknown(data);
    Record::new(record.owner().clone(), record.class(), record.ttl(), data)
}

/// Whether the honest prohibition is there whole, or the question failed.
pub(crate) fn prohibits(seen: &DnsSeen) -> bool {
    let honest = [b"\0\x05issue;".to_vec()];
    let whole = || seen.rrset.iter().map(|rdata| &rdata.0).eq(&honest);
    match seen.outcome {
        DnsOutcome::Answer => seen.dnssec == Dnssec::Secure && whole(),
        outcome => !outcome.is_settled(),
    }
}

/// The questions whose replies he changes: the set itself first, since most is to be tried there.
const TARGETS: [(&str, Rtype); 4] = [
    ("victim.com", Rtype::CAA),
    ("victim.com", Rtype::DS),
    ("victim.com", Rtype::DNSKEY),
    ("com", Rtype::DNSKEY),
];

fn target() -> impl Strategy<Value = (&'static str, Rtype)> {
    prop_oneof![
        4 => Just(TARGETS[0]),
        2 => Just(TARGETS[1]),
        1 => Just(TARGETS[2]),
        1 => Just(TARGETS[3]),
    ]
}

type Forgeries = Vec<((&'static str, Rtype), Tampering)>;

#[test]
fn no_tampering_turns_a_signed_prohibition_into_permission() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let forgeries = Arc::new(Mutex::new(Forgeries::new()));
    let forging = Arc::clone(&forgeries);
    let forge = move |asked: &Asked, mut say: Say, all: &Zones| {
        for ((name, qtype), tampering) in forging.lock().unwrap().iter() {
            if asked.is(name, *qtype) {
                tampering.apply(&mut say, all);
            }
        }
        say
    };
    let lying = plan().lying("victim.com", forge.clone()).lying("com", forge);
    let world = runtime.block_on(lying.start());
    let honest = runtime.block_on(world.ask("victim.com", Rtype::CAA));
    assert!(honest.outcome == DnsOutcome::Answer && prohibits(&honest), "{honest:?}");

    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let strategy = proptest::collection::vec((target(), tampering()), 1..6);
    let result = runner.run(&strategy, |chosen| {
        *forgeries.lock().unwrap() = chosen;
        let seen = runtime.block_on(world.ask("victim.com", Rtype::CAA));
        prop_assert!(prohibits(&seen), "{:?}", seen);
        Ok(())
    });
    result.unwrap();
}

/// About 40 ms each.
const CASES: u32 = 128;
