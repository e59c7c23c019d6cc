//! Rows D11 to D13, and lies: whatever is said about a signed zone without its keys, no question
//! about it is settled by that.

use domain::base::iana::{OptRcode, Rtype};
use domain::rdata::{Rrsig, ZoneRecordData};
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec};

use crate::world::{Asked, Plan, Record, Say, Zones, name, record, renamed};

/// A victim that signs and prohibits, an attacker's zone that is signed, and one that is not.
pub(crate) fn plan() -> Plan {
    Plan::new()
        .signed(
            "victim.com",
            "@ CAA 0 issue \";\"\n@ TXT honest\nwww TXT honest\nother TXT other\n*.wild TXT star",
        )
        .signed("attacker.com", "@ TXT a\nwww TXT a\nother TXT a")
        .unsigned("plain.com", "@ TXT p\nwww TXT p")
        .unsigned("lab.victim.com", "www TXT p")
}

async fn ask(plan: Plan, qname: &str, qtype: Rtype) -> DnsSeen {
    plan.start().await.ask(qname, qtype).await
}

type Lie = fn(&Zones) -> Say;

/// Neither data nor denial: no check can pass, and no CAA set is absent.
fn assert_unsettled(seen: &DnsSeen, what: &str) {
    assert!(!seen.outcome.is_settled(), "{what}: {seen:?}");
    assert!(seen.dnssec > Dnssec::Insecure, "{what}: {seen:?}");
}

pub(crate) fn unsigned_soa(owner: &str) -> Record {
    record(&format!("{owner}. SOA ns. . 1 3600 600 86400 60"))
}

fn denial(rcode: OptRcode, authority: Vec<Record>) -> Say {
    Say { rcode, authority, ..Say::empty() }
}

/// The signature over `of` by the attacker's zone `signer`, of which nothing need be true.
pub(crate) fn signed_by(signer: &str, of: &Record, all: &Zones) -> Record {
    let any = all.zone("attacker.com").sign(std::slice::from_ref(of)).remove(0);
    let ZoneRecordData::Rrsig(made) = any.data() else { panic!("a signature") };
    let forged = Rrsig::new(
        made.type_covered(),
        made.algorithm(),
        made.labels(),
        made.original_ttl(),
        made.expiration(),
        made.inception(),
        made.key_tag(),
        name(signer),
        made.signature().clone(),
    );
    Record::new(any.owner().clone(), any.class(), any.ttl(), ZoneRecordData::Rrsig(forged.unwrap()))
}

#[tokio::test]
async fn d11_an_unsigned_cname_in_a_signed_zone_is_bogus() {
    for target in ["www.plain.com", "www.attacker.com", "www.victim.com"] {
        let plan = plan().lying("victim.com", move |asked, say, _| {
            if !asked.is("other.victim.com", Rtype::TXT) {
                return say;
            }
            let cname = record(&format!("other.victim.com. CNAME {target}."));
            Say { answer: vec![cname], ..Say::empty() }
        });
        let seen = ask(plan, "other.victim.com", Rtype::TXT).await;
        assert_eq!(seen.outcome, DnsOutcome::Bogus, "{target}: {seen:?}");
    }
}

