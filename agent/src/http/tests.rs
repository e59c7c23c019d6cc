//! Rows H1 to H25 of the behaviour table, as far as they concern `acme-http-01`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpic_common::challenge::Challenge;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::reason::Reason;
use mpic_common::testing::http_01_job;

use crate::testing::fake_dns::{Asked, FakeDns, Say, everything_at};
use crate::testing::fake_site::{Act, FakeSite, redirect, response, send};
use crate::testing::{checker, perform};
use domain::base::iana::Rtype;

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
async fn the_right_body_passes_and_is_on_record() {
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
async fn the_headers_of_the_job_replace_ours() {
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
async fn another_body_fails() {
    for body in [format!(" {KEY}"), format!("{KEY}\0"), format!("{KEY}x"), String::new()] {
        let (observation, _) = validate(move |_| response(200, &body)).await;
        assert_eq!(observation.reason, Some(Reason::HttpBodyMismatch));
    }
    let gzip = "HTTP/1.1 200 S\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x00\x08";
    let (observation, _) = validate(move |_| send(gzip)).await;
    assert_eq!(observation.reason, Some(Reason::HttpBodyMismatch));
    assert_eq!(observation.http[0].content_encoding.as_deref(), Some("gzip"));
}

#[tokio::test]
async fn a_body_longer_than_any_right_one_is_read_no_further() {
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
async fn segmentation_and_framing_do_not_matter() {
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
async fn success_is_any_2xx_but_206() {
    for status in [201, 202, 203] {
        assert_eq!(reason(move |_| response(status, KEY)).await, None, "{status}");
    }
    let empty = |_: &str| send("HTTP/1.1 204 S\r\n\r\n");
    assert_eq!(reason(empty).await, Some(Reason::HttpBodyMismatch));
    for status in [206, 300, 304, 401, 404, 410, 500] {
        let found = reason(move |_| response(status, KEY)).await;
        assert_eq!(found, Some(Reason::HttpStatus), "{status}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_incomplete() {
    let short = |_: &str| send(format!("HTTP/1.1 200 S\r\nContent-Length: 99\r\n\r\n{KEY}"));
    assert_eq!(reason(short).await, Some(Reason::HttpBodyIncomplete));
    let reset = |_: &str| {
        let head = Act::Send(b"HTTP/1.1 200 S\r\nContent-Length: 99\r\n\r\ntoken".to_vec());
        vec![head, Act::Reset]
    };
    assert_eq!(reason(reset).await, Some(Reason::HttpBodyIncomplete));
}

#[tokio::test]
async fn what_is_no_http_1_response_is_malformed() {
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

#[tokio::test]
async fn four_kinds_of_redirect_are_followed() {
    for status in [301, 302, 307, 308] {
        let script = move |request: &str| {
            if request.starts_with("GET /there ") {
                response(200, KEY)
            } else {
                redirect(status, "/there")
            }
        };
        let (observation, _) = validate(script).await;
        assert_eq!((observation.reason, observation.http.len()), (None, 2), "{status}");
        assert_eq!(observation.http[0].location.as_ref().unwrap().escaped(), "/there");
    }
    assert_eq!(reason(|_| redirect(303, "/there")).await, Some(Reason::RedirectStatus));
    let refresh = "<meta http-equiv=\"refresh\" content=\"0; url=/there\">";
    assert_eq!(reason(move |_| response(200, refresh)).await, Some(Reason::HttpBodyMismatch));
}

#[tokio::test]
async fn twenty_redirects_are_followed_and_twenty_one_are_not() {
    let chain = |length: usize| {
        move |request: &str| {
            let step = request.strip_prefix("GET /").and_then(|rest| rest.split_once(' '));
            let step = step.and_then(|(step, _)| step.parse().ok()).unwrap_or(0);
            if step == length {
                response(200, KEY)
            } else {
                redirect(302, &format!("/{}", step + 1))
            }
        }
    };
    let (observation, site) = validate(chain(20)).await;
    assert_eq!((observation.reason, site.requests().len()), (None, 21));
    let (observation, site) = validate(chain(21)).await;
    assert_eq!(observation.reason, Some(Reason::RedirectLimit));
    assert_eq!(site.requests().len(), 21, "nothing is sent after the limit");
    let again = "/.well-known/acme-challenge/token-1#fragment";
    assert_eq!(redirect_reason(again).await, Some(Reason::RedirectLoop));
}

#[tokio::test]
async fn a_location_must_be_one_usable_url() {
    let none = |_: &str| send("HTTP/1.1 302 S\r\n\r\n");
    assert_eq!(reason(none).await, Some(Reason::RedirectLocation));
    let two = |_: &str| send("HTTP/1.1 302 S\r\nLocation: /a\r\nLocation: /a\r\n\r\n");
    assert_eq!(reason(two).await, Some(Reason::RedirectLocation));
    let latin = |_: &str| send(b"HTTP/1.1 302 S\r\nLocation: /\xE4\r\n\r\n");
    assert_eq!(reason(latin).await, Some(Reason::RedirectLocation));
    let long = format!("/{}", "x".repeat(4_096));
    for location in
        ["", &long, "http://user@example.com/", "http://:pw@example.com/", "http://[fe80::1%25lo]/"]
    {
        assert_eq!(redirect_reason(location).await, Some(Reason::RedirectLocation), "{location}");
    }
}

#[tokio::test]
async fn a_location_is_resolved_and_its_fragment_dropped() {
    for (location, line) in [
        ("/x", "GET /x "),
        ("x", "GET /.well-known/acme-challenge/x "),
        ("//www.example.com/y", "GET /y "),
        ("?q", "GET /.well-known/acme-challenge/token-1?q "),
        ("/x#fragment", "GET /x "),
        ("http://example.com:80/z", "GET /z "),
        ("http://Sub_Domain.EXAMPLE.com./u", "GET /u "),
    ] {
        let (observation, site) = redirected(location).await;
        assert_eq!(observation.reason, None, "{location}");
        assert!(site.requests()[1].starts_with(line), "{:?}", site.requests());
    }
}

#[tokio::test]
async fn the_port_of_the_url_is_on_record_and_in_host() {
    let (observation, site) = redirected("http://example.com:443/x").await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.http[1].port, 443);
    assert!(site.requests()[1].to_lowercase().contains("host: example.com:443\r\n"));
}

#[tokio::test]
async fn other_schemes_ports_and_hosts_are_not_contacted() {
    for location in
        ["ftp://example.com/x", "gopher://example.com/", "file:///etc/passwd", "javascript:x"]
    {
        assert_eq!(redirect_reason(location).await, Some(Reason::RedirectScheme), "{location}");
    }
    for port in [8080, 8443, 25, 22] {
        let location = format!("http://example.com:{port}/");
        assert_eq!(redirect_reason(&location).await, Some(Reason::RedirectPort), "{port}");
    }
    for host in [
        "h.example.com.well-known",
        "a.cpu",
        "localhost",
        "10.10.10.*",
        "/who/x",
        "example.onion",
        "8.8.8.8.in-addr.arpa",
    ] {
        let location = format!("https://{host}/x");
        assert_eq!(redirect_reason(&location).await, Some(Reason::RedirectHost), "{host}");
    }
    let (observation, _) = redirected("https://h.example.com.well-known/x").await;
    assert!(observation.detail.contains("missing /"), "{}", observation.detail);
}

#[tokio::test]
async fn blocked_literals_are_not_contacted() {
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.10.10.10",
        "[fe80::1]",
    ] {
        let location = format!("http://{host}/x");
        assert_eq!(redirect_reason(&location).await, Some(Reason::AddrBlocked), "{host}");
    }
    let (observation, site) = redirected("http://127.0.0.2/x").await;
    assert_eq!(observation.reason, None);
    assert!(site.requests()[1].to_lowercase().contains("host: 127.0.0.2\r\n"));
}

#[tokio::test]
async fn blocked_addresses_of_a_host_are_dropped() {
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
async fn a_second_address_is_tried_only_if_the_first_has_no_connection() {
    let good = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let port = good.address.port();
    let ports = [(80, port)];
    for dead_first in [&["127.0.0.3", "127.0.0.2"], &["::1", "127.0.0.2"]] {
        let dns = FakeDns::start(everything_at(dead_first)).await;
        let observation = validate_at(&dns, &ports, "example.com").await;
        assert_eq!(observation.reason, None, "{dead_first:?}");
        assert_eq!(observation.http[0].tried.len(), 1);
        assert_eq!(observation.http[0].tried[0].addr.to_string(), dead_first[0]);
        assert_eq!(observation.used.connects, 2);
    }
    let dns = FakeDns::start(everything_at(&["127.0.0.3", "127.0.0.2"])).await;
    let only_dead = FakeDns::start(everything_at(&["127.0.0.3"])).await;
    let observation = validate_at(&only_dead, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::ConnectRefused));
    let first = AtomicBool::new(true);
    let bad = FakeSite::start(([127, 0, 0, 3], port), move |_| {
        if first.swap(false, Ordering::Relaxed) { response(500, KEY) } else { vec![Act::Stay] }
    });
    let bad = bad.await;
    let observation = validate_at(&dns, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::HttpStatus));
    let observation = validate_at(&dns, &ports, "example.com").await;
    assert_eq!(observation.reason, Some(Reason::HttpHeadTimeout));
    assert_eq!((bad.requests().len(), good.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_host_without_addresses_fails_with_what_dns_said() {
    let reason_of = async |say: fn(&Asked) -> Say| {
        let dns = FakeDns::start(say).await;
        validate_at(&dns, &[], "example.com").await.reason
    };
    assert_eq!(reason_of(|_| Say::no_data()).await, Some(Reason::DnsNoAddress));
    assert_eq!(reason_of(|_| Say::nx_domain()).await, Some(Reason::DnsNoAddress));
    assert_eq!(reason_of(|_| Say::serv_fail(&[])).await, Some(Reason::DnsServfail));
}

#[tokio::test]
async fn a_failing_family_is_tolerated_and_a_bogus_one_is_not() {
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
async fn slow_peers_meet_absolute_ends() {
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
async fn an_ip_address_is_validated_without_dns() {
    let dns = FakeDns::start(everything_at(&[])).await;
    let site = FakeSite::start(SITE, |_| response(200, KEY)).await;
    let observation = validate_at(&dns, &[(80, site.address.port())], "127.0.0.2").await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.6"));
    assert!(dns.asked().is_empty());
    assert!(site.requests()[0].to_lowercase().contains("host: 127.0.0.2\r\n"));
}

mod tls;
mod website;
