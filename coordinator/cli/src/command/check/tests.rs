use std::collections::BTreeSet;

use clap::Parser;
use mpic_common::challenge::Challenge;
use mpic_common::job::Job;
use mpic_common::method::Method as Row;
use mpic_common::policy::CertificateType;
use mpic_common::time::UnixMs;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    check: Check,
}

fn config() -> ClientConfig {
    let text = r#"
        ca = "ca1"
        issuer_domains = ["ca.example"]
        directory_file = "/nowhere"
        directory_root = "ed25519:x"
        bus.servers = ["nats://127.0.0.1:4222"]
    "#;
    toml::from_str(text).unwrap()
}

fn parse(words: &[&str]) -> Check {
    Line::try_parse_from([&["check"], words].concat()).unwrap().check
}

fn job(words: &[&str]) -> Result<Job, String> {
    let now = UnixMs(1_800_000_000_000);
    parse(words).job(&config(), now).map_err(|failure| failure.error.to_string())
}

fn challenge(words: &[&str]) -> Challenge {
    job(words).unwrap().dcv.unwrap().challenge
}

#[test]
fn every_example_of_the_help_is_a_job_that_a_coordinator_can_read() {
    let mut methods = BTreeSet::new();
    for words in help::examples() {
        let words: Vec<_> = words[2..].iter().map(String::as_str).collect();
        if words.contains(&"--raw-job") {
            continue;
        }
        let job = job(&words).unwrap();
        assert!(Job::parse(&job.to_body()).is_ok(), "{words:?}");
        methods.extend(job.method().map(|row| (row.id, row.kind)));
    }
    let ids: BTreeSet<_> = methods.iter().map(|(id, _)| *id).collect();
    let named = Method::value_variants().iter().map(|method| method.id());
    assert_eq!(ids, named.collect(), "an example each");
    assert!(ids.iter().all(|id| Row::exists(id)));
}

use validation::Method;

#[test]
fn a_mailbox_is_for_s_mime_and_a_reverse_name_for_its_address() {
    let certificates = |words| job(words).unwrap().certificate_type;
    assert_eq!(certificates(&["u@example.com"]), CertificateType::SMime);
    assert_eq!(certificates(&["example.com"]), CertificateType::TlsServer);
    let named = ["u@example.com", "--certificate-type", "tls-server"];
    assert_eq!(certificates(&named), CertificateType::TlsServer, "as it is told");
    let reverse = ["--method", "reverse-address-lookup", "--expected-fqdn", "a.example"];
    let target = job(&[&["8.8.4.4.in-addr.arpa"], &reverse[..]].concat()).unwrap().identifier;
    assert_eq!(target.to_string(), "4.4.8.8");
}

#[test]
fn a_key_authorization_is_hashed_as_the_method_wants_it() {
    let key = ["--key-authorization", "honest-token.honest-thumbprint"];
    let Challenge::AcmeDns01 { digest } =
        challenge(&[&["a.example", "--method", "dns-01"], &key[..]].concat())
    else {
        panic!("another method")
    };
    assert_eq!(digest.as_str(), "6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM");
    let hashed = challenge(&[&["a.example", "--method", "tls-alpn-01"], &key[..]].concat());
    let hex = "eab96d4590381533c0da8ce96890856eeaa4c05a685b7ea85ca834cd294d4713";
    let given = ["a.example", "--method", "tls-alpn-01", "--key-authorization-hash", hex];
    assert_eq!(challenge(&given), hashed);
}

#[test]
fn errors_name_the_flag() {
    let uri = "https://ca.example/acct/1";
    for (words, expected) in [
        (&["a b"][..], "identifier `a b`: "),
        (&["a.example", "--token", "x"], "--token: it belongs to a --method"),
        (&["a.example", "--adn", "example"], "--adn: it belongs to a --method"),
        (
            &["a.example", "--method", "dns-01", "--token", "x"],
            "--token: acme-dns-01 does not read it; it reads --key-authorization, ",
        ),
        (&["a.example", "--method", "dns-01"], "--key-authorization-hash: acme-dns-01 needs it"),
        (
            &["a.example", "--method", "tls-alpn-01", "--key-authorization-hash", "abc"],
            "--key-authorization-hash: it is 64 hex digits",
        ),
        (&["a.example", "--method", "dns-persistent"], "--account-uri: dns-persistent needs"),
        (
            &["a.example", "--method", "dns-persistent", "--account-uri", "acct/1"],
            "--account-uri: an account URI is absolute",
        ),
        (
            &["a.example", "--method", "contact-phone-txt", "--contact", "tel:1"],
            "--contact `tel:1`: a contact is + and",
        ),
        (
            &["8.8.8.8", "--method", "reverse-address-lookup", "--expected-fqdn", "a_b.example"],
            "--expected-fqdn `a_b.example`: ",
        ),
        (&["a.example", "--method", "ip-address", "--address", "a"], "--address `a`: "),
        (
            &["a.example", "--method", "dns-change", "--challenge", "x", "--prefix", "dcv"],
            "--prefix: a prefix is one label",
        ),
        (
            &["a.example", "--method", "website-change", "--challenge", "x", "--path", "../a"],
            "--path: a path is",
        ),
        (&["a.example", "--caa-account-uri", "acct"], "--caa-account-uri `acct`: "),
        (&["a.example", "--issuer-domain", "CA.example"], "--issuer-domain `CA.example`: "),
    ] {
        let error = job(words).unwrap_err();
        assert!(error.starts_with(expected), "{words:?}: {error}");
    }
    let unread = ["a.example", "--method", "dns-persistent", "--account-uri", uri];
    let error = job(&[&unread[..], &["--caa-account-uri", uri]].concat()).unwrap_err();
    assert_eq!(error, "--caa-account-uri: CAA is not checked: --caa asks for it");
}

#[test]
fn errors_do_not_repeat_a_challenge() {
    let secret = "se cret\u{7f}";
    for words in [
        ["--method", "http-01", "--key-authorization", "k", "--token", secret],
        ["--method", "http-01", "--token", "t", "--key-authorization", secret],
        ["--method", "website-change", "--path", "p", "--challenge", secret],
    ] {
        let error = job(&[&["a.example"], &words[..]].concat()).unwrap_err();
        assert!(!error.contains("cret"), "{error}");
    }
}
