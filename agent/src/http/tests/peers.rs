//! Rows H21, H23 to H26 and D31: which addresses are connected to, and how long that may take.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::base::iana::Rtype;

use super::*;

#[tokio::test]
async fn h21_blocked_addresses_of_a_host_are_dropped() {
    let site = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let ports = [(80, site.address.port())];
    let mixed = FakeDns::start(everything_at(&["10.0.0.1", "127.0.0.2"])).await;
    let observation = validate_at(&mixed, &ports, "example.com").await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.http[0].addresses.len(), 1);
    let blocked = FakeDns::start(everything_at(&["10.0.0.1", "fc00::1"])).await;
    let observation = validate_at(&blocked, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::AddrBlocked));
    assert_eq!(observation.used.connects, 0);
}

#[tokio::test]
async fn h21_a_host_that_moves_to_a_private_address_between_hops_is_not_contacted() {
    let site = FakeSite::start(SITE, |_| redirect(302, "/again")).await;
    let asked_for_a = AtomicUsize::new(0);
    let rebinding = move |asked: &Asked| {
        if asked.qtype != Rtype::A {
            return Say::no_data();
        }
        let first = asked_for_a.fetch_add(1, Ordering::Relaxed) == 0;
        everything_at(if first { &["127.0.0.2"] } else { &["10.0.0.1"] })(asked)
    };
    let dns = FakeDns::start(rebinding).await;
    let observation = validate_at(&dns, &[(80, site.address.port())], "example.com").await;
    assert_eq!(observation.reason, Some(Reason::AddrBlocked));
    assert_eq!((observation.http.len(), site.requests().len()), (2, 1));
}

#[tokio::test]
async fn h23_a_second_address_is_tried_only_if_the_first_has_no_connection() {
    let good = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let port = good.address.port();
    let ports = [(80, port)];
    let both = FakeDns::start(everything_at(&["::1", "127.0.0.2"])).await;
    let observation = validate_at(&both, &ports, "example.com").await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.http[0].tried.len(), 1);
    assert_eq!(observation.http[0].tried[0].addr.to_string(), "::1");
    assert_eq!(observation.used.connects, 2);
    let first = AtomicBool::new(true);
    let v6 = ([0, 0, 0, 0, 0, 0, 0, 1], port);
    let bad = FakeSite::start(v6, move |_| {
        if first.swap(false, Ordering::Relaxed) { response(500, KEY) } else { vec![Act::Stay] }
    });
    let bad = bad.await;
    for reason in [Reason::HttpStatus, Reason::HttpHeadTimeout] {
        let observation = validate_at(&both, &ports, "example.com").await;
        assert_eq!((observation.reason, observation.used.connects), (Some(reason), 1));
    }
    assert_eq!((bad.requests().len(), good.requests().len()), (2, 1));
}

#[tokio::test]
async fn h24_the_second_of_two_addresses_of_a_family_is_tried_and_no_third() {
    let good = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let ports = [(80, good.address.port())];
    let dns = FakeDns::start(everything_at(&["127.0.0.3", "127.0.0.2"])).await;
    let observation = validate_at(&dns, &ports, "example.com").await;
    assert_eq!((observation.reason, observation.used.connects), (None, 2));
    for dead in [&["::1"][..], &["127.0.0.3", "::1", "127.0.0.3", "127.0.0.2"]] {
        let dns = FakeDns::start(everything_at(dead)).await;
        let observation = validate_at(&dns, &ports, "example.com").await;
        assert_eq!(observation.reason, Some(Reason::ConnectRefused), "{dead:?}");
    }
}

#[tokio::test]
async fn h24_a_host_without_addresses_fails_with_what_dns_said() {
    let reason_of = async |say: fn(&Asked) -> Say| {
        let dns = FakeDns::start(say).await;
        validate_at(&dns, &[], "example.com").await.reason
    };
    assert_eq!(reason_of(|_| Say::no_data()).await, Some(Reason::DnsNoAddress));
    assert_eq!(reason_of(|_| Say::nx_domain()).await, Some(Reason::DnsNoAddress));
    assert_eq!(reason_of(|_| Say::serv_fail(&[])).await, Some(Reason::DnsServfail));
}

#[tokio::test]
async fn d31_a_failing_family_is_tolerated_and_a_bogus_one_is_not() {
    let site = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let with_v6 = async |v6: fn() -> Say| {
        let v4 = everything_at(&["127.0.0.2"]);
        let script = move |asked: &Asked| if asked.qtype == Rtype::A { v4(asked) } else { v6() };
        let dns = FakeDns::start(script).await;
        validate_at(&dns, &[(80, site.address.port())], "example.com").await
    };
    let observation = with_v6(Say::silence).await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.dnssec, mpic_common::evidence::Dnssec::Secure, "of the family used");
    let observation = with_v6(|| Say::serv_fail(&[6])).await;
    assert_eq!(observation.reason, Some(Reason::DnssecBogus));
}

#[tokio::test]
async fn h25_slow_peers_meet_absolute_ends() {
    let slowly = |octets: &str| Act::Repeat(octets.as_bytes().to_vec(), Duration::from_millis(20));
    for acts in [
        vec![Act::Stay],
        vec![Act::Send(b"HTTP/1.1 200 S\r\nX: ".to_vec()), slowly("x")],
        vec![slowly("HTTP/1.1 100 C\r\n\r\n")],
    ] {
        let found = reason(move |_| acts.clone()).await;
        assert_eq!(found, Some(Reason::HttpHeadTimeout));
    }
    let body = [Act::Send(b"HTTP/1.1 200 S\r\n\r\n".to_vec()), slowly("x")];
    assert_eq!(reason(move |_| body.to_vec()).await, Some(Reason::HttpBodyTimeout));
    assert_eq!(reason(|_| Vec::new()).await, Some(Reason::ConnectReset));
    assert_eq!(reason(|_| vec![Act::Reset]).await, Some(Reason::ConnectReset));
}

#[tokio::test]
async fn h26_an_ip_address_is_validated_without_dns() {
    let dns = FakeDns::start(everything_at(&[])).await;
    let site = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let observation = validate_at(&dns, &[(80, site.address.port())], "127.0.0.2").await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.6"));
    assert!(dns.asked().is_empty());
    assert!(site.requests()[0].to_lowercase().contains("host: 127.0.0.2\r\n"));
}
