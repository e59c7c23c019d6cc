//! `mpic up` against an Internet of one's own, with either DNS engine: what an operator types, and
//! what the replies then say.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use mpic_cli::command::{Arguments, Exit};
use mpic_tests::process::program;
use mpic_tests::signed_world::SignedWorld;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const DIGEST: &str = "6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM";

/// A site whose CAA permits, one whose CAA prohibits, and one whose TXT somebody has altered.
async fn world() -> SignedWorld {
    let records = format!(
        "site CAA 0 issue \"ca.example\"\n_acme-challenge.site TXT \"{DIGEST}\"\n\
         other CAA 0 issue \"other-ca.example\"\n_acme-challenge.other TXT \"{DIGEST}\"\n\
         _acme-challenge.altered TXT \"what the owner wrote\"\n"
    );
    SignedWorld::start(&records, |signed| signed.replace("what the owner wrote", DIGEST)).await
}

/// `mpic up`, as a process of its own.
struct Up(Child);

fn up(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program("mpic"));
    command.arg("up").arg("--dir").arg(dir).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Up {
    async fn start(dir: &Path, flags: &[&str]) -> Self {
        let mut child = up(dir, flags).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.starts_with("ready ") {
                    return true;
                }
            }
            false
        };
        if timeout(READY_WITHIN, ready).await != Ok(true) {
            let _ = child.start_kill();
            let output = child.wait_with_output().await.unwrap();
            panic!("{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self(child)
    }

    async fn stop(mut self) {
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        assert!(self.0.wait().await.unwrap().success());
    }
}

const READY_WITHIN: Duration = Duration::from_secs(90);

/// What `mpic check` says of dns-01 and CAA together.
async fn check(dir: &Path, name: &str) -> (Exit, Value) {
    let method = ["--caa", "--method", "dns-01", "--key-authorization-hash", DIGEST, "--json"];
    let words = ["mpic", "check", name].into_iter().chain(method).chain(["--dir"]);
    let words = words.map(str::to_owned).chain([dir.display().to_string()]);
    let mut out = Vec::new();
    let ended = Arguments::try_parse_from(words).unwrap().run(&mut out).await;
    let exit = ended.unwrap_or_else(|failure| panic!("{:?}", failure.error));
    (exit, serde_json::from_slice(&out).unwrap())
}

fn replies(said: &Value) -> Vec<&Value> {
    let perspectives = said["perspectives"].as_array().unwrap().iter();
    perspectives.map(|row| &row["reply"]).filter(|reply| !reply.is_null()).collect()
}

/// The three sites come out alike with either engine: `backend` in the replies, and nothing but
/// `relaxing` weakened.
async fn signed_names_are_judged(dir: &Path, backend: &str, relaxing: &[&str]) {
    let (exit, said) = check(dir, "site.org").await;
    assert_eq!(exit, Exit::Fine, "{said:#}");
    assert!(replies(&said).len() >= 5, "{said:#}");
    for reply in replies(&said) {
        for (check, purpose) in [("dcv", "challenge"), ("caa", "caa")] {
            let seen = &reply["observations"][check];
            assert_eq!((&seen["verdict"], &seen["dnssec"]), (&"pass".into(), &"secure".into()));
            assert_eq!(seen["dns"][0]["purpose"], purpose, "{seen:#}");
            assert_eq!(seen["dns"][0]["dnssec"], "secure", "{seen:#}");
        }
        assert_eq!(reply["resolvers"][0]["backend"], backend, "{reply:#}");
        let relaxations = reply["relaxations"].as_array().map_or(&[][..], Vec::as_slice);
        let keys: Vec<_> = relaxations
            .iter()
            .map(|stated| stated.as_str().unwrap().split_once('=').unwrap().0)
            .collect();
        assert_eq!(keys, relaxing);
    }
    for (name, check_name, reason) in
        [("other.org", "caa", "caa_prohibited"), ("altered.org", "dcv", "dnssec_bogus")]
    {
        let (exit, said) = check(dir, name).await;
        assert_eq!(exit, Exit::Refused, "{name}: {said:#}");
        for reply in replies(&said) {
            assert_eq!(reply["observations"][check_name]["reason"], reason, "{reply:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_ask_by_themselves_begin_at_the_roots_that_up_is_given() {
    let (world, dir) = (world().await, tempfile::tempdir().unwrap());
    let (hints, anchor) = (world.root_hints(), world.trust_anchor());
    let port = format!("53={}", world.port);
    let flags = [
        "--dns",
        "embedded",
        "--root-hints",
        hints.to_str().unwrap(),
        "--trust-anchor",
        anchor.to_str().unwrap(),
        "--allow-address",
        "127.0.0.0/8",
        "--map-port",
        &port,
    ];
    let system = Up::start(dir.path(), &flags).await;
    let relaxing = ["addr.allow", "dns.root_hints", "dns.trust_anchor", "lab.ports"];
    signed_names_are_judged(dir.path(), "embedded", &relaxing).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_believe_the_validating_resolver_that_up_is_given() {
    let (world, dir) = (world().await, tempfile::tempdir().unwrap());
    let unbound = world.unbound().await;
    let dns = format!("forwarder:{}", unbound.at);
    let system = Up::start(dir.path(), &["--dns", &dns]).await;
    signed_names_are_judged(dir.path(), "forwarder", &[]).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_cannot_be_end_up_before_anything_starts_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (lab, none) = (file("lab", ". NS a.\na. A 127.0.0.9\n"), file("none", ". NS a.\n"));
    let (broken, key) = (file("broken", "( never closed"), file("key", "com. DS 1 13 2 00\n"));
    let system = dir.path().join("system");
    for (flags, said) in [
        (vec!["--dns", "unbound"], vec!["'unbound'", "--dns", "forwarder:127.0.0.1:53"]),
        (vec!["--dns", "forwarder:127.0.0.1"], vec!["--dns", "`127.0.0.1`", "a port"]),
        (vec!["--dns", "embedded", "--internet", "loopback"], vec!["--dns", "--internet real"]),
        (vec!["--root-hints", "/nowhere"], vec!["--root-hints", "`/nowhere`", "No such file"]),
        (vec!["--root-hints", &lab], vec!["--root-hints", "127.0.0.9", "--allow-address"]),
        (vec!["--root-hints", &none], vec!["--root-hints", &none, "no address of a root server"]),
        (vec!["--root-hints", &broken], vec!["--root-hints", &broken, "no zone file"]),
        (vec!["--trust-anchor", &key], vec!["--trust-anchor", &key, "com. DS"]),
        (vec!["--allow-address", "localhost"], vec!["--allow-address", "localhost"]),
        (vec!["--map-port", "53"], vec!["--map-port", "53=5300"]),
    ] {
        let output = up(&system, &flags).output().await.unwrap();
        let (out, error) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {error}");
        for part in said {
            assert!(error.contains(part), "{flags:?}: no {part} in {error}");
        }
        assert!(!String::from_utf8(out).unwrap().contains("ready"), "{flags:?}");
    }
}
