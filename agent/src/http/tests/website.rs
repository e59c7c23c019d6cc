//! Rows H9, H10, H26 to H28: an Agreed-Upon Change.

use mpic_common::challenge::{Scheme, WebsiteChange};
use mpic_common::job::Job;
use mpic_common::octets::Hash;

use super::*;

const CHALLENGE: &str = "A-Random-Value-Of-30-Characters";

fn change() -> WebsiteChange {
    WebsiteChange {
        challenge: CHALLENGE.to_owned().try_into().unwrap(),
        path: "file.txt".to_owned().try_into().unwrap(),
        scheme: Scheme::Http,
        headers: mpic_common::challenge::RequestHeaders::default(),
        match_regex: None,
        case_sensitive: true,
    }
}

fn job(identifier: &str, change: WebsiteChange) -> Job {
    let mut job = http_01_job(identifier);
    job.caa = None;
    job.dcv.as_mut().unwrap().challenge = Challenge::WebsiteChange(change);
    job
}

/// Validates `identifier` at a site at 127.0.0.2 that follows the script.
async fn validate_change(
    identifier: &str,
    change: WebsiteChange,
    script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
) -> (Observation, FakeSite, FakeDns) {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let site = FakeSite::start(SITE, script).await;
    let port = site.address.port();
    let checker = checker(&dns, &[(80, port), (443, port)]);
    let mut observations = perform(&checker, &job(identifier, change)).await;
    (observations.remove(&CheckKind::Dcv).unwrap(), site, dns)
}

async fn reason_of(change: WebsiteChange, body: &str) -> Option<Reason> {
    let body = body.to_owned();
    validate_change("example.com", change, move |_| response(200, &body)).await.0.reason
}

#[tokio::test]
async fn h9_the_value_is_anywhere_in_the_file_with_its_case_and_the_pattern_matches() {
    let html = format!("<html>\n<p>{CHALLENGE}</p>\n</html>\n");
    let body = html.clone();
    let (observation, site, _) =
        validate_change("example.com", change(), move |_| response(200, &body)).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.4.18"));
    assert_eq!(observation.observed, Some(Hash::of(CHALLENGE.as_bytes())));
    assert_eq!(observation.matched.as_deref(), Some("example.com"));
    assert!(site.requests()[0].starts_with("GET /.well-known/pki-validation/file.txt "));
    let found = observation.http[0].body_match.as_ref().unwrap();
    assert_eq!((found.offset, found.octets.0.as_slice()), (10, html.as_bytes()));
    let lower = html.to_ascii_lowercase();
    let mismatch = Some(Reason::HttpBodyMismatch);
    assert_eq!(reason_of(change(), &lower).await, mismatch);
    assert_eq!(reason_of(WebsiteChange { case_sensitive: false, ..change() }, &lower).await, None);
    let matching =
        |pattern: &str| WebsiteChange { match_regex: Some(pattern.to_owned()), ..change() };
    assert_eq!(reason_of(matching("(?s)^<html>.*</html>$"), &html).await, None, "it is trimmed");
    assert_eq!(reason_of(matching("^<p>"), &html).await, mismatch);
}

#[tokio::test]
async fn h10_only_the_first_64_kib_are_read() {
    let endless = |front: usize| {
        let begun = format!("HTTP/1.1 200 S\r\n\r\n{}{CHALLENGE}", "x".repeat(front));
        vec![Act::Send(begun.into_bytes()), Act::Repeat(vec![b'x'; 1_024], Duration::ZERO)]
    };
    let inside = (64 << 10) - CHALLENGE.len();
    for (front, reason) in [(0, None), (inside, None), (inside + 1, Some(Reason::HttpBodyMismatch))]
    {
        let (observation, _, _) =
            validate_change("example.com", change(), move |_| endless(front)).await;
        assert_eq!(observation.reason, reason, "{front}");
        let hop = &observation.http[0];
        assert!(!hop.body_complete && hop.body_octets < 128 << 10, "{}", hop.body_octets);
        if let Some(found) = &hop.body_match {
            assert!(found.octets.0.len() <= 1_024);
        }
    }
    let cut = format!("HTTP/1.1 200 S\r\nContent-Length: 99999\r\n\r\n{CHALLENGE}");
    let (observation, _, _) = validate_change("example.com", change(), move |_| send(&cut)).await;
    assert_eq!(observation.reason, Some(Reason::HttpBodyIncomplete), "before the limit");
}