#[tokio::test]
async fn d12_denials_without_signatures_are_never_accepted_for_a_signed_name() {
    for rcode in [OptRcode::NOERROR, OptRcode::NXDOMAIN] {
        for owner in [
            "victim.com",
            "www.victim.com",
            "lab.victim.com",
            "plain.com",
            "sibling.victim.com",
            "com",
            "",
        ] {
            let plan = plan().lying("victim.com", move |asked, say, _| {
                let is_asked = asked.is("www.victim.com", Rtype::CAA);
                if is_asked { denial(rcode, vec![unsigned_soa(owner)]) } else { say }
            });
            let seen = ask(plan, "www.victim.com", Rtype::CAA).await;
            assert_unsettled(&seen, owner);
            let expected = [DnsOutcome::Bogus, DnsOutcome::Malformed];
            assert!(expected.contains(&seen.outcome), "{owner}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn d13_a_denial_without_soa_is_used_only_where_nothing_is_signed() {
    for rcode in [OptRcode::NOERROR, OptRcode::NXDOMAIN] {
        let lie = move |asked: &Asked, say: Say, _: &Zones| {
            if asked.qtype == Rtype::CAA { denial(rcode, Vec::new()) } else { say }
        };
        let plan = plan().lying("victim.com", lie).lying("plain.com", lie);
        let world = plan.start().await;
        let seen = world.ask("www.victim.com", Rtype::CAA).await;
        assert_eq!(seen.outcome, DnsOutcome::Bogus, "{seen:?}");
        let seen = world.ask("www.plain.com", Rtype::CAA).await;
        assert!(seen.outcome.is_settled(), "{seen:?}");
        assert_eq!(seen.dnssec, Dnssec::Insecure);
    }
}

#[tokio::test]
async fn a_signature_by_an_insecure_zone_makes_nothing_insecure() {
    let lies: [fn(&str, &Zones) -> Say; 4] = [
        |signer, all| {
            let txt = record("www.victim.com. TXT forged");
            Say { answer: vec![signed_by(signer, &txt, all), txt], ..Say::empty() }
        },
        |signer, all| {
            let cname = record("www.victim.com. CNAME www.plain.com.");
            Say { answer: vec![signed_by(signer, &cname, all), cname], ..Say::empty() }
        },
        |signer, all| {
            let soa = unsigned_soa("victim.com");
            denial(OptRcode::NOERROR, vec![signed_by(signer, &soa, all), soa])
        },
        |signer, all| {
            let soa = unsigned_soa("victim.com");
            denial(OptRcode::NXDOMAIN, vec![signed_by(signer, &soa, all), soa])
        },
    ];
    for signer in [
        "plain.com",
        "lab.victim.com",
        "sub.plain.com",
        "attacker.com",
        "www.victim.com",
        "victim.com",
        "com",
        "",
    ] {
        for (number, lie) in lies.into_iter().enumerate() {
            let plan = plan().lying("victim.com", move |asked, say, all| {
                if asked.is("www.victim.com", Rtype::TXT) { lie(signer, all) } else { say }
            });
            let seen = ask(plan, "www.victim.com", Rtype::TXT).await;
            assert_unsettled(&seen, &format!("lie {number} signed by {signer}"));
        }
    }
}

#[tokio::test]
async fn a_replayed_denial_denies_only_what_it_was_made_for() {
    let replays: [(&str, Lie); 8] = [
        ("no data at a neighbour", |all| all.honest("victim.com", "other.victim.com", Rtype::CAA)),
        ("no such neighbour", |all| all.honest("victim.com", "none.victim.com", Rtype::CAA)),
        ("an empty wildcard", |all| all.honest("victim.com", "a.wild.victim.com", Rtype::CAA)),
        ("the parent's view", |all| all.honest("com", "victim.com", Rtype::DS)),
        ("the parent's view of another", |all| all.honest("com", "plain.com", Rtype::DS)),
        ("a delegation below", |all| all.honest("victim.com", "lab.victim.com", Rtype::DS)),
        ("another's", |all| all.honest("attacker.com", "none.attacker.com", Rtype::CAA)),
        ("the root's", |all| all.honest("", "none", Rtype::CAA)),
    ];
    for (what, replay) in replays {
        for rcode in [OptRcode::NOERROR, OptRcode::NXDOMAIN] {
            let plan = plan().lying("victim.com", move |asked, say, all| {
                let is_asked = asked.is("victim.com", Rtype::CAA);
                if is_asked {
                    Say { rcode, aa: true, answer: Vec::new(), ..replay(all) }
                } else {
                    say
                }
            });
            let seen = ask(plan, "victim.com", Rtype::CAA).await;
            assert_unsettled(&seen, what);
        }
    }
}

#[tokio::test]
async fn a_signed_zone_cannot_be_talked_out_of_its_delegation() {
    let denials: [(&str, Lie); 6] = [
        ("nothing", |_| Say::empty()),
        ("an unsigned SOA", |_| denial(OptRcode::NOERROR, vec![unsigned_soa("com")])),
        ("another's lack of it", |all| all.honest("com", "plain.com", Rtype::DS)),
        ("a name that is not there", |all| all.honest("com", "none.com", Rtype::DS)),
        ("another's, renamed", |all| {
            let mut say = all.honest("com", "plain.com", Rtype::DS);
            for record in say.authority.iter_mut().filter(|r| *r.owner() == name("plain.com")) {
                *record = renamed(record, &name("victim.com"));
            }
            say
        }),
        ("the zone's own apex", |all| all.honest("victim.com", "victim.com", Rtype::CNAME)),
    ];
    for (what, denial) in denials {
        let plan = plan()
            .lying("com", move |asked, say, all| {
                let is_asked = asked.is("victim.com", Rtype::DS);
                if is_asked { Say { aa: true, ..denial(all) } } else { say }
            })
            .lying("victim.com", |_, say, _| say.stripped());
        let world = plan.start().await;
        for qtype in [Rtype::TXT, Rtype::CAA, Rtype::A] {
            assert_unsettled(&world.ask("www.victim.com", qtype).await, what);
        }
    }
}

#[tokio::test]
async fn an_alias_into_an_insecure_zone_is_only_as_good_as_its_own_signature() {
    let honest = Plan::new()
        .signed("victim.com", "www CNAME www.plain.com.")
        .unsigned("plain.com", "www TXT there");
    let world = honest.lying("victim.com", |asked, say, _| {
        if asked.is("www.victim.com", Rtype::TXT) { say.stripped() } else { say }
    });
    let world = world.start().await;
    assert_unsettled(&world.ask("www.victim.com", Rtype::TXT).await, "stripped");
    let seen = world.ask("www.victim.com", Rtype::CAA).await;
    assert_eq!((seen.outcome, seen.dnssec), (DnsOutcome::NoData, Dnssec::Insecure), "{seen:?}");
}

#[tokio::test]
async fn an_alias_denies_nothing_about_its_target() {
    let plan = || {
        let records = "to CNAME www\nd DNAME deep\nwww CAA 0 issue \";\"\nx.deep CAA 0 issue \";\"";
        Plan::new().signed("victim.com", records)
    };
    let additions: [(&str, Lie); 3] = [
        ("the zone's SOA", |all| Say {
            authority: all.zone("victim.com").set(&name("victim.com"), Rtype::SOA),
            ..Say::empty()
        }),
        ("a neighbour's denial", |all| all.honest("victim.com", "none.victim.com", Rtype::CAA)),
        ("the apex's denial", |all| all.honest("victim.com", "victim.com", Rtype::CAA)),
    ];
    for (what, addition) in additions {
        for rcode in [OptRcode::NOERROR, OptRcode::NXDOMAIN] {
            let world = plan().lying("victim.com", move |asked, say, all| {
                let is_alias =
                    asked.is("to.victim.com", Rtype::CAA) || asked.is("x.d.victim.com", Rtype::CAA);
                let authority = addition(all).authority;
                if is_alias { Say { rcode, authority, ..say } } else { say }
            });
            let world = world.start().await;
            for asked in ["to.victim.com", "x.d.victim.com"] {
                let seen = world.ask(asked, Rtype::CAA).await;
                let honest = seen.outcome == DnsOutcome::Answer && seen.rrset_count == 1;
                assert!(honest, "{asked}, {what}: {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_parents_or_a_dnames_view_of_a_name_denies_nothing_below_it() {
    let records = "@ CAA 0 issue \";\"\nwww CAA 0 issue \";\"\nd DNAME www\nz TXT z";
    let plan = || Plan::new().signed("victim.com", records).signed("zebra.com", "");
    let replays: [(&str, Lie); 4] = [
        ("the parent's NSEC", |all| with_nsec(all, "com", &["victim.com"])),
        ("the parent's NSECs", |all| with_nsec(all, "com", &["victim.com", "com"])),
        ("the root's NSECs", |all| with_nsec(all, "", &["com", ""])),
        ("a DNAME's NSEC", |all| with_nsec(all, "victim.com", &["d.victim.com", "victim.com"])),
    ];
    for (what, replay) in replays {
        for rcode in [OptRcode::NOERROR, OptRcode::NXDOMAIN] {
            for asked in ["victim.com", "www.victim.com", "x.d.victim.com"] {
                let plan = plan().lying("victim.com", move |query, say, all| {
                    let is_asked = query.is(asked, Rtype::CAA);
                    if is_asked { Say { rcode, ..replay(all) } } else { say }
                });
                let seen = ask(plan, asked, Rtype::CAA).await;
                assert_unsettled(&seen, &format!("{what} for {asked}"));
            }
        }
    }
}

/// A denial out of the zone `origin` with the NSEC records of `owners`, all of them well signed.
pub(crate) fn with_nsec(all: &Zones, origin: &str, owners: &[&str]) -> Say {
    let zone = all.zone(origin);
    let mut authority = zone.set(&name(origin), Rtype::SOA);
    authority.extend(owners.iter().flat_map(|owner| zone.set(&name(owner), Rtype::NSEC)));
    Say { authority, ..Say::empty() }
}

#[tokio::test]
async fn a_cname_beside_a_dname_is_the_one_that_it_implies() {
    let plan = Plan::new().signed("victim.com", "d DNAME www\nwww TXT w");
    let plan = plan.unsigned("plain.com", "x TXT p").lying("victim.com", |asked, mut say, _| {
        if asked.name == "x.d.victim.com" {
            let other = record("x.d.victim.com. CNAME x.plain.com.");
            say.answer.retain(|record| record.rtype() != Rtype::CNAME);
            say.answer.push(other);
        }
        say
    });
    let world = plan.start().await;
    assert_unsettled(&world.ask("x.d.victim.com", Rtype::CNAME).await, "CNAME");
    let seen = world.ask("x.d.victim.com", Rtype::TXT).await;
    assert_eq!(seen.chain[0].target, "x.www.victim.com", "{seen:?}");
}
