//! Rows D6 to D31 of the behaviour table, as far as a forwarder's client decides them.

use domain::base::iana::OptRcode;
use mpic_common::evidence::{AliasKind, Purpose};
use mpic_common::octets::{Hash, Octets};

use super::*;
use crate::testing::fake_dns::{Asked, FakeDns, FakeRecord, Say, cname, dname, txt};
use crate::testing::{LONG, budget, forwarder, forwarder_with, inquiry};

mod attempts;

const NAME: &str = "_acme-challenge.example.com";

fn question(name: &str) -> Question {
    Question { name: name.to_owned(), qtype: Rtype::TXT, purpose: Purpose::Challenge }
}

/// Asks for TXT at [`NAME`] a resolver that follows the script.
async fn ask(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> DnsSeen {
    let dns = FakeDns::start(script).await;
    inquiry(&dns).ask(&question(NAME)).await
}

async fn outcome(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> DnsOutcome {
    ask(script).await.outcome
}

fn here() -> Vec<FakeRecord> {
    vec![txt(NAME, &[b"value"])]
}

fn flip(mut octets: Vec<u8>, position: usize) -> Vec<u8> {
    octets[position] ^= 0x01;
    octets
}

#[tokio::test]
async fn d1_ad_is_secure_and_its_absence_insecure() {
    let secure = ask(|_| Say::records(here())).await;
    assert_eq!((secure.outcome, secure.dnssec), (DnsOutcome::Answer, Dnssec::Secure));
    assert_eq!((secure.rcode, secure.ad, secure.attempts), (Some(0), Some(true), 1));
    assert_eq!(secure.answer_owner.as_deref(), Some(NAME));
    assert_eq!(secure.rrset, [Octets(b"\x05value".to_vec())]);
    let insecure = ask(|_| Say { ad: false, ..Say::records(here()) }).await;
    assert_eq!((insecure.outcome, insecure.dnssec), (DnsOutcome::Answer, Dnssec::Insecure));
}

#[tokio::test]
async fn d30_without_required_validation_the_absence_of_ad_is_indeterminate() {
    let dns = FakeDns::start(|_| Say { ad: false, ..Say::records(here()) }).await;
    let engine = forwarder_with(&dns, Validation::NotRequired);
    let seen = engine.open(Deadline::after(LONG), budget()).ask(&question(NAME)).await;
    assert_eq!((seen.outcome, seen.dnssec), (DnsOutcome::Answer, Dnssec::Indeterminate));
    assert_eq!(engine.self_test().await, Ok(()));
    let bogus = FakeDns::start(|_| Say::serv_fail(&[6])).await;
    let engine = forwarder_with(&bogus, Validation::NotRequired);
    let seen = engine.open(Deadline::after(LONG), budget()).ask(&question(NAME)).await;
    assert_eq!(seen.outcome, DnsOutcome::Bogus, "a validating resolver delivers no data");
}

#[tokio::test]
async fn d6_denials_are_settled_at_once() {
    let no_data = ask(|_| Say::no_data()).await;
    assert_eq!((no_data.outcome, no_data.attempts), (DnsOutcome::NoData, 1));
    assert_eq!(outcome(|_| Say::nx_domain()).await, DnsOutcome::NxDomain);
}

#[tokio::test]
async fn d13_a_denial_by_a_foreign_zone_is_malformed_and_one_by_nobody_must_be_insecure() {
    let foreign = |_: &Asked| Say { soa: Some("other.com".to_owned()), ..Say::no_data() };
    assert_eq!(outcome(foreign).await, DnsOutcome::Malformed);
    let bare = |_: &Asked| Say { soa: None, ad: false, ..Say::no_data() };
    assert_eq!(outcome(bare).await, DnsOutcome::NoData);
    let signed = |_: &Asked| Say { soa: None, ..Say::no_data() };
    assert_eq!(outcome(signed).await, DnsOutcome::Bogus);
}

/// Aliases a0 → a1 → … → a`length`, and TXT at the end.
fn aliases(length: usize) -> Vec<FakeRecord> {
    let alias = |n: usize| if n == 0 { NAME.to_owned() } else { format!("a{n}.example.com") };
    let mut records: Vec<_> = (0..length).map(|n| cname(&alias(n), &alias(n + 1))).collect();
    records.push(txt(&alias(length), &[b"value"]));
    records
}

#[tokio::test]
async fn d15_eleven_aliases_are_followed_and_twelve_are_not() {
    let seen = ask(|_| Say::records(aliases(11))).await;
    assert_eq!((seen.outcome, seen.chain.len()), (DnsOutcome::Answer, 11));
    assert_eq!(seen.answer_owner.as_deref(), Some("a11.example.com"));
    assert_eq!(outcome(|_| Say::records(aliases(12))).await, DnsOutcome::AliasLimit);
}

#[tokio::test]
async fn d15_loops_end_as_alias_limit() {
    let two =
        |_: &Asked| Say::records(vec![cname(NAME, "b.example.com"), cname("B.example.com", NAME)]);
    assert_eq!(outcome(two).await, DnsOutcome::AliasLimit);
    assert_eq!(outcome(|_| Say::records(vec![cname(NAME, NAME)])).await, DnsOutcome::AliasLimit);
}

#[tokio::test]
async fn d9_a_chain_that_comes_in_pieces_is_asked_on() {
    let seen = ask(|asked| {
        let next = match asked.name.as_str() {
            NAME => cname(NAME, "b.example.com"),
            "b.example.com" => cname("b.example.com", "c.example.com"),
            _ => txt("c.example.com", &[b"value"]),
        };
        Say { ad: asked.name != "b.example.com", ..Say::records(vec![next]) }
    });
    let seen = seen.await;
    assert_eq!((seen.outcome, seen.chain.len()), (DnsOutcome::Answer, 2));
    assert_eq!(seen.dnssec, Dnssec::Insecure, "the worst of its hops");
    let states: Vec<_> = seen.chain.iter().map(|alias| alias.dnssec).collect();
    assert_eq!(states, [Dnssec::Secure, Dnssec::Insecure]);
}

#[tokio::test]
async fn d15_a_chain_that_never_ends_is_asked_on_eleven_times() {
    let dns = FakeDns::start(|asked| {
        Say::records(vec![cname(&asked.name, &format!("x.{}", asked.name))])
    });
    let dns = dns.await;
    let seen = inquiry(&dns).ask(&question(NAME)).await;
    assert_eq!(seen.outcome, DnsOutcome::AliasLimit);
    assert_eq!(dns.asked().len(), 12);
}

#[tokio::test]
async fn d9_an_alias_to_nothing_has_the_denial_of_its_target() {
    let alias = |soa: &str| Say {
        records: vec![cname(NAME, "b.example.net")],
        soa: Some(soa.to_owned()),
        ..Say::nx_domain()
    };
    let (target, origin) = (alias("example.net"), alias("example.com"));
    assert_eq!(outcome(move |_| target.clone()).await, DnsOutcome::NxDomain);
    assert_eq!(outcome(move |_| origin.clone()).await, DnsOutcome::Malformed);
}

#[tokio::test]
async fn d10_a_dname_is_followed_and_recorded_with_or_without_its_cname() {
    let made = cname(NAME, "_acme-challenge.example.net");
    let end = txt("_acme-challenge.example.net", &[b"value"]);
    let source = dname("example.com", "example.net");
    for records in [vec![source.clone(), made, end.clone()], vec![source, end]] {
        let seen = ask(move |_| Say::records(records.clone())).await;
        assert_eq!(seen.outcome, DnsOutcome::Answer);
        assert_eq!(seen.chain[0].kind, AliasKind::Dname);
        assert_eq!(seen.chain[0].target, "_acme-challenge.example.net");
    }
}

#[tokio::test]
async fn d10_a_dname_that_makes_the_name_too_long_says_so() {
    let target = vec!["a".repeat(60); 4].join(".");
    let long = move |_: &Asked| Say::records(vec![dname("example.com", &target)]);
    assert_eq!(outcome(long).await, DnsOutcome::NameTooLong);
    assert_eq!(outcome(|_| Say::rcode(OptRcode::YXDOMAIN)).await, DnsOutcome::NameTooLong);
    let dns = FakeDns::start(|_| Say::no_data()).await;
    let name = vec!["a".repeat(60); 5].join(".");
    assert_eq!(inquiry(&dns).ask(&question(&name)).await.outcome, DnsOutcome::NameTooLong);
    assert!(dns.asked().is_empty());
}

#[tokio::test]
async fn d16_two_cnames_at_one_owner_are_malformed_and_data_beside_one_are_ignored() {
    let two = vec![cname(NAME, "b.example.com"), cname(NAME, "c.example.com")];
    assert_eq!(outcome(move |_| Say::records(two.clone())).await, DnsOutcome::Malformed);
    let beside = [here(), vec![cname(NAME, "b.example.com")]].concat();
    let say = Say { soa: Some("example.com".to_owned()), ..Say::records(beside) };
    assert_eq!(outcome(move |_| say.clone()).await, DnsOutcome::NoData);
}

#[tokio::test]
async fn d28_records_of_other_owners_are_ignored() {
    let seen = ask(|_| Say::records([vec![txt("example.org", &[b"x"])], here()].concat())).await;
    assert_eq!((seen.outcome, seen.rrset_count), (DnsOutcome::Answer, 1));
}

#[tokio::test]
async fn d18_a_truncated_reply_is_fetched_over_tcp() {
    let seen = ask(|asked| {
        let many = vec![txt(NAME, &[&[b'x'; 200]]); 250];
        Say { tc: !asked.tcp, ..Say::records(if asked.tcp { many } else { Vec::new() }) }
    });
    let seen = seen.await;
    assert_eq!((seen.outcome, seen.transport), (DnsOutcome::Answer, Transport::Tcp));
    assert_eq!(seen.rrset_count, 250);
    let refused = |asked: &Asked| {
        if asked.tcp { Say::silence() } else { Say { tc: true, ..Say::no_data() } }
    };
    assert_eq!(outcome(refused).await, DnsOutcome::Truncated);
    let whatever = |_: &Asked| Say { tc: true, ..Say::records(here()) };
    assert_eq!(outcome(whatever).await, DnsOutcome::Truncated, "a part of a set is no answer");
}

#[tokio::test]
async fn d21_a_question_in_another_case_is_believed_over_tcp_only() {
    let lower: fn(Vec<u8>) -> Vec<Vec<u8>> = |mut octets| {
        octets[12..40].make_ascii_lowercase();
        vec![octets]
    };
    let seen = ask(move |_| Say { distort: lower, ..Say::records(here()) }).await;
    assert_eq!((seen.outcome, seen.transport), (DnsOutcome::Answer, Transport::Tcp));
}

#[tokio::test]
async fn d22_foreign_messages_are_ignored() {
    let first: fn(Vec<u8>) -> Vec<Vec<u8>> =
        |octets| vec![flip(octets.clone(), 0), flip(octets.clone(), 15), octets];
    let seen = ask(move |_| Say { distort: first, ..Say::records(here()) }).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Answer, 1));
    let only: fn(Vec<u8>) -> Vec<Vec<u8>> = |octets| vec![flip(octets, 0)];
    let seen = ask(move |_| Say { distort: only, ..Say::records(here()) }).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Timeout, 2));
}

