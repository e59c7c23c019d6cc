//! Rows D32 and D33: what outlives a job, and what does not.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::base::iana::Rtype;
use mpic_agent::resolver::embedded::{EmbeddedSettings, Suffixes};
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec};

use crate::forged::{signed_by, unsigned_soa};
use crate::reference::documented;
use crate::world::{Plan, Say, Signing, World, Zone, answer, record, usual_budget};

/// `zone.com` stands for a suffix such as `co.uk`.
const LIST: &[u8] = b"===BEGIN ICANN DOMAINS===\ncom\norg\nzone.com\n===END ICANN DOMAINS===";

fn keeping(settings: &mut EmbeddedSettings) {
    settings.kept = Some(Suffixes::parse(LIST));
}

fn suffix() -> Plan {
    Plan::new().signed("zone.com", "@ TXT value\n@ CAA 0 issue \"ca.example\"")
}

/// How often the server of `origin` was asked for (`name`, `qtype`).
fn count(world: &World, origin: &str, name: &str, qtype: Rtype) -> usize {
    world.asked(origin).iter().filter(|asked| asked.is(name, qtype)).count()
}

fn assert_secure(seen: &DnsSeen, attempts: u8) {
    let verdict = (seen.outcome, seen.dnssec, seen.attempts);
    assert_eq!(verdict, (DnsOutcome::Answer, Dnssec::Secure, attempts), "{seen:?}");
}

#[tokio::test]
async fn d32_a_second_job_asks_only_for_what_is_not_a_suffixs_delegation_or_key() {
    let plan = Plan::new()
        .signed("example.com", "@ TXT value")
        .unsigned("org", "")
        .unsigned("plain.org", "@ TXT value");
    let world = plan.start_with(keeping).await;
    let kept = [
        ("", "com", Rtype::NS),
        ("", "com", Rtype::DS),
        ("", ".", Rtype::DNSKEY),
        ("com", "com", Rtype::DNSKEY),
        ("", "org", Rtype::NS),
    ];
    let asked_again = [
        ("com", "example.com", Rtype::NS),
        ("com", "example.com", Rtype::DS),
        ("example.com", "example.com", Rtype::DNSKEY),
        ("com", "com", Rtype::CAA),
        ("", "org", Rtype::DS),
    ];
    for job in 1..=3 {
        assert_secure(&world.ask("example.com", Rtype::TXT).await, 1);
        let denied = world.ask("com", Rtype::CAA).await;
        assert_eq!((denied.outcome, denied.dnssec), (DnsOutcome::NoData, Dnssec::Secure));
        let unsigned = world.ask("plain.org", Rtype::TXT).await;
        assert_eq!((unsigned.outcome, unsigned.dnssec), (DnsOutcome::Answer, Dnssec::Insecure));
        for (origin, name, qtype) in kept {
            assert_eq!(count(&world, origin, name, qtype), 1, "job {job}: {name} {qtype}");
        }
        for (origin, name, qtype) in asked_again {
            assert_eq!(count(&world, origin, name, qtype), job, "job {job}: {name} {qtype}");
        }
    }
}

/// Packets of the questions of one check, asked for one job.
async fn packets(world: &World, questions: &[(&str, Rtype)]) -> u32 {
    let mut packets = 0;
    for (name, qtype) in questions {
        let (seen, (used, _)) = world.ask_within(name, *qtype, usual_budget()).await;
        assert!(seen.outcome.is_settled(), "{seen:?}");
        packets += used;
    }
    packets
}

#[tokio::test]
async fn d32_the_document_says_what_the_cache_saves() {
    let plan = || {
        let records = "www TXT value\n_acme-challenge TXT value";
        Plan::new().signed("example.com", records).unsigned("plain.com", records)
    };
    let mut rows = String::new();
    for (zone, origin) in [("signed", "example.com"), ("unsigned", "plain.com")] {
        let (challenge, www) = (format!("_acme-challenge.{origin}"), format!("www.{origin}"));
        let dns_01 = [(challenge.as_str(), Rtype::TXT)];
        let climb = [(www.as_str(), Rtype::CAA), (origin, Rtype::CAA), ("com", Rtype::CAA)];
        for (check, questions) in [("dns-01", &dns_01[..]), ("CAA, to the TLD", &climb)] {
            let without = packets(&plan().start().await, questions).await;
            let world = plan().start_with(keeping).await;
            let first = packets(&world, questions).await;
            let later = packets(&world, questions).await;
            assert!(later < first && first <= without, "{check}: {without} {first} {later}");
            writeln!(rows, "| {check} | {zone} | {without} | {first} | {later} |").unwrap();
        }
    }
    assert_eq!(documented("What the cache saves"), rows);
}

#[tokio::test]
async fn d32_a_key_set_that_was_not_validated_is_not_kept() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let plan = suffix().lying("zone.com", move |asked, say, _| {
        let strips = asked.qtype == Rtype::DNSKEY && is_broken.load(Ordering::Relaxed);
        if strips { say.stripped() } else { say }
    });
    let world = plan.start_with(keeping).await;
    assert_eq!(world.ask("zone.com", Rtype::TXT).await.outcome, DnsOutcome::Bogus);
    broken.store(false, Ordering::Relaxed);
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    // Twice in vain, once for good.
    assert_eq!(count(&world, "zone.com", "zone.com", Rtype::DNSKEY), 3);
}

