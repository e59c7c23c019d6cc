//! The log of every job that quickstart and the help of `mpic check` ask, as auditors read it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mpic_audit::finding::{Report, Severity};
use mpic_audit::reader::LogReader;
use mpic_audit::replay::{Depth, Options, Shard, replay, signatures};
use mpic_audit::testing::{key, write};
use mpic_audit::verify;
use mpic_cli::command::Exit;
use mpic_common::assignment::Assignment;
use mpic_common::evidence::CaaProperty;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::octets::{Hash, Octets};
use mpic_common::reason::Verdict;
use mpic_common::record::DecisionRecord;
use mpic_common::reply::Reply;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_tests::certification_authority::CertificationAuthority;
use mpic_tests::cluster::{Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::log::{Log, digest_of};

use super::command::{examples, run};

/// The jobs of `deploy/quickstart`, out of the script itself.
#[derive(Default)]
struct Quickstart {
    /// What follows `mpic check`, and with which code it ends.
    commands: Vec<(Vec<String>, i32)>,
    /// Jobs as JSON that are refused.
    malformed: Vec<String>,
}

impl Quickstart {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/quickstart");
        let script = std::fs::read_to_string(path).unwrap().replace("\\\n", " ");
        let local = |name: &str| {
            let assigned = script.split_once(&format!("local {name}=")).unwrap().1;
            assigned.lines().next().unwrap().trim_matches('\'').to_owned()
        };
        let (honest, attacker, rest) = (local("honest"), local("attacker"), local("rest"));
        let mut all = Self::default();
        let named = |part: &&str| !part.starts_with('$');
        for part in script.split("\n    job \"").skip(1).filter(named) {
            let line = part.lines().next().unwrap();
            let (before, arguments) = line.split_once(" -- ").unwrap();
            let exit = before.split_once('"').unwrap().1.split_whitespace().next().unwrap();
            let word = |word: &str| match word {
                "\"$honest\"" | "\"$1\"" => honest.clone(),
                "\"$attacker\"" => attacker.clone(),
                plain => plain.to_owned(),
            };
            let words = arguments.split_whitespace().map(word).collect();
            all.commands.push((words, exit.parse().unwrap()));
        }
        for part in script.split("\n    raw_job \"").skip(1) {
            let json = part.split('\'').nth(1).unwrap();
            all.malformed.push(format!("{json}{rest}}}"));
        }
        assert_eq!((all.commands.len(), all.malformed.len()), (5, 3), "the jobs of quickstart");
        all
    }

    async fn ask(&self, cluster: &Cluster) {
        let check = |words: &[String]| [&["mpic", "check"].map(str::to_owned), words].concat();
        for (number, (words, exit)) in (1..).zip(&self.commands) {
            let frozen = agent("us-west");
            if number == 5 {
                cluster.freeze(&frozen);
            }
            let ran = run(cluster, &check(words)).await;
            if number == 5 {
                cluster.thaw(&frozen);
            }
            let expected = if *exit == 0 { Exit::Fine } else { Exit::Refused };
            assert_eq!(ran.exit, expected, "{words:?}: {}", ran.said);
        }
        let job = tempfile::NamedTempFile::new().unwrap();
        for json in &self.malformed {
            std::fs::write(job.path(), json).unwrap();
            let words = ["--raw-job".to_owned(), job.path().display().to_string()];
            let ran = run(cluster, &check(&words)).await;
            assert_eq!(ran.exit, Exit::Malformed, "{json}: {}", ran.said);
        }
    }
}