#[tokio::test]
async fn h26_an_address_is_its_own_host_and_asks_nothing() {
    let (observation, site, dns) =
        validate_change("127.0.0.2", change(), |_| response(200, CHALLENGE)).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.1"));
    assert_eq!(observation.matched.as_deref(), Some("127.0.0.2"));
    assert!(site.requests()[0].to_lowercase().contains("\r\nhost: 127.0.0.2\r\n"));
    assert!(dns.asked().is_empty());
    let site = FakeSite::start(([0, 0, 0, 0, 0, 0, 0, 1], 0), |_| response(200, CHALLENGE)).await;
    let checker = checker(&dns, &[(80, site.address.port())]);
    let observations = perform(&checker, &job("::1", change())).await;
    assert_eq!(observations[&CheckKind::Dcv].reason, None);
    assert!(site.requests()[0].to_lowercase().contains("\r\nhost: [::1]\r\n"));
}

#[tokio::test]
async fn h27_the_file_of_an_address_is_on_that_address() {
    let to = |location: &'static str| {
        move |request: &str| {
            let first = request.starts_with("GET /.well-known/");
            if first { redirect(302, location) } else { response(200, CHALLENGE) }
        }
    };
    for (location, reason) in [
        ("/there", None),
        ("http://127.0.0.2:443/there", None),
        ("http://127.0.0.3/there", Some(Reason::RedirectOffsite)),
        ("http://example.com/there", Some(Reason::RedirectOffsite)),
    ] {
        let (observation, site, _) = validate_change("127.0.0.2", change(), to(location)).await;
        assert_eq!(observation.reason, reason, "{location}");
        assert_eq!(site.requests().len(), if reason.is_none() { 2 } else { 1 }, "{location}");
    }
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let site = FakeSite::start(SITE, |request| {
        let first = request.starts_with("GET /.well-known/");
        if first { redirect(302, "http://example.com/x") } else { response(200, KEY) }
    });
    let site = site.await;
    let observation = validate_at(&dns, &[(80, site.address.port())], "127.0.0.2").await;
    assert_eq!(observation.reason, None, "acme-http-01 may be led elsewhere");
}

#[tokio::test]
async fn h28_the_site_is_never_told_the_challenge() {
    let shown = format!("/x/{}", CHALLENGE.to_lowercase().replace('-', "%2d"));
    let script = move |_: &str| redirect(302, &shown);
    let (observation, site, _) = validate_change("example.com", change(), script).await;
    assert_eq!(observation.reason, Some(Reason::HttpChallengeInRequest));
    assert_eq!(site.requests().len(), 1);
    let short = WebsiteChange { challenge: "short".to_owned().try_into().unwrap(), ..change() };
    let script = |request: &str| {
        if request.starts_with("GET /short ") {
            response(200, "short")
        } else {
            redirect(302, "/short")
        }
    };
    let (observation, _, _) = validate_change("example.com", short, script).await;
    assert_eq!(observation.reason, None, "too short to be a Random Value");
}

#[tokio::test]
async fn h9_https_is_asked_first_where_the_job_says_so() {
    let https = WebsiteChange { scheme: Scheme::Https, ..change() };
    let (acceptor, _) = tls::acceptor(rustls::ALL_VERSIONS);
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let site = FakeSite::start_tls(SITE, acceptor, |_| response(200, CHALLENGE)).await;
    let checker = checker(&dns, &[(443, site.address.port())]);
    let observations = perform(&checker, &job("example.com", https)).await;
    let observation = &observations[&CheckKind::Dcv];
    assert_eq!((observation.reason, observation.http[0].port), (None, 443));
}
