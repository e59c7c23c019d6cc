//! Rows I1 to I22: what a job may say, at the boundary and at an agent, and on which day.

use mpic_common::challenge::{ChangeRecord, Contact, ContactRecord, DnsChange, Matching};
use mpic_common::identifier::IdentifierKind;
use mpic_common::time::UnixMs;

use super::*;
use crate::testing::forwarder;

/// A text in MessagePack.
fn packed(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok();
    let head = match length {
        Some(short @ 0..32) => vec![0xA0 | short],
        Some(length) => vec![0xD9, length],
        None => [&[0xDA], u16::try_from(text.len()).unwrap().to_be_bytes().as_slice()].concat(),
    };
    [head, text.as_bytes().to_vec()].concat()
}

/// The body of a job whose one text `from` is `to` instead.
pub(super) fn swapped(job: &Job, from: &str, to: &str) -> Vec<u8> {
    let (body, from) = (job.to_body(), packed(from));
    let at: Vec<_> = (0..body.len()).filter(|at| body[*at..].starts_with(&from)).collect();
    let [at] = at.as_slice() else { panic!("{at:?}") };
    [&body[..*at], &packed(to), &body[at + from.len()..]].concat()
}

/// The fields at fault in such a job.
pub(super) fn at_fault(job: &Job, from: &str, to: &str) -> Vec<String> {
    match Job::parse(&swapped(job, from, to)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.field).collect(),
    }
}

fn name_at_fault(name: &str) -> Vec<String> {
    at_fault(&dns_01_job("example.com"), "example.com", name)
}

const VALUE: [&str; 1] = ["identifier.value"];

#[test]
fn i1_any_case_is_taken_at_the_boundary_and_one_in_a_job() {
    assert_eq!(Identifier::parse("EXAMPLE.com").unwrap().to_string(), "example.com");
    assert_eq!(name_at_fault("EXAMPLE.com"), VALUE);
    assert_eq!(name_at_fault("example.net"), [""; 0]);
}

#[test]
fn i2_a_u_label_is_taken_at_the_boundary_alone() {
    let name = "bücher.example.com";
    assert_eq!(Identifier::parse(name).unwrap().to_string(), "xn--bcher-kva.example.com");
    assert_eq!(name_at_fault(name), VALUE);
}

#[test]
fn i3_an_a_label_stands_for_something_beyond_ascii() {
    for name in ["xn--0.example.com", "xn--abc-.example.com", "xn--.example.com"] {
        assert_eq!(name_at_fault(name), VALUE, "{name}");
        assert!(Identifier::parse(name).is_err(), "{name}");
    }
}

#[test]
fn i4_what_is_no_host_name_is_refused() {
    let (label, long) = ("a".repeat(64), format!("{}.com", vec!["a".repeat(49); 5].join(".")));
    for name in [
        "example.com.",
        "ab--cd.example.com",
        "_x.example.com",
        "-a.example.com",
        "a..example.com",
        &format!("{label}.com"),
        &format!("a{long}"),
        "com",
    ] {
        assert_eq!(name_at_fault(name), VALUE, "{name}");
        assert!(Identifier::parse(name).is_err(), "{name}");
    }
}

#[test]
fn i5_a_star_stands_once_and_first() {
    for name in ["*.*.example.com", "w*.example.com", "a.*.example.com", "*"] {
        assert_eq!(name_at_fault(name), VALUE, "{name}");
        assert!(Identifier::parse(name).is_err(), "{name}");
    }
}

/// The reason for which `name` is never checked.
async fn never(name: &str) -> Option<Reason> {
    refused(dns_01_alone(name)).await
}

/// Whether a challenge is asked for at `at`.
async fn is_asked_at(job: &Job, at: &str) {
    let (observation, dns) = validate_job(job, |_| Say::no_data()).await;
    assert_eq!(observation.reason, Some(Reason::DnsNodata));
    assert_eq!(dns.names(), [at]);
}

#[tokio::test]
async fn i6_a_wildcard_has_a_label_below_the_public_suffix() {
    for name in ["*.com", "*.co.uk"] {
        let job = dns_01_alone(name);
        assert_eq!(Job::parse(&job.to_body()).as_ref(), Ok(&job), "{name}: on the wire");
        assert_eq!(refused(job).await, Some(Reason::IdentifierPublicSuffix), "{name}");
    }
    is_asked_at(&dns_01_alone("co.uk"), "_acme-challenge.co.uk").await;
    is_asked_at(&dns_01_alone("*.github.io"), "_acme-challenge.github.io").await;
    is_asked_at(&dcv_job("*.example.com", change()), "example.com").await;
}

fn change() -> Challenge {
    Challenge::DnsChange(DnsChange {
        challenge: text("some-value"),
        record_type: ChangeRecord::Txt,
        prefix: None,
        matching: Matching::Exact,
        case_sensitive: true,
    })
}

#[tokio::test]
async fn i7_names_outside_the_public_dns_are_refused_unless_allowed() {
    for name in ["a.local", "a.internal", "a.cpu", "a.test"] {
        assert_eq!(never(name).await, Some(Reason::IdentifierReservedName), "{name}");
    }
    let dns = FakeDns::start(|_| Say::no_data()).await;
    let mut rules = rules(&[]);
    let list = crate::testing::SUFFIX_LIST.as_bytes();
    rules.names = NamePolicy::new(list, vec!["test".to_owned()], Vec::new()).unwrap();
    let checker = Checker::new(forwarder(&dns), StoppedClock(NOW), rules);
    let observations = perform(&checker, &dns_01_alone("a.test")).await;
    assert_eq!(observations[&CheckKind::Dcv].reason, Some(Reason::DnsNodata));
}