#[tokio::test]
async fn d23_failures_are_asked_once_more() {
    let dns = FakeDns::start(|_| Say::serv_fail(&[])).await;
    let seen = inquiry(&dns).ask(&question(NAME)).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::ServFail, 2));
    let disabled: Vec<_> = dns.asked().iter().map(|asked| asked.checking_disabled).collect();
    assert_eq!(disabled, [false, false, true]);
    let recovers = |asked: &Asked| match asked.nth {
        0 => Say::serv_fail(&[]),
        _ => Say::records(here()),
    };
    let seen = ask(recovers).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Answer, 2));
    let refused = ask(|_| Say { ra: false, ..Say::rcode(OptRcode::REFUSED) }).await;
    assert_eq!((refused.outcome, refused.attempts), (DnsOutcome::Refused, 2));
}

#[tokio::test]
async fn d2_servfail_is_bogus_by_its_extended_error_or_if_it_resolves_without_checking() {
    for code in [6, 9, 12] {
        assert_eq!(outcome(move |_| Say::serv_fail(&[22, code])).await, DnsOutcome::Bogus);
    }
    assert_eq!(outcome(|_| Say::serv_fail(&[5])).await, DnsOutcome::Indeterminate);
    for code in [22, 23] {
        assert_eq!(outcome(move |_| Say::serv_fail(&[code])).await, DnsOutcome::ServFail);
    }
    let only_with_checking = |asked: &Asked| {
        let unchecked = Say { ad: false, ..Say::records(here()) };
        if asked.checking_disabled { unchecked } else { Say::serv_fail(&[]) }
    };
    let seen = ask(only_with_checking).await;
    assert_eq!((seen.outcome, seen.dnssec), (DnsOutcome::Bogus, Dnssec::Bogus));
    assert!(seen.rrset.is_empty(), "data got with CD=1 are never used");
}

