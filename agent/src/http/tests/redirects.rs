//! Rows H11 to H20, H22 and H29: where redirects lead.

use super::*;

#[tokio::test]
async fn h11_four_kinds_of_redirect_are_followed() {
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
async fn h12_twenty_redirects_are_followed_and_twenty_one_are_not() {
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
async fn h13_a_location_must_be_one_usable_url() {
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
async fn h14_a_location_is_resolved_and_its_fragment_dropped() {
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
async fn h15_other_schemes_are_not_contacted() {
    for location in
        ["ftp://example.com/x", "gopher://example.com/", "file:///etc/passwd", "javascript:x"]
    {
        assert_eq!(redirect_reason(location).await, Some(Reason::RedirectScheme), "{location}");
    }
}

#[tokio::test]
async fn h16_other_ports_are_not_contacted_and_either_port_serves_either_scheme() {
    for port in [8080, 8443, 25, 22] {
        let location = format!("http://example.com:{port}/");
        assert_eq!(redirect_reason(&location).await, Some(Reason::RedirectPort), "{port}");
    }
    let (observation, _) = redirected("https://example.com:80/x").await;
    assert_eq!(observation.http[1].port, 80);
    assert_eq!(observation.reason, Some(Reason::TlsTimeout), "the site there has no TLS");
}

#[tokio::test]
async fn h22_hosts_that_are_never_checked_are_not_contacted() {
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
async fn h16_the_port_of_the_url_is_on_record_and_in_host() {
    let (observation, site) = redirected("http://example.com:443/x").await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.http[1].port, 443);
    assert!(site.requests()[1].to_lowercase().contains("host: example.com:443\r\n"));
}

#[tokio::test]
async fn h19_blocked_literals_are_not_contacted() {
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
}

#[tokio::test]
async fn h20_a_permitted_literal_and_any_host_name_are_followed() {
    for (location, host) in [
        ("http://127.0.0.2/x", "127.0.0.2"),
        ("http://sub_domain.example.com/x", "sub_domain.example.com"),
        ("http://WWW.Example.COM./x", "www.example.com"),
    ] {
        let (observation, site) = redirected(location).await;
        assert_eq!(observation.reason, None, "{location}");
        let request = site.requests()[1].to_lowercase();
        assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn h29_no_cookie_comes_back() {
    let script = |request: &str| {
        if request.to_lowercase().contains("cookie:") {
            return response(200, KEY);
        }
        let path = "/.well-known/acme-challenge/token-1";
        send(format!("HTTP/1.1 302 S\r\nSet-Cookie: a=b\r\nLocation: {path}\r\n\r\n"))
    };
    assert_eq!(reason(script).await, Some(Reason::RedirectLoop));
}

/// Runs a test of this file's parent again, with proxies in the environment.
#[test]
fn h29_proxies_in_the_environment_are_ignored() {
    let again = "http::tests::h1_the_right_body_passes_and_is_on_record";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([again, "--exact"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