#[tokio::test]
async fn i8_onion_names_are_refused() {
    let version_3 = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    assert_eq!(never(version_3).await, Some(Reason::IdentifierOnion));
}

#[tokio::test]
async fn i9_reverse_names_are_refused_but_as_targets_of_a_look_up() {
    let name = "8.8.8.8.in-addr.arpa";
    assert_eq!(never(name).await, Some(Reason::IdentifierReservedName));
    let target = Identifier::parse_for("reverse-address-lookup", name).unwrap();
    assert_eq!(target, Identifier::parse("8.8.8.8").unwrap());
}

#[test]
fn i10_addresses_are_taken_with_brackets_and_shown_without() {
    for (text, canonical) in [("8.8.8.8", "8.8.8.8"), ("[2600:0:0:0:0:0:0:1]", "2600::1")] {
        let address = Identifier::parse(text).unwrap();
        assert_eq!(
            (address.kind(), address.to_string()),
            (IdentifierKind::Ip, canonical.to_owned())
        );
    }
}

#[test]
fn i11_what_is_almost_an_address_is_refused() {
    for text in ["010.8.8.8", "8.8.8", "0x8.8.8.8", "134744072", "fe80::1%eth0"] {
        assert!(Identifier::parse(text).is_err(), "{text}");
        let job = Job { identifier: Identifier::parse("8.8.4.4").unwrap(), ..dns_01_job("a.com") };
        assert!(at_fault(&job, "8.8.4.4", text).contains(&VALUE[0].to_owned()), "{text}");
    }
}

#[tokio::test]
async fn i12_reserved_addresses_are_refused() {
    for address in ["10.0.0.1", "192.0.2.7", "224.0.0.1", "::ffff:8.8.8.8", "2001:db8::1"] {
        let job = Job { caa: None, ..http_01_job(address) };
        assert_eq!(refused(job).await, Some(Reason::IdentifierReservedIp), "{address}");
    }
}

#[tokio::test]
async fn i14_an_authorization_domain_name_is_between_the_name_and_its_suffix() {
    let with_adn = |mut job: Job, adn: &str| {
        job.dcv.as_mut().unwrap().adn = Some(DnsName::parse(adn).unwrap());
        job
    };
    let name = "a.b.example.com";
    is_asked_at(&with_adn(dcv_job(name, change()), "example.com"), "example.com").await;
    let http = Job { caa: None, ..http_01_job(name) };
    for (job, reason) in [
        (with_adn(http, "example.com"), Reason::MethodUnsuitable),
        (with_adn(dcv_job("a.b.co.uk", change()), "co.uk"), Reason::JobMalformed),
        (with_adn(dcv_job(name, change()), "other.com"), Reason::JobMalformed),
    ] {
        assert_eq!(refused(job).await, Some(reason));
    }
}

fn contact(record: ContactRecord, selected: &str) -> Challenge {
    let contact = Contact::parse(record.kind(), selected.as_bytes()).unwrap();
    Challenge::Contact { record, contact }
}

/// The observation of a job that is checked at `now`, and how many questions that took.
async fn at(now: UnixMs, job: &Job) -> (Observation, usize) {
    let dns = FakeDns::start(|_| Say::no_data()).await;
    let checker = Checker::new(forwarder(&dns), StoppedClock(now), rules(&[]));
    let observation = perform(&checker, job).await.remove(&CheckKind::Dcv).unwrap();
    (observation, dns.asked().len())
}

/// Midnight UTC of 2027-03-15 and of 2028-03-15.
const PHONE_END: UnixMs = UnixMs(1_805_068_800_000);
const EMAIL_END: UnixMs = UnixMs(1_836_691_200_000);

#[tokio::test]
async fn i15_a_method_runs_to_its_last_second() {
    let job = dcv_job("example.com", contact(ContactRecord::PhoneTxt, "+15551234567"));
    let (observation, _) = at(PHONE_END.minus(Duration::from_secs(1)), &job).await;
    assert_eq!((observation.reason, observation.discouraged), (Some(Reason::DnsNodata), true));
    let (observation, asked) = at(PHONE_END, &job).await;
    assert_eq!((observation.reason, asked), (Some(Reason::MethodSunset), 0));
}

#[tokio::test]
async fn i16_ended_and_retired_methods_are_refused() {
    let expected_fqdn = DnsName::parse("host.example.com").unwrap();
    let reverse = dcv_job("8.8.8.8", Challenge::ReverseAddressLookup { expected_fqdn });
    for record in [ContactRecord::EmailTxt, ContactRecord::EmailCaa] {
        let job = dcv_job("example.com", contact(record, "a@example.com"));
        assert_eq!(at(EMAIL_END, &job).await.0.reason, Some(Reason::MethodSunset));
        let before = EMAIL_END.minus(Duration::from_secs(1));
        assert_eq!(at(before, &job).await.0.reason, Some(Reason::DnsNodata));
    }
    assert_eq!(at(PHONE_END, &reverse).await.0.reason, Some(Reason::MethodSunset));
    for retired in ["3.2.2.4.6", "constructed-email", "any-other-method"] {
        let job = dns_01_alone("example.com");
        assert_eq!(at_fault(&job, "acme-dns-01", retired), ["dcv.method"], "{retired}");
    }
}
