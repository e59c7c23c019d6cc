//! Rows S4 and S5: peers that mean harm.

use mpic_common::octets::Octets;

use super::*;
use crate::testing::fake_dns::everything_at;
use crate::testing::fake_site::{Act, FakeSite, redirect, response};

/// What a resolver says about names that are each a trap of their own.
fn traps(asked: &Asked) -> Say {
    let flood = vec![txt(&asked.name, &[&[b'x'; 250]]); 220];
    match asked.name.as_str() {
        "_acme-challenge.flood.com" => Say::records(flood),
        "_acme-challenge.tarpit.com" => Say::silence(),
        "_acme-challenge.loop.com" => {
            let next = "x.loop.com";
            Say::records(vec![cname(&asked.name, next), cname(next, &asked.name)])
        }
        _ => everything_at(&["127.0.0.2"])(asked),
    }
}

/// A site that never comes to an end, each host in its own way.
fn endless(request: &str) -> Vec<Act> {
    let host = |name: &str| request.to_lowercase().contains(&format!("\r\nhost: {name}\r\n"));
    if host("headers.com") {
        let head = Act::Send(b"HTTP/1.1 200 S\r\n".to_vec());
        vec![head, Act::Repeat(b"X-Header: value\r\n".to_vec(), Duration::ZERO)]
    } else if host("body.com") {
        let head = Act::Send(b"HTTP/1.1 200 S\r\n\r\n".to_vec());
        vec![head, Act::Repeat(vec![b'x'; 4_096], Duration::ZERO)]
    } else {
        let path = request.split(' ').nth(1).unwrap_or_default();
        redirect(302, &format!("{path}x"))
    }
}

#[tokio::test]
async fn s4_traps_all_at_once_end_each_job_in_time_with_a_named_reason() {
    use Reason::{DnsTimeout, HttpBodyTimeout, HttpHeadTimeout};
    let dns = FakeDns::start(traps).await;
    let site = FakeSite::start(([127, 0, 0, 2], 0), endless).await;
    let checker = checker(&dns, &[(80, site.address.port())]);
    let http = |name: &str| Job { caa: None, ..http_01_job(name) };
    let traps = [
        (dns_01_alone("flood.com"), Reason::RecordMismatch),
        (dns_01_alone("tarpit.com"), DnsTimeout),
        (dns_01_alone("loop.com"), Reason::DnsAliasLimit),
        (http("headers.com"), Reason::HttpMalformed),
        (http("body.com"), Reason::HttpBodyTooLarge),
        (http("redirects.com"), Reason::RedirectLimit),
    ];
    let span = Duration::from_secs(10);
    let started = Instant::now();
    let jobs = (0..60).map(|index| &traps[index % traps.len()]);
    let ended = jobs.map(async |(job, reason)| {
        let observations = checker.perform(job, Deadline::after(span)).await;
        (observations[&CheckKind::Dcv].reason, Some(*reason))
    });
    for (found, expected) in futures_util::future::join_all(ended).await {
        // On a busy machine a trap may also be too slow for its own wait.
        let is_late = matches!(found, Some(DnsTimeout | HttpHeadTimeout | HttpBodyTimeout));
        assert!(found == expected || is_late, "{found:?}, not {expected:?}");
    }
    assert!(started.elapsed() < span, "{:?}", started.elapsed());
}

/// Whether a text does nothing to a terminal or a log.
fn is_harmless(text: &str) -> bool {
    text.bytes().all(|octet| (0x20..=0x7E).contains(&octet))
}

#[tokio::test]
async fn s5_site_octets_are_escaped_in_details_and_raw_in_evidence() {
    const HARM: &[u8] = b"\x1b[2J%n%s\r\n\x07\xFF";
    let observation = validate(|_| Say::records(vec![txt(CHALLENGE, &[HARM])])).await;
    assert!(is_harmless(&observation.detail), "{}", observation.detail);
    assert!(observation.detail.contains("\\x1B[2J%n%s\\x0D\\x0A\\x07\\xFF"));
    assert_eq!(observation.dns[0].rrset[0].0[1..], *HARM);
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let body = String::from_utf8_lossy(HARM).into_owned();
    let raw = Octets::from(body.as_bytes());
    let site = FakeSite::start(([127, 0, 0, 2], 0), move |_| response(200, &body)).await;
    let job = Job { caa: None, ..http_01_job("example.com") };
    let observations = perform(&checker(&dns, &[(80, site.address.port())]), &job).await;
    let observation = &observations[&CheckKind::Dcv];
    assert_eq!(observation.reason, Some(Reason::HttpBodyMismatch));
    assert!(is_harmless(&observation.detail), "{}", observation.detail);
    assert_eq!(observation.http[0].body_head, Some(raw));
}