#[tokio::test]
async fn d33_a_kept_delegation_that_is_dead_is_dropped_by_the_attempt_without_it() {
    let moved = Arc::new(AtomicBool::new(false));
    let has_moved = || {
        let moved = Arc::clone(&moved);
        move || moved.load(Ordering::Relaxed)
    };
    let (at_com, at_zone) = (has_moved(), has_moved());
    let plan = suffix()
        .signed("twin.com", "")
        // Where it went: the twin's server answers for it.
        .lying("twin.com", |asked, say, all| match asked.name.as_str() {
            "zone.com" => all.honest("zone.com", &asked.name, asked.qtype),
            _ => say,
        })
        .lying("zone.com", move |_, say, _| if at_zone() { Say::silence() } else { say })
        .lying("com", move |asked, mut say, all| {
            if at_com() && asked.is("zone.com", Rtype::NS) {
                let twin = all.honest("com", "twin.com", Rtype::NS).additional.remove(0);
                say.additional = vec![crate::world::renamed(&twin, say.additional[0].owner())];
            }
            say
        });
    let world = plan.start_with(keeping).await;
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    moved.store(true, Ordering::Relaxed);
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 2);
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    // First, without the cache, and since it was dropped; then it is kept again.
    assert_eq!(count(&world, "com", "zone.com", Rtype::NS), 3);
}

#[tokio::test]
async fn d33_a_kept_key_that_was_rolled_is_dropped_by_the_attempt_without_it() {
    let rolled = Arc::new(AtomicBool::new(false));
    let has_rolled = || {
        let rolled = Arc::clone(&rolled);
        move || rolled.load(Ordering::Relaxed)
    };
    let (at_com, at_zone) = (has_rolled(), has_rolled());
    let text = "zone.com. SOA ns.zone.com. . 1 1 1 1 1\nzone.com. TXT new";
    let next = Arc::new(Zone::new("zone.com", text, &Signing::good()));
    let ds = record(next.ds_lines().lines().next().unwrap());
    let plan = suffix()
        .lying("zone.com", move |asked, say, _| {
            let owner = crate::world::name(&asked.name);
            if at_zone() { answer(&next, &owner, asked.qtype) } else { say }
        })
        .lying("com", move |asked, mut say, all| {
            if at_com() && asked.is("zone.com", Rtype::DS) {
                let set = vec![ds.clone()];
                say.answer = [all.zone("com").sign(&set), set].concat();
            }
            say
        });
    let world = plan.start_with(keeping).await;
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    rolled.store(true, Ordering::Relaxed);
    let seen = world.ask("zone.com", Rtype::TXT).await;
    assert_secure(&seen, 2);
    assert_eq!(seen.rrset[0].0, b"\x03new");
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
}

#[tokio::test]
async fn d33_once_it_is_told_to_forget_an_engine_asks_for_everything() {
    let world = suffix().start_with(keeping).await;
    for _ in 0..2 {
        assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    }
    world.engine().forget();
    assert_secure(&world.ask("zone.com", Rtype::TXT).await, 1);
    for (origin, name, qtype) in [
        ("", ".", Rtype::DNSKEY),
        ("", "com", Rtype::NS),
        ("", "com", Rtype::DS),
        ("com", "com", Rtype::DNSKEY),
        ("com", "zone.com", Rtype::NS),
        ("com", "zone.com", Rtype::DS),
        ("zone.com", "zone.com", Rtype::DNSKEY),
    ] {
        assert_eq!(count(&world, origin, name, qtype), 2, "{name} {qtype}");
    }
}

#[tokio::test]
async fn a_poisoned_delegation_costs_an_attempt_and_nothing_else() {
    let lies = Arc::new(AtomicBool::new(true));
    let is_lying = Arc::clone(&lies);
    let plan = suffix()
        .signed("attacker.com", "")
        .lying("attacker.com", |asked, say, all| {
            if asked.name != "zone.com" {
                return say;
            }
            let txt = record("zone.com. TXT forged");
            let soa = unsigned_soa("zone.com");
            match asked.qtype {
                Rtype::TXT => {
                    Say { answer: vec![signed_by("zone.com", &txt, all), txt], ..Say::empty() }
                }
                _ => Say { authority: vec![signed_by("zone.com", &soa, all), soa], ..Say::empty() },
            }
        })
        // Once only: one forged message that was quicker.
        .lying("com", move |asked, mut say, all| {
            if asked.is("zone.com", Rtype::NS) && is_lying.swap(false, Ordering::Relaxed) {
                let own = all.honest("com", "attacker.com", Rtype::NS).additional.remove(0);
                say.additional = vec![crate::world::renamed(&own, say.additional[0].owner())];
            }
            say
        });
    let world = plan.start_with(keeping).await;
    for (qtype, attempts) in [(Rtype::CAA, 2), (Rtype::TXT, 1), (Rtype::CAA, 1)] {
        assert_secure(&world.ask("zone.com", qtype).await, attempts);
    }
}
