//! `mpic check` through its command line: every method, as its help shows it.

use std::collections::BTreeMap;

use clap::Parser;
use mpic_cli::command::{Arguments, Exit};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::internet::Content;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A command line and what came of it.
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) said: String,
}

pub(crate) async fn run(cluster: &Cluster, words: &[String]) -> Ran {
    let dir = cluster.layout().dir().display().to_string();
    let words = words.iter().cloned().chain(["--dir".to_owned(), dir]);
    let mut out = Vec::new();
    let ended = Arguments::try_parse_from(words).unwrap().run(&mut out).await;
    let exit = ended.unwrap_or_else(|failure| panic!("{:?}", failure.error));
    Ran { exit, said: String::from_utf8(out).unwrap() }
}

/// The examples of `mpic check --help`, each by its words.
pub(crate) fn examples() -> Vec<Vec<String>> {
    let help = Arguments::try_parse_from(["mpic", "check", "--help"]).unwrap_err().to_string();
    let joined = help.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| line.starts_with("mpic check "));
    let words = |line: &str| {
        let parts = line.split('\'').enumerate();
        parts
            .flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
                _ => vec![part.to_owned()],
            })
            .collect()
    };
    lines.map(words).collect()
}

fn flag<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| word == flag)?;
    words.get(at + 1).map(String::as_str)
}

/// Whether every perspective's evidence, read by hand, bears out that it passed.
fn bears_out(words: &[String], reply: &Value) {
    let dcv = &reply["observations"]["dcv"];
    let records = dcv["dns"][0]["records"].to_string();
    let shows = |text: &str| assert!(records.contains(text), "{text} in {records}");
    match flag(words, "--method") {
        None => {
            let caa = &reply["observations"]["caa"];
            assert!(caa["caa"]["basis"].is_string(), "{caa}");
        }
        Some("http-01" | "website-change") => {
            let hop = &dcv["http"][0];
            assert_eq!(hop["status"], 200, "{hop}");
            let expected = flag(words, "--challenge").or(flag(words, "--key-authorization"));
            assert_eq!(hop["body_head_text"].as_str(), expected, "{hop}");
            assert_eq!(dcv["observed"], hex(expected.unwrap()), "{dcv}");
        }
        Some("tls-alpn-01") => assert_eq!(dcv["tls"]["alpn_text"], "acme-tls/1", "{dcv}"),
        Some("dns-persistent") => {
            let uri = flag(words, "--account-uri").unwrap();
            shows(&format!("accounturi={uri}"));
            assert_eq!((&dcv["matched"], &dcv["observed"]), (&uri.into(), &hex(uri).into()));
        }
        Some("dns-change") => shows(flag(words, "--challenge").unwrap()),
        Some("reverse-address-lookup" | "smtp-host") => {
            let expected = flag(words, "--expected-fqdn").unwrap();
            shows(&format!("{expected}."));
            assert_eq!(dcv["observed"], hex(expected), "{dcv}");
        }
        Some("contact-email-txt" | "contact-email-caa") => shows("hostmaster@methods.example"),
        Some("contact-phone-txt") => shows("+1-555-123-4567"),
        Some("contact-phone-caa") => shows("+1 555 123 4567"),
        Some("dns-01" | "dns-account-01") => shows("6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM"),
        Some(method) => panic!("no evidence is known of {method}"),
    }
}

fn hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_help_comes_out_as_it_says_with_evidence_for_the_verdict() {
    let cluster = Cluster::start_with(Choices::of(Content::demo())).await;
    let mut asked = BTreeMap::new();
    // One writes files, one reads standard input.
    let elsewhere = |word: &String| word == "--receipt" || word == "--raw-job";
    for words in examples().into_iter().filter(|words| !words.iter().any(elsewhere)) {
        let json = [words.clone(), vec!["--json".to_owned()]].concat();
        let ran = run(&cluster, &json).await;
        let said: Value = serde_json::from_str(&ran.said).unwrap();
        let method = flag(&words, "--method").unwrap_or("caa").to_owned();
        *asked.entry(method.clone()).or_insert(0) += 1;
        if method == "ip-address" {
            assert_eq!((ran.exit, &said["code"]), (Exit::Malformed, &"invalid".into()));
            continue;
        }
        assert_eq!(ran.exit, Exit::Fine, "{words:?}: {}", ran.said);
        let perspectives = said["perspectives"].as_array().unwrap();
        let replies = perspectives.iter().map(|row| &row["reply"]).filter(|reply| !reply.is_null());
        let replies: Vec<_> = replies.collect();
        assert!(replies.len() >= 5, "{words:?}");
        for reply in replies {
            bears_out(&words, reply);
        }
        assert_eq!(said["asked"]["type"], "job");
    }
    assert_eq!(asked.len(), 15, "every method, and CAA alone: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_s_refusal_names_the_flag() {
    let cluster = Cluster::start_with(Choices::of(Content::demo())).await;
    let words = |line: &str| -> Vec<_> { line.split(' ').map(str::to_owned).collect() };
    for (line, flag) in [
        (
            "mpic check *.honest.example --method http-01 --token t --key-authorization k",
            "--method",
        ),
        (
            "mpic check a.honest.example --adn b.example --method dns-01 --key-authorization k",
            "--adn",
        ),
        ("mpic check honest.example --budget-ms 1", "--budget-ms"),
        ("mpic check honest.example --issuer-domain other.example", "--issuer-domain"),
        (
            "mpic check honest.example --caa-account-uri https://other.example/1",
            "--caa-account-uri",
        ),
    ] {
        let ran = run(&cluster, &words(line)).await;
        assert_eq!(ran.exit, Exit::Malformed, "{line}");
        assert!(ran.said.contains(&format!("  {flag} ")), "{line}: {}", ran.said);
    }
}
