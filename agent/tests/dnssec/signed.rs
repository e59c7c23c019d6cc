//! Rows D1 to D7: signed, unsigned and badly signed zones.

use domain::base::iana::{Rtype, SecurityAlgorithm};
use mpic_agent::resolver::embedded::UnsupportedAlgorithm;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec};

use crate::world::{Ds, Plan, Say, Signing, name, record, renamed};

fn verdict(seen: &DnsSeen) -> (DnsOutcome, Dnssec) {
    (seen.outcome, seen.dnssec)
}

const BOGUS: (DnsOutcome, Dnssec) = (DnsOutcome::Bogus, Dnssec::Bogus);

/// A DS record for no key at all.
fn ds(algorithm: u8, digest: u8) -> Ds {
    Ds::Lines(format!("zone.com. DS 1 {algorithm} {digest} {}\n", "00".repeat(32)))
}

async fn ask(plan: Plan, name: &str) -> DnsSeen {
    plan.start().await.ask(name, Rtype::TXT).await
}

#[tokio::test]
async fn d1_signed_data_are_secure_and_data_below_a_proven_gap_insecure() {
    let world = Plan::new()
        .signed("signed.com", "www TXT signed")
        .unsigned("plain.com", "www TXT plain")
        .signed("island.plain.com", "www TXT island")
        .start()
        .await;
    for (name, state) in [
        ("www.signed.com", Dnssec::Secure),
        ("www.plain.com", Dnssec::Insecure),
        ("www.island.plain.com", Dnssec::Insecure),
    ] {
        let seen = world.ask(name, Rtype::TXT).await;
        assert_eq!(verdict(&seen), (DnsOutcome::Answer, state), "{seen:?}");
        assert_eq!((seen.rrset.len(), seen.attempts), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn d2_signatures_out_of_their_time_are_bogus() {
    for window in [(-7_200, -3_600), (3_600, 7_200)] {
        let signing = Signing::valid(window.0, window.1);
        let plan = Plan::new().zone("zone.com", "www TXT value", signing, Ds::Own);
        let seen = ask(plan, "www.zone.com").await;
        assert_eq!(verdict(&seen), BOGUS, "{window:?}: {seen:?}");
        assert_eq!(seen.attempts, 2, "a stale secondary is survived");
    }
}

#[tokio::test]
async fn d2_stripped_signatures_are_bogus_for_data_and_denials() {
    let plan = Plan::new()
        .signed("zone.com", "www TXT value")
        .lying("zone.com", |_, say, _| say.stripped());
    let world = plan.start().await;
    for name in ["www.zone.com", "none.zone.com"] {
        assert_eq!(verdict(&world.ask(name, Rtype::TXT).await), BOGUS, "{name}");
    }
    assert_eq!(verdict(&world.ask("www.zone.com", Rtype::CAA).await), BOGUS);
}

#[tokio::test]
async fn d2_altered_added_and_missing_records_are_bogus() {
    let changes: [fn(&mut Say); 3] = [
        |say| say.answer[0] = record("www.zone.com. TXT other"),
        |say| say.answer.push(record("www.zone.com. TXT third")),
        |say| drop(say.answer.remove(0)),
    ];
    for change in changes {
        let plan = Plan::new().signed("zone.com", "www TXT one\nwww TXT two").lying(
            "zone.com",
            move |asked, mut say, _| {
                if asked.qtype == Rtype::TXT {
                    change(&mut say);
                }
                say
            },
        );
        assert_eq!(verdict(&ask(plan, "www.zone.com").await), BOGUS);
    }
}

#[tokio::test]
async fn d2_a_delegation_that_fits_no_key_is_bogus() {
    let records = "www TXT value";
    for signing in [Signing::good(), Signing::none()] {
        let plan = Plan::new().zone("zone.com", records, signing, ds(13, 2));
        assert_eq!(verdict(&ask(plan, "www.zone.com").await), BOGUS);
    }
}

#[tokio::test]
async fn d3_unknown_algorithms_and_digests_make_a_zone_insecure() {
    for (algorithm, digest) in [(253, 2), (200, 2), (12, 2), (13, 99)] {
        let plan =
            Plan::new().zone("zone.com", "www TXT value", Signing::good(), ds(algorithm, digest));
        let seen = ask(plan, "www.zone.com").await;
        let expected = (DnsOutcome::Answer, Dnssec::Insecure);
        assert_eq!(verdict(&seen), expected, "{algorithm} {digest}: {seen:?}");
    }
}

#[tokio::test]
async fn d3_one_known_algorithm_among_the_signatures_is_enough() {
    use SecurityAlgorithm as Algorithm;
    let both = Signing::with(&[Algorithm::ED25519, Algorithm::ECDSAP256SHA256]);
    let plan = Plan::new().zone("zone.com", "www TXT value", both, Ds::Own);
    let world = plan.start().await;
    let secure = |outcome| (outcome, Dnssec::Secure);
    assert_eq!(verdict(&world.ask("www.zone.com", Rtype::TXT).await), secure(DnsOutcome::Answer));
    assert_eq!(verdict(&world.ask("www.zone.com", Rtype::CAA).await), secure(DnsOutcome::NoData));
}

#[tokio::test]
async fn d4_algorithms_that_only_others_know_are_not_taken_for_none() {
    let plan = || {
        let signing = Signing::with(&[SecurityAlgorithm::ED25519]);
        Plan::new().zone("zone.com", "www TXT value", signing, Ds::Own)
    };
    let world = plan().start().await;
    for (name, qtype) in [("www.zone.com", Rtype::TXT), ("none.zone.com", Rtype::CAA)] {
        let seen = world.ask(name, qtype).await;
        let expected = (DnsOutcome::UnsupportedAlgorithm, Dnssec::Indeterminate);
        assert_eq!(verdict(&seen), expected, "{seen:?}");
    }
    let relaxed =
        plan().start_with(|settings| settings.unsupported = UnsupportedAlgorithm::Insecure).await;
    let seen = relaxed.ask("www.zone.com", Rtype::TXT).await;
    assert_eq!(verdict(&seen), (DnsOutcome::Answer, Dnssec::Insecure));
}

#[tokio::test]
async fn d6_denials_by_nsec_are_secure() {
    let world = Plan::new().signed("zone.com", "www TXT value\ndeep.ent TXT value").start().await;
    for (name, qtype, outcome) in [
        ("www.zone.com", Rtype::CAA, DnsOutcome::NoData),
        ("zone.com", Rtype::CAA, DnsOutcome::NoData),
        ("ent.zone.com", Rtype::TXT, DnsOutcome::NoData),
        ("none.zone.com", Rtype::TXT, DnsOutcome::NxDomain),
        ("none.deep.ent.zone.com", Rtype::TXT, DnsOutcome::NxDomain),
        ("com", Rtype::CAA, DnsOutcome::NoData),
    ] {
        let seen = world.ask(name, qtype).await;
        assert_eq!(verdict(&seen), (outcome, Dnssec::Secure), "{name} {qtype}: {seen:?}");
    }
}

#[tokio::test]
async fn d7_a_wildcard_needs_proof_that_nothing_is_closer() {
    let records = "*.wild TXT star\n*.alias CNAME www.zone.com.\nwww TXT value";
    let plan = || Plan::new().signed("zone.com", records);
    let world = plan().start().await;
    for name in ["a.wild.zone.com", "*.wild.zone.com", "a.b.wild.zone.com", "a.alias.zone.com"] {
        let seen = world.ask(name, Rtype::TXT).await;
        assert_eq!(verdict(&seen), (DnsOutcome::Answer, Dnssec::Secure), "{name}: {seen:?}");
    }
    let bare = plan().lying("zone.com", |asked, mut say, _| {
        if asked.qtype == Rtype::TXT {
            say.authority.clear();
        }
        say
    });
    let world = bare.start().await;
    for name in ["a.wild.zone.com", "a.alias.zone.com"] {
        assert_eq!(verdict(&world.ask(name, Rtype::TXT).await), BOGUS, "{name}");
    }
}

#[tokio::test]
async fn d7_a_wildcard_does_not_stand_in_for_a_name_that_exists() {
    let records = "*.wild TXT star\nreal.wild TXT real";
    let plan = Plan::new().signed("zone.com", records).lying("zone.com", |asked, say, all| {
        if !asked.is("real.wild.zone.com", Rtype::TXT) {
            return say;
        }
        // The signature is good for any name below the wildcard; the denials are about another.
        let mut replayed = all.honest("zone.com", "other.wild.zone.com", Rtype::TXT);
        let owner = name("real.wild.zone.com");
        replayed.answer.iter_mut().for_each(|record| *record = renamed(record, &owner));
        replayed
    });
    assert_eq!(verdict(&ask(plan, "real.wild.zone.com").await), BOGUS);
}