#[tokio::test]
async fn d29_a_server_that_does_not_recurse_is_malformed_and_so_is_any_other_rcode() {
    let no_recursion = |_: &Asked| Say { ra: false, ..Say::records(here()) };
    assert_eq!(outcome(no_recursion).await, DnsOutcome::Malformed);
    assert_eq!(outcome(|_| Say::rcode(OptRcode::NOTIMP)).await, DnsOutcome::Malformed);
    assert_eq!(outcome(|_| Say::rcode(OptRcode::BADVERS)).await, DnsOutcome::Malformed);
}

#[tokio::test]
async fn d28_a_reply_that_does_not_decode_is_malformed_and_not_asked_again() {
    let undecodable: fn(Vec<u8>) -> Vec<Vec<u8>> =
        |octets| vec![octets[..octets.len() - 20].to_vec()];
    let seen = ask(move |_| Say { distort: undecodable, ..Say::records(here()) }).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Malformed, 1));
}

#[tokio::test]
async fn d29_a_closed_port_is_unreachable_and_silence_is_timeout() {
    let dns = FakeDns::start(|_| Say::silence()).await;
    let seen = inquiry(&dns).ask(&question(NAME)).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Timeout, 2));
    assert_eq!(forwarder(&dns).self_test().await, Err(Reason::DnsTimeout));
    let closed = inquiry(&dns);
    drop(dns);
    assert_eq!(closed.ask(&question(NAME)).await.outcome, DnsOutcome::Unreachable);
}

