//! Rows H1 to H29 of the behaviour table; here those about responses.

use std::collections::BTreeMap;
use std::time::Duration;

use mpic_common::challenge::Challenge;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::reason::Reason;
use mpic_common::testing::http_01_job;

use crate::testing::fake_dns::{Asked, FakeDns, Say, everything_at};
use crate::testing::fake_site::{Act, FakeSite, redirect, response, send};
use crate::testing::{checker, perform};

const KEY: &str = "token-1.thumbprint";
const SITE: ([u8; 4], u16) = ([127, 0, 0, 2], 0);

async fn validate_at(dns: &FakeDns, ports: &[(u16, u16)], name: &str) -> Observation {
    let mut job = http_01_job(name);
    job.caa = None;
    perform(&checker(dns, ports), &job).await.remove(&CheckKind::Dcv).unwrap()
}

/// Validates `example.com` at a site that follows the script, on both ports.
async fn validate(
    script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
) -> (Observation, FakeSite) {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let site = FakeSite::start(SITE, script).await;
    let port = site.address.port();
    let observation = validate_at(&dns, &[(80, port), (443, port)], "example.com").await;
    (observation, site)
}

async fn reason(script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static) -> Option<Reason> {
    validate(script).await.0.reason
}

/// A redirect from the challenge to `location`, where the right body is.
async fn redirected(location: &str) -> (Observation, FakeSite) {
    let location = location.to_owned();
    validate(move |request| {
        if request.starts_with("GET /.well-known/acme-challenge/token-1 ") {
            redirect(302, &location)
        } else {
            response(200, KEY)
        }
    })
    .await
}

async fn redirect_reason(location: &str) -> Option<Reason> {
    let (observation, site) = redirected(location).await;
    assert_eq!(site.requests().len(), 1, "nothing is sent to {location}");
    observation.reason
}

#[tokio::test]
async fn h1_the_right_body_passes_and_is_on_record() {
    let (observation, site) = validate(|_| response(200, &format!("{KEY}\r\n"))).await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.observed, Some(mpic_common::octets::Hash::of(KEY.as_bytes())));
    assert_eq!(observation.matched.as_deref(), Some("example.com"));
    let [hop] = observation.http.as_slice() else { panic!("{:?}", observation.http) };
    assert_eq!(hop.url, "http://example.com/.well-known/acme-challenge/token-1");
    assert_eq!((hop.port, hop.status, hop.body_complete), (80, Some(200), true));
    assert_eq!(hop.addr_used.unwrap().to_string(), "127.0.0.2");
    assert_eq!(observation.used.connects, 1);
    assert_eq!(observation.dns.len(), 2);
    let request = site.requests().concat().to_lowercase();
    for header in [
        "host: example.com\r\n",
        "user-agent: mpic-perspective/test\r\n",
        "accept: */*\r\n",
        "accept-encoding: identity\r\n",
        "connection: close\r\n",
    ] {
        assert!(request.contains(header), "{header} in {request}");
    }
    assert!(!request.contains("referer") && !request.contains("cookie"));
}

