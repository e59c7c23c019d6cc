//! Rows D9, D10, D15 and D16: along aliases, signed and not.

use domain::base::iana::Rtype;
use mpic_common::evidence::{AliasKind, DnsOutcome, DnsSeen, Dnssec};

use crate::world::{Plan, Say, World, record};

fn verdict(seen: &DnsSeen) -> (DnsOutcome, Dnssec) {
    (seen.outcome, seen.dnssec)
}

async fn assert_verdict(world: &World, name: &str, expected: (DnsOutcome, Dnssec)) -> DnsSeen {
    let seen = world.ask(name, Rtype::TXT).await;
    assert_eq!(verdict(&seen), expected, "{name}: {seen:?}");
    seen
}

#[tokio::test]
async fn d9_a_chain_is_as_secure_as_its_weakest_hop() {
    let world = Plan::new()
        .signed(
            "signed.com",
            "to-plain CNAME www.plain.com.\nto-nothing CNAME empty\nto-none CNAME none\n\
             to-bad CNAME bad.broken.com.\nempty A 192.0.2.1\nwww TXT value\n\
             to-here CNAME to-here-too\nto-here-too CNAME www",
        )
        .unsigned("plain.com", "to-signed CNAME www.signed.com.\nwww TXT value")
        .signed("broken.com", "bad TXT value")
        .lying(
            "broken.com",
            |asked, say, _| {
                if asked.qtype == Rtype::TXT { say.stripped() } else { say }
            },
        )
        .start()
        .await;
    let insecure = (DnsOutcome::Answer, Dnssec::Insecure);
    let seen = assert_verdict(&world, "to-plain.signed.com", insecure).await;
    assert_eq!(seen.chain[0].dnssec, Dnssec::Secure);
    assert_eq!(seen.answer_owner.as_deref(), Some("www.plain.com"));
    let seen = assert_verdict(&world, "to-signed.plain.com", insecure).await;
    assert_eq!(seen.chain[0].dnssec, Dnssec::Insecure);
    let nothing = (DnsOutcome::NoData, Dnssec::Secure);
    assert_verdict(&world, "to-nothing.signed.com", nothing).await;
    let none = (DnsOutcome::NxDomain, Dnssec::Secure);
    assert_verdict(&world, "to-none.signed.com", none).await;
    let bogus = (DnsOutcome::Bogus, Dnssec::Bogus);
    assert_verdict(&world, "to-bad.signed.com", bogus).await;
    let seen = assert_verdict(&world, "to-here.signed.com", (DnsOutcome::Answer, Dnssec::Secure));
    assert_eq!(seen.await.chain.len(), 2);
}

#[tokio::test]
async fn d10_a_dname_is_validated_itself_and_its_cname_is_our_own() {
    let long = "a".repeat(60);
    let records = format!(
        "d DNAME data.plain.com.\ns DNAME data\nempty A 192.0.2.1\nwww.data TXT value\n\
         l DNAME {long}.{long}.{long}.zone.com.",
    );
    let world = Plan::new()
        .signed("zone.com", &records)
        .unsigned("plain.com", "www.data TXT value")
        .start()
        .await;
    let secure = (DnsOutcome::Answer, Dnssec::Secure);
    let seen = assert_verdict(&world, "www.s.zone.com", secure).await;
    assert_eq!(seen.chain.len(), 1);
    assert_eq!(seen.chain[0].kind, AliasKind::Dname);
    assert_eq!(seen.chain[0].target, "www.data.zone.com");
    assert_verdict(&world, "www.d.zone.com", (DnsOutcome::Answer, Dnssec::Insecure)).await;
    assert_verdict(&world, "none.s.zone.com", (DnsOutcome::NxDomain, Dnssec::Secure)).await;
    let name = format!("{long}.{long}.l.zone.com");
    assert_eq!(world.ask(&name, Rtype::TXT).await.outcome, DnsOutcome::NameTooLong);
    let nodata = world.ask("www.s.zone.com", Rtype::CAA).await;
    assert_eq!(verdict(&nodata), (DnsOutcome::NoData, Dnssec::Secure), "{nodata:?}");
}

#[tokio::test]
async fn d10_a_dname_with_a_bad_signature_is_bogus() {
    let plan = || Plan::new().signed("zone.com", "s DNAME data\nwww.data TXT value");
    let stripped =
        plan().lying(
            "zone.com",
            |asked, say, _| {
                if asked.qtype == Rtype::TXT { say.stripped() } else { say }
            },
        );
    let elsewhere = plan().lying("zone.com", |asked, mut say, _| {
        if asked.is("www.s.zone.com", Rtype::TXT) {
            say.answer[0] = record("s.zone.com. DNAME com.");
        }
        say
    });
    for plan in [stripped, elsewhere] {
        let world = plan.start().await;
        assert_verdict(&world, "www.s.zone.com", (DnsOutcome::Bogus, Dnssec::Bogus)).await;
    }
}

#[tokio::test]
async fn a_cname_that_a_dname_implies_is_marked_as_such() {
    let world = Plan::new().signed("zone.com", "s DNAME data\nwww CNAME x").start().await;
    let seen = world.ask("www.s.zone.com", Rtype::CNAME).await;
    assert_eq!(verdict(&seen), (DnsOutcome::Answer, Dnssec::Secure), "{seen:?}");
    assert_eq!(seen.chain[0].kind, AliasKind::Dname);
    let seen = world.ask("www.zone.com", Rtype::CNAME).await;
    assert_eq!(verdict(&seen), (DnsOutcome::Answer, Dnssec::Secure));
    assert!(seen.chain.is_empty());
}

#[tokio::test]
async fn d15_eleven_aliases_are_followed_and_no_more() {
    let hops: Vec<_> = (0..12).map(|hop| format!("c{hop} CNAME c{}", hop + 1)).collect();
    let records =
        hops.join("\n") + "\nc12 TXT end\nloop CNAME pool\npool CNAME loop\nself CNAME self\n";
    let world = Plan::new().signed("zone.com", &records).start().await;
    let seen = assert_verdict(&world, "c1.zone.com", (DnsOutcome::Answer, Dnssec::Secure)).await;
    assert_eq!(seen.chain.len(), 11);
    for name in ["c0.zone.com", "loop.zone.com", "self.zone.com"] {
        assert_eq!(world.ask(name, Rtype::TXT).await.outcome, DnsOutcome::AliasLimit, "{name}");
    }
}

#[tokio::test]
async fn d16_two_cnames_are_malformed_and_data_beside_one_ignored() {
    let world = Plan::new()
        .unsigned("plain.com", "www TXT value")
        .lying("plain.com", |asked, say, _| {
            let cname = record(&format!("{}. CNAME www.plain.com.", asked.name));
            let answer = match asked.name.as_str() {
                "two.plain.com" => vec![cname, record("two.plain.com. CNAME x.plain.com.")],
                "beside.plain.com" => vec![record("beside.plain.com. TXT beside"), cname],
                _ => return say,
            };
            Say { answer, ..Say::empty() }
        })
        .start()
        .await;
    assert_eq!(world.ask("two.plain.com", Rtype::TXT).await.outcome, DnsOutcome::Malformed);
    let seen = world.ask("beside.plain.com", Rtype::TXT).await;
    assert_eq!(seen.outcome, DnsOutcome::Answer);
    assert_eq!(seen.rrset[0].0, b"\x05value");
}