/// Every job that the help of `mpic check` shows: all methods are among them.
async fn ask_every_method(cluster: &Cluster) {
    let elsewhere = |word: &String| word == "--receipt" || word == "--raw-job";
    for words in examples().into_iter().filter(|words| !words.iter().any(elsewhere)) {
        run(cluster, &words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_redecide_the_log_of_quickstart_and_evidence_bears_out_every_method() {
    let cluster = Cluster::start_with(Choices::of(Content::demo())).await;
    let ca = CertificationAuthority::of(&cluster).await;
    Quickstart::read().ask(&cluster).await;
    ask_every_method(&cluster).await;
    let log = cluster.audited(&ca).await;
    is_read_by_a_stranger(&cluster, &log);
    every_signature_is_shown_to_hold(&cluster, &log);
    let origin = cluster.log_key().origin().to_owned();
    let evident = replay_deep(&cluster, &origin, &log.entries);
    assert!(evident.has_passed(Severity::Warning), "{:#?}", evident.findings);
    let mut falsified = BTreeSet::new();
    for decision in log.of_kind::<DecisionRecord>(Kind::Decision) {
        for check in decision.checks.keys() {
            let Some(forged) = forge(&cluster, &decision, *check) else { continue };
            let method = decision.checks[check].method.clone();
            let entries = [before_decisions(&log), vec![forged]].concat();
            let report = replay_deep(&cluster, &origin, &entries);
            let serious = report.findings.iter().filter(|f| f.severity > Severity::Note);
            let serious: Vec<_> = serious.map(|finding| finding.check).collect();
            assert_eq!(serious, ["R14"], "{method:?}: {:#?}", report.findings);
            falsified.insert(method.unwrap_or_else(|| "caa".to_owned()));
        }
    }
    let methods: Vec<_> = falsified.into_iter().collect();
    assert_eq!(
        methods,
        [
            "acme-dns-01",
            "acme-http-01",
            "acme-tls-alpn-01",
            "caa",
            "contact-email-caa",
            "contact-email-txt",
            "contact-phone-caa",
            "contact-phone-txt",
            "dns-account-01",
            "dns-change",
            "dns-persistent",
            "reverse-address-lookup",
            "smtp-host",
            "website-change",
        ]
    );
}

/// By the reader in Python, which shares no code with any of this.
fn is_read_by_a_stranger(cluster: &Cluster, log: &Log) {
    let place = cluster.log_place();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reader/read_log.py");
    // Debian's own has the package that it needs, see tests/run.
    let output = Command::new("/usr/bin/python3")
        .arg("-B")
        .arg(script)
        .args([&place.log, &cluster.layout().log_public_key(), &place.directory_file])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with(&format!("{} entries under the root ", log.entries.len())), "{said}");
    let decisions = log.of_kind::<DecisionRecord>(Kind::Decision).len();
    assert!(decisions >= 20, "{decisions}");
    assert!(said.contains(&format!("{decisions} decision")), "{said}");
    assert!(said.trim_end().ends_with("; 0 wrong"), "{said}");
}

fn every_signature_is_shown_to_hold(cluster: &Cluster, log: &Log) {
    let reader = LogReader::open(&cluster.log_place().log, &cluster.log_key()).unwrap();
    let mut shown = 0;
    for index in 1..u64::try_from(log.entries.len()).unwrap() {
        let found = signatures::<Box<dyn std::error::Error>>(&reader, &[], index).unwrap();
        assert!(found.iter().all(|found| found.valid && found.owner.is_some()), "{found:#?}");
        shown += found.len();
    }
    assert!(shown > log.entries.len() * 5, "{shown}");
}

fn replay_deep(cluster: &Cluster, origin: &str, entries: &[Vec<u8>]) -> Report {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), origin, entries);
    let shard = Shard {
        directory: directory.path().to_owned(),
        key: key(origin).public().clone(),
        kept: verify::Options::default(),
    };
    let options = Options {
        directories: vec![std::fs::read(cluster.log_place().directory_file).unwrap()],
        depth: Depth::Evidence,
        ..Options::default()
    };
    replay(&[shard], &options).unwrap()
}

/// Genesis and the directory document.
fn before_decisions(log: &Log) -> Vec<Vec<u8>> {
    log.entries[..2].to_vec()
}

/// The decision, in which a remote says that it passed and shows evidence of something else; all
/// is signed as it should be. Nothing where no remote passed.
fn forge(cluster: &Cluster, decision: &DecisionRecord, check: CheckKind) -> Option<Vec<u8>> {
    let mut forged = decision.clone();
    let assignments: Vec<_> = decision.assignments.iter().map(|sent| opened(&sent.0)).collect();
    let job_digest = assignments.first()?.1.job_digest;
    let carried = forged.replies.iter_mut().find_map(|carried| {
        let envelope = Envelope::parse(&carried.reply.0, usize::MAX).unwrap();
        let mut reply: Reply = decode_body(Kind::Reply, envelope.body).unwrap();
        let seen = reply.observations.get_mut(&check)?;
        (seen.verdict == Verdict::Pass).then(|| falsify(check, seen))?;
        Some((carried, reply))
    });
    let (carried, reply) = carried?;
    let of = |(_, sent): &&(Hash, Assignment)| sent.perspectives.contains(&carried.perspective);
    let (digest, _) = assignments.iter().find(of).unwrap();
    let signer = cluster.agent_key(&carried.perspective);
    let body = encode_body(Kind::Reply, &reply);
    carried.reply = Octets(envelope::seal(Kind::Reply, &body, &signer, Some(*digest)));
    let signer = cluster.coordinator_key(&decision.coordinator);
    let body = encode_body(Kind::Decision, &forged);
    Some(envelope::seal(Kind::Decision, &body, &signer, Some(job_digest)))
}

/// An assignment and its digest.
fn opened(octets: &[u8]) -> (Hash, Assignment) {
    let envelope = Envelope::parse(octets, usize::MAX).unwrap();
    (digest_of(octets), decode_body(Kind::Assignment, envelope.body).unwrap())
}

/// Changes what was seen, and not what was concluded.
fn falsify(check: CheckKind, seen: &mut Observation) {
    if check == CheckKind::Caa {
        let caa = seen.caa.as_mut().unwrap();
        // Nobody, for names, wildcards and mailboxes.
        let nobody = |tag: &str| CaaProperty {
            flags: 0,
            tag: Octets(tag.as_bytes().to_vec()),
            value: Octets(b";".to_vec()),
        };
        caa.records = ["issue", "issuewild", "issuemail"].map(nobody).to_vec();
        caa.record_count = 3;
        return;
    }
    seen.dns.iter_mut().flat_map(|seen| &mut seen.rrset).for_each(change);
    seen.http.iter_mut().filter_map(|hop| hop.body_head.as_mut()).for_each(change);
    seen.caa.iter_mut().flat_map(|caa| &mut caa.records).for_each(|it| change(&mut it.value));
    if let Some(tls) = &mut seen.tls {
        let leaf = tls.leaf.as_mut().unwrap();
        change(leaf);
        tls.leaf_digest = Some(Hash::of(&leaf.0));
    }
}

fn change(octets: &mut Octets) {
    let middle = octets.0.len() / 2;
    octets.0[middle] ^= 1;
}