#[tokio::test]
async fn h1_the_headers_of_the_job_replace_ours() {
    let dns = FakeDns::start(everything_at(&["127.0.0.2"])).await;
    let site = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let mut job = http_01_job("example.com");
    let headers = [("User-Agent", "theirs"), ("X-Request", "7")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    job.dcv.as_mut().unwrap().challenge = Challenge::AcmeHttp01 {
        token: "token-1".to_owned().try_into().unwrap(),
        key_authorization: KEY.to_owned().try_into().unwrap(),
        headers: BTreeMap::from(headers).try_into().unwrap(),
    };
    let _ = perform(&checker(&dns, &[(80, site.address.port())]), &job).await;
    let request = site.requests().concat().to_lowercase();
    assert!(request.contains("user-agent: theirs\r\n") && request.contains("x-request: 7\r\n"));
    assert!(!request.contains("mpic-perspective"));
}

#[tokio::test]
async fn h2_another_body_fails() {
    for body in [
        format!(" {KEY}"),
        format!("\n{KEY}"),
        format!("\u{feff}{KEY}"),
        format!("{KEY}\0"),
        format!("{KEY}x"),
        String::new(),
        KEY.chars().flat_map(|octet| ['\0', octet]).collect(),
    ] {
        let shown = body.escape_debug().to_string();
        let (observation, _) = validate(move |_| response(200, &body)).await;
        assert_eq!(observation.reason, Some(Reason::HttpBodyMismatch), "{shown}");
    }
    let gzip = "HTTP/1.1 200 S\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x00\x08";
    let (observation, _) = validate(move |_| send(gzip)).await;
    assert_eq!(observation.reason, Some(Reason::HttpBodyMismatch));
    assert_eq!(observation.http[0].content_encoding.as_deref(), Some("gzip"));
}

#[tokio::test]
async fn h3_a_body_longer_than_any_right_one_is_read_no_further() {
    let padded = format!("{KEY}{}", " ".repeat(600));
    let (observation, _) = validate(move |_| response(200, &padded)).await;
    assert_eq!(observation.reason, Some(Reason::HttpBodyTooLarge));
    let head = Act::Send(b"HTTP/1.1 200 S\r\n\r\n".to_vec());
    let endless = [head, Act::Repeat(vec![b'x'; 1_000], Duration::ZERO)];
    let (observation, _) = validate(move |_| endless.to_vec()).await;
    assert_eq!(observation.reason, Some(Reason::HttpBodyTooLarge));
    assert!(observation.used.http_octets < 100_000);
}

#[tokio::test]
async fn h4_segmentation_and_framing_do_not_matter() {
    let in_pieces = |_: &str| {
        let head = format!("HTTP/1.1 200 S\r\nContent-Length: {}\r\n\r\n", KEY.len());
        let octets = [head.as_bytes(), KEY.as_bytes()].concat();
        octets.chunks(7).map(|chunk| Act::Send(chunk.to_vec())).collect()
    };
    assert_eq!(reason(in_pieces).await, None);
    let chunked = "HTTP/1.1 200 S\r\nTransfer-Encoding: chunked\r\n\r\n\
        7\r\ntoken-1\r\nb\r\n.thumbprint\r\n0\r\nX-Trailer: y\r\n\r\n";
    assert_eq!(reason(move |_| send(chunked)).await, None);
    let early = format!("HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 S\r\n\r\n{KEY}");
    assert_eq!(reason(move |_| send(&early)).await, None);
    let old = format!("HTTP/1.0 200 S\r\n\r\n{KEY}");
    assert_eq!(reason(move |_| send(&old)).await, None);
}

#[tokio::test]
async fn h5_success_is_any_2xx_but_206() {
    for status in [201, 202, 203] {
        assert_eq!(reason(move |_| response(status, KEY)).await, None, "{status}");
    }
    let empty = |_: &str| send("HTTP/1.1 204 S\r\n\r\n");
    assert_eq!(reason(empty).await, Some(Reason::HttpBodyMismatch));
    assert_eq!(reason(|_| response(206, KEY)).await, Some(Reason::HttpStatus));
}

#[tokio::test]
async fn h6_the_right_body_under_another_status_fails() {
    for status in [300, 304, 401, 404, 410, 500] {
        let found = reason(move |_| response(status, KEY)).await;
        assert_eq!(found, Some(Reason::HttpStatus), "{status}");
    }
}

#[tokio::test]
async fn h7_a_body_that_ends_early_is_incomplete() {
    let short = |_: &str| send(format!("HTTP/1.1 200 S\r\nContent-Length: 99\r\n\r\n{KEY}"));
    assert_eq!(reason(short).await, Some(Reason::HttpBodyIncomplete));
    let reset = |_: &str| {
        let head = Act::Send(b"HTTP/1.1 200 S\r\nContent-Length: 99\r\n\r\ntoken".to_vec());
        vec![head, Act::Reset]
    };
    assert_eq!(reason(reset).await, Some(Reason::HttpBodyIncomplete));
}

#[tokio::test]
async fn h8_what_is_no_http_1_response_is_malformed() {
    let headers: String = "X-Many: 1\r\n".repeat(101);
    for octets in [
        KEY.to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\0\x01\x02\x03 garbage\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 S\r\n{headers}\r\n{KEY}"),
        format!("HTTP/1.1 200 S\r\nX: {}\r\n\r\n{KEY}", "x".repeat(1 << 20)),
    ] {
        let shown: String = octets.chars().take(30).collect();
        let found = reason(move |_| send(&octets)).await;
        assert_eq!(found, Some(Reason::HttpMalformed), "{shown}");
    }
}

mod peers;
mod redirects;
mod tls;
mod website;
