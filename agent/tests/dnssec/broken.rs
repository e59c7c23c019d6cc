//! Rows D14 to D31: servers that fail, and what is made of it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Class, OptRcode, Rtype};
use mpic_agent::deadline::Deadline;
use mpic_agent::egress::AddressPolicy;
use mpic_agent::resolver::{Budget, BudgetLimits, DnsEngine, host};
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, Transport};
use mpic_common::reason::Reason;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::skip;
use crate::world::{ATTEMPT, Asked, Plan, Record, Say, Zones, record, usual_budget};

/// A zone without signatures, whose server is told what to do.
fn plain(script: impl Fn(&Asked, Say, &Zones) -> Say + Send + Sync + 'static) -> Plan {
    Plan::new().unsigned("plain.com", "www TXT value").lying("plain.com", script)
}

async fn ask(plan: Plan) -> DnsSeen {
    plan.start().await.ask("www.plain.com", Rtype::TXT).await
}

fn assert_used(seen: &DnsSeen) {
    assert_eq!(seen.outcome, DnsOutcome::Answer, "{seen:?}");
    assert_eq!(seen.rrset.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn d14_keys_that_cannot_be_fetched_leave_it_indeterminate() {
    let failures: [fn() -> Say; 3] =
        [|| Say::rcode(OptRcode::REFUSED), || Say::rcode(OptRcode::SERVFAIL), Say::silence];
    for failure in failures {
        let keyless = Plan::new().signed("zone.com", "www TXT value").lying(
            "zone.com",
            move |asked, say, _| if asked.qtype == Rtype::DNSKEY { failure() } else { say },
        );
        let unproven =
            Plan::new().signed("zone.com", "www TXT value").lying("com", move |asked, say, _| {
                if asked.qtype == Rtype::DS { failure() } else { say }
            });
        for plan in [keyless, unproven] {
            let seen = plan.start().await.ask("www.zone.com", Rtype::TXT).await;
            assert_eq!(seen.outcome, DnsOutcome::Indeterminate, "{seen:?}");
            assert_eq!((seen.dnssec, seen.attempts), (Dnssec::Indeterminate, 2));
        }
    }
}

#[tokio::test]
async fn d17_d34_aliases_are_not_asked_for_besides() {
    let world =
        plain(|asked, say, _| if asked.qtype == Rtype::CNAME { Say::silence() } else { say });
    let world = world.start().await;
    assert_used(&world.ask("www.plain.com", Rtype::TXT).await);
    let seen = world.ask("www.plain.com", Rtype::CAA).await;
    assert_eq!(seen.outcome, DnsOutcome::NoData);
    assert!(world.asked("plain.com").iter().all(|asked| asked.qtype != Rtype::CNAME));
}

#[tokio::test]
async fn d18_what_udp_cannot_carry_comes_over_tcp_or_not_at_all() {
    let large = |asked: &Asked, mut say: Say, _: &Zones| {
        if asked.qtype == Rtype::TXT {
            let text = "x".repeat(250);
            let one = |number| record(&format!("www.plain.com. TXT {number} {text}"));
            say.answer = (0..220).map(one).collect();
        }
        say
    };
    let seen = ask(plain(large)).await;
    assert_eq!((seen.outcome, seen.rrset_count), (DnsOutcome::Answer, 220));
    assert_eq!(seen.transport, Transport::Tcp);
    let seen = ask(plain(
        move |asked, say, all| {
            if asked.tcp { Say::silence() } else { large(asked, say, all) }
        },
    ));
    assert_eq!(seen.await.outcome, DnsOutcome::Truncated);
}

#[tokio::test]
async fn d19_a_server_without_edns_is_asked_without_and_has_no_signatures() {
    let old = |asked: &Asked, say: Say, _: &Zones| {
        if asked.edns { Say::rcode(OptRcode::FORMERR) } else { say.stripped() }
    };
    assert_used(&ask(plain(old)).await);
    let signed = Plan::new().signed("zone.com", "www TXT value").lying("zone.com", old);
    let seen = signed.start().await.ask("www.zone.com", Rtype::TXT).await;
    assert_eq!(seen.outcome, DnsOutcome::Bogus, "{seen:?}");
}

#[tokio::test]
async fn d20_no_such_name_above_does_not_hide_the_name() {
    let plan = Plan::new().unsigned("plain.com", "www.ent TXT value").lying(
        "plain.com",
        |asked, say, _| {
            let is_above = asked.name == "ent.plain.com";
            if is_above { Say { rcode: OptRcode::NXDOMAIN, ..say } } else { say }
        },
    );
    let seen = plan.start().await.ask("www.ent.plain.com", Rtype::TXT).await;
    assert_used(&seen);
}

#[tokio::test]
async fn d21_a_question_in_another_case_counts_over_tcp_only() {
    let seen = ask(plain(|asked, say, _| {
        // The name begins behind the header; a length octet is no letter.
        let lower = |mut octets: Vec<u8>| {
            octets[12..27].make_ascii_lowercase();
            vec![octets]
        };
        if asked.qtype == Rtype::TXT { Say { distort: lower, ..say } } else { say }
    }));
    let seen = seen.await;
    assert_used(&seen);
    assert_eq!(seen.transport, Transport::Tcp);
}

#[tokio::test]
async fn d22_foreign_messages_are_ignored() {
    let wrong_id = |mut octets: Vec<u8>| {
        octets[0] ^= 0xFF;
        vec![octets]
    };
    let wrong_question = |mut octets: Vec<u8>| {
        octets[13] ^= 0x01;
        vec![octets]
    };
    for distort in [wrong_id, wrong_question] {
        let seen = ask(plain(
            move |asked, say, _| {
                if asked.qtype == Rtype::TXT { Say { distort, ..say } } else { say }
            },
        ));
        assert_eq!(seen.await.outcome, DnsOutcome::Timeout);
    }
}

#[tokio::test]
async fn d23_failures_are_told_apart_and_asked_once_more() {
    for (rcode, outcome) in [
        (OptRcode::SERVFAIL, DnsOutcome::ServFail),
        (OptRcode::REFUSED, DnsOutcome::Refused),
        (OptRcode::NOTIMP, DnsOutcome::Malformed),
    ] {
        let seen = ask(plain(
            move |asked, say, _| {
                if asked.qtype == Rtype::TXT { Say::rcode(rcode) } else { say }
            },
        ));
        let seen = seen.await;
        assert_eq!((seen.outcome, seen.dnssec), (outcome, Dnssec::Indeterminate));
        assert_eq!(seen.attempts, if outcome == DnsOutcome::Malformed { 1 } else { 2 });
    }
    let seen = ask(plain(|asked, say, _| {
        let first = asked.qtype == Rtype::TXT && asked.nth == 0;
        if first { Say::rcode(OptRcode::SERVFAIL) } else { say }
    }));
    let seen = seen.await;
    assert_used(&seen);
    assert_eq!(seen.attempts, 2);
}

#[tokio::test]
async fn d23_dead_servers_beside_a_good_one_are_survived() {
    let plan = plain(|_, say, _| say).and_at("plain.com", "127.64.0.250");
    let plan = plan.and_at("plain.com", "127.64.0.251");
    assert_used(&ask(plan).await);
    let silent = plain(|_, say, _| say).and_at("plain.com", "192.0.2.1");
    let world = silent.start_with(|settings| {
        settings.addresses = AddressPolicy::new(
            Vec::new(),
            vec!["127.0.0.0/8".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
            Vec::new(),
        );
    });
    assert_used(&world.await.ask("www.plain.com", Rtype::TXT).await);
}

#[tokio::test]
async fn d24_a_stale_secondary_is_survived() {
    let plan =
        Plan::new().signed("zone.com", "www TXT value").lying("zone.com", |asked, say, _| {
            let first = asked.qtype == Rtype::TXT && asked.nth == 0;
            if first { say.stripped() } else { say }
        });
    let seen = plan.start().await.ask("www.zone.com", Rtype::TXT).await;
    assert_used(&seen);
    assert_eq!((seen.attempts, seen.dnssec), (2, Dnssec::Secure));
}

#[tokio::test]
async fn d25_servers_on_ipv6_alone_need_a_perspective_that_has_it() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        return skip("this host has no IPv6");
    }
    let plan = || plain(|_, say, _| say).only_at("plain.com", Ipv6Addr::LOCALHOST.into());
    assert_used(&ask(plan()).await);
    let without = plan().start_with(|settings| {
        settings.egress.source_v6 = Some("2001:db8::9".parse().unwrap());
    });
    let seen = without.await.ask("www.plain.com", Rtype::TXT).await;
    assert_eq!(seen.outcome, DnsOutcome::Unreachable, "{seen:?}");
}

#[tokio::test]
async fn d26_reserved_addresses_are_never_contacted() {
    for address in ["10.0.0.1", "fd00::1", "127.0.0.1"] {
        let plan = plain(|_, say, _| say).only_at("plain.com", address.parse().unwrap());
        let seen = ask(plan).await;
        assert_eq!(seen.outcome, DnsOutcome::Unreachable, "{address}: {seen:?}");
        assert!(!seen.upstreams.contains(&address.parse().unwrap()), "{address}");
    }
    let strict = plain(|_, say, _| say);
    let world = strict.start_with(|settings| settings.addresses = AddressPolicy::default()).await;
    let seen = world.ask("www.plain.com", Rtype::TXT).await;
    assert_eq!((seen.outcome, seen.upstreams), (DnsOutcome::Unreachable, Vec::new()));
    assert!(world.asked("").is_empty());
}

#[tokio::test]
async fn d27_delegations_without_end_are_cut_short() {
    let endless = |asked: &Asked, _: Say, _: &Zones| -> Say {
        let server =
            |number: usize| record(&format!("{}. NS ns.x{number}-{}.com.", asked.name, asked.nth));
        Say { aa: false, authority: (0..100).map(server).collect(), ..Say::empty() }
    };
    let world = Plan::new().lying("com", endless).start().await;
    let started = Instant::now();
    let budget = BudgetLimits { packets: 100, octets: usual_budget().octets };
    let (seen, (packets, _)) = world.ask_within("www.plain.com", Rtype::TXT, budget).await;
    let expected = [DnsOutcome::Budget, DnsOutcome::Timeout];
    assert!(expected.contains(&seen.outcome), "{seen:?}");
    assert!(packets <= 100, "{packets}");
    assert!(started.elapsed() < ATTEMPT * 3);
}

#[tokio::test]
async fn d27_a_budget_that_is_spent_ends_the_question() {
    let world = Plan::new().signed("zone.com", "www TXT value").start().await;
    let budget = BudgetLimits { packets: 4, ..usual_budget() };
    let (seen, _) = world.ask_within("www.zone.com", Rtype::TXT, budget).await;
    assert_eq!(seen.outcome, DnsOutcome::Budget, "{seen:?}");
}

#[tokio::test]
async fn d28_undecodable_replies_are_malformed_and_other_records_ignored() {
    let cut = |mut octets: Vec<u8>| {
        octets.truncate(octets.len() - 20);
        vec![octets]
    };
    let seen =
        ask(plain(
            move |asked, say, _| {
                if asked.qtype == Rtype::TXT { Say { distort: cut, ..say } } else { say }
            },
        ));
    assert_eq!(seen.await.outcome, DnsOutcome::Malformed);
    let seen = ask(plain(|asked, mut say, _| {
        if asked.qtype == Rtype::TXT {
            let ours = say.answer[0].clone();
            let data = ours.data().clone();
            let chaos = Record::new(ours.owner().clone(), Class::CH, ours.ttl(), data);
            say.answer.push(chaos);
            say.answer.push(record("other.plain.com. TXT other"));
            say.answer.push(record("www.elsewhere.com. TXT elsewhere"));
        }
        say
    }));
    assert_used(&seen.await);
}

#[tokio::test]
async fn d31_a_bogus_family_fails_the_host_and_a_silent_one_does_not() {
    let records = "www A 192.0.2.1\nwww AAAA 2001:db8::1";
    let policy = AddressPolicy::new(
        Vec::new(),
        vec!["2001:db8::/32".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
        Vec::new(),
    );
    let resolve = async |failure: fn(Say) -> Say| {
        let plan =
            Plan::new().signed("zone.com", records).lying("zone.com", move |asked, say, _| {
                if asked.qtype == Rtype::A { failure(say) } else { say }
            });
        let world = plan.start().await;
        let deadline = Deadline::after(Duration::from_secs(25));
        let budget = Arc::new(Budget::new(usual_budget()));
        let inquiry = world.engine().open(deadline, budget);
        host::resolve(&inquiry, &policy, "www.zone.com").await.permitted
    };
    assert_eq!(resolve(Say::stripped).await, Err(Reason::DnssecBogus));
    let good = resolve(|_| Say::silence()).await.unwrap();
    assert_eq!(good, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn the_self_test_wants_the_roots_keys_to_fit_the_anchor() {
    let world = Plan::new().start().await;
    assert_eq!(world.engine().self_test().await, Ok(()));
    let stripped = Plan::new().lying("", |_, say, _| say.stripped()).start().await;
    assert_eq!(stripped.engine().self_test().await, Err(Reason::EngineUnavailable));
    let silent = Plan::new().lying("", |_, _, _| Say::silence()).start().await;
    assert_eq!(silent.engine().self_test().await, Err(Reason::DnsTimeout));
}