#[tokio::test]
async fn d29_the_self_test_wants_ad() {
    let root = |_: &Asked| crate::testing::fake_dns::record("", Rtype::SOA, vec![0; 22]);
    let good = FakeDns::start(move |asked| Say::records(vec![root(asked)])).await;
    assert_eq!(forwarder(&good).self_test().await, Ok(()));
    let bad = move |asked: &Asked| Say { ad: false, ..Say::records(vec![root(asked)]) };
    let dns = FakeDns::start(bad).await;
    assert_eq!(forwarder(&dns).self_test().await, Err(Reason::EngineUnavailable));
}

#[tokio::test]
async fn d27_the_budget_of_a_job_ends_its_questions() {
    let dns = FakeDns::start(|_| Say::records(here())).await;
    let budget = Arc::new(Budget::new(BudgetLimits { packets: 2, octets: 10_000 }));
    let open = || forwarder(&dns).open(Deadline::after(LONG), Arc::clone(&budget));
    let (first, second) = (open(), open());
    assert_eq!(first.ask(&question(NAME)).await.outcome, DnsOutcome::Answer);
    assert_eq!(second.ask(&question(NAME)).await.outcome, DnsOutcome::Answer);
    assert_eq!(first.ask(&question(NAME)).await.outcome, DnsOutcome::Budget);
    assert_eq!(dns.asked().len(), 2);
    assert_eq!(second.used().0, 1, "packets of this check alone");
}

#[tokio::test]
async fn the_digest_covers_the_set_in_any_order() {
    let digest = |records: Vec<FakeRecord>| async {
        ask(move |_| Say::records(records.clone())).await.rrset_digest
    };
    let (a, b) = (txt(NAME, &[b"a"]), txt(NAME, &[b"b"]));
    let one = digest(vec![a.clone(), b.clone()]).await;
    assert_eq!(one, digest(vec![b, a]).await);
    assert_eq!(one, Some(Hash::of(b"\0\x02\x01a\0\x02\x01b")));
}
