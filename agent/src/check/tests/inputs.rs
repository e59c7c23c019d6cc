//! Rows I18 to I22: the inputs of methods, as a job carries them.

use std::collections::BTreeMap;

use mpic_common::challenge::{
    ChangeRecord, DnsChange, Matching, RequestHeaders, Scheme, WebsiteChange,
};

use super::jobs::{at_fault, swapped};
use super::*;
use crate::testing::forwarder;

fn website() -> Job {
    let headers = BTreeMap::from([("X-Header".to_owned(), "x-value".to_owned())]);
    let change = WebsiteChange {
        challenge: text("a-challenge-of-30-characters-x"),
        path: text("some-path"),
        scheme: Scheme::Http,
        headers: RequestHeaders::try_from(headers).unwrap(),
        match_regex: Some("some-pattern".to_owned()),
        case_sensitive: true,
    };
    dcv_job("example.com", Challenge::WebsiteChange(change))
}

const FINE: [&str; 0] = [];

#[test]
fn i18_an_unknown_field_may_restrict_and_is_refused() {
    assert_eq!(at_fault(&website(), "match_regex", "match_glob"), ["dcv.match_glob"]);
}

#[test]
fn i19_tokens_and_paths_are_safe_in_a_url() {
    let http = Job { caa: None, ..http_01_job("example.com") };
    for token in ["../x", "a/b", "a%2f", ""] {
        assert_eq!(at_fault(&http, "token-1", token), ["dcv.token"], "{token:?}");
    }
    for path in ["../a", "a/../b", "a%2e", "a?b", "a//b"] {
        assert_eq!(at_fault(&website(), "some-path", path), ["dcv.path"], "{path:?}");
    }
}

#[test]
fn i19_a_leading_slash_of_a_path_is_dropped() {
    let body = swapped(&website(), "some-path", "/a");
    let Some(Challenge::WebsiteChange(change)) =
        Job::parse(&body).unwrap().dcv.map(|dcv| dcv.challenge)
    else {
        panic!("another challenge")
    };
    assert_eq!(change.path.as_str(), "a");
}

#[test]
fn i20_a_request_never_holds_the_challenge() {
    let challenge = "a-challenge-of-30-characters-x";
    assert_eq!(at_fault(&website(), challenge, ""), ["dcv.challenge"]);
    for (from, to) in [
        ("some-path", "x/A-Challenge-Of-30-Characters-X".to_owned()),
        ("x-value", format!("say {challenge}")),
        ("X-Header", format!("X-{challenge}")),
        ("example.com", format!("{challenge}.example.com")),
    ] {
        assert_eq!(at_fault(&website(), from, &to), ["dcv.challenge"], "{to}");
    }
    assert_eq!(at_fault(&website(), "x-value", "a-challenge"), FINE);
}

fn prefixed() -> Job {
    let change = DnsChange {
        challenge: text("a-challenge-of-30-characters-x"),
        record_type: ChangeRecord::Txt,
        prefix: Some(text("_dnsauth")),
        matching: Matching::Exact,
        case_sensitive: true,
    };
    dcv_job("example.com", Challenge::DnsChange(change))
}

#[test]
fn i20_a_prefix_is_one_label_that_begins_with_an_underscore_or_nothing() {
    for prefix in ["dcv", "_a._b", "_", "_a.", "_a b"] {
        assert_eq!(at_fault(&prefixed(), "_dnsauth", prefix), ["dcv.prefix"], "{prefix}");
    }
    let parsed = Job::parse(&swapped(&prefixed(), "_dnsauth", "")).unwrap();
    let Challenge::DnsChange(change) = parsed.dcv.unwrap().challenge else { panic!("another") };
    assert_eq!(change.prefix, None);
}

#[tokio::test]
async fn i20_a_challenge_shorter_than_the_operator_allows_is_refused() {
    for (job, length) in [(website(), 30), (prefixed(), 30)] {
        for (least, refused) in [(length, None), (length + 1, Some(Reason::JobMalformed))] {
            let dns = FakeDns::start(|_| Say::no_data()).await;
            let mut rules = rules(&[]);
            rules.methods.challenge_octets_min = least;
            let checker = Checker::new(forwarder(&dns), StoppedClock(NOW), rules);
            let observation = perform(&checker, &job).await.remove(&CheckKind::Dcv).unwrap();
            assert_eq!(observation.verdict == Verdict::Refused, refused.is_some(), "{least}");
            assert_eq!(observation.reason == refused, refused.is_some(), "{least}");
        }
    }
}

#[test]
fn i20_the_name_asked_never_holds_the_challenge() {
    let challenge = "a-challenge-of-30-characters-x";
    for (from, to) in [
        ("_dnsauth", format!("_{}", challenge.to_uppercase())),
        ("example.com", format!("{challenge}.example.com")),
    ] {
        assert_eq!(at_fault(&prefixed(), from, &to), ["dcv.challenge"], "{to}");
    }
    let mut above = prefixed();
    above.identifier = Identifier::parse(&format!("{challenge}.example.com")).unwrap();
    above.dcv.as_mut().unwrap().adn = Some(DnsName::parse("example.com").unwrap());
    assert_eq!(Job::parse(&above.to_body()), Ok(above), "the name asked is above it");
}

#[test]
fn i22_a_persistent_record_and_caa_need_an_issuer() {
    let account_uris = vec![text("https://ca.example/acct/1")];
    let persistent = dcv_job("example.com", Challenge::DnsPersistent { account_uris });
    for job in [persistent, dns_01_job("example.com")] {
        let errors = Job::parse(&Job { issuer_domains: Vec::new(), ..job }.to_body()).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["issuer_domains"]);
    }
}

#[test]
fn i21_a_mailbox_is_its_domain() {
    for text in ["u@[8.8.8.8]", "u@*.example.com"] {
        assert!(Identifier::parse(text).is_err(), "{text}");
    }
    let mailbox = Identifier::parse("\"a@b\"@example.com").unwrap();
    assert_eq!(mailbox, Identifier::Email { domain: DnsName::parse("example.com").unwrap() });
}

#[test]
fn i22_patterns_issuers_and_headers_have_their_rules() {
    for (from, to, field) in [
        ("some-pattern", "(?<=a)b", "dcv.match_regex"),
        ("some-pattern", "(a)\\1", "dcv.match_regex"),
        ("ca.example", "", "issuer_domains"),
        ("ca.example", "CA.example", "issuer_domains"),
        ("X-Header", "Host", "dcv.headers"),
        ("X-Header", "cookie", "dcv.headers"),
        ("X-Header", "Authorization", "dcv.headers"),
        ("X-Header", "X-Forwarded-For", "dcv.headers"),
    ] {
        assert_eq!(at_fault(&website(), from, to), [field], "{to:?}");
    }
}
