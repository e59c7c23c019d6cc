//! Receipts: a decision is answered before it is in the log, and its proof comes after, also where
//! the audit consumer is away in between.

use std::path::Path;

use clap::Parser;
use futures_util::StreamExt;
use mpic_cli::command::{Arguments, Exit};
use mpic_common::record::{NoteKind, NoteRecord};
use mpic_common::subject;
use mpic_common::wire::Kind;
use mpic_tests::certification_authority::CertificationAuthority;
use mpic_tests::cluster::{AUDIT, Cluster};
use mpic_tests::command_line::mpic;
use mpic_tests::internet::Content;

/// The one file of a directory that ends so.
fn only(directory: &Path, extension: &str) -> String {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    let [file] = found.collect::<Vec<_>>().try_into().expect("one of them");
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_asked_while_the_audit_consumer_is_away_comes_once_it_is_back() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    cluster.kill(AUDIT).await;
    let client = cluster.client().await;
    let mut records = client.subscribe(subject::AUDIT_SUBJECTS).await.unwrap();
    client.flush().await.unwrap();
    let kept = tempfile::tempdir().unwrap();
    let (dir, keep) =
        (cluster.layout().dir().display().to_string(), kept.path().display().to_string());
    let words =
        ["check", "honest.example", "--dir", &dir, "--wait-for", "checkpoint", "--receipt", &keep];
    let back = async {
        records.next().await.unwrap();
        cluster.start_process(AUDIT).await;
    };
    let ((exit, text), ()) = tokio::join!(mpic(&words), back);
    assert_eq!(exit, Exit::Fine, "{text}");
    assert!(text.contains("proven   entry "), "{text}");
    // Offline from here on: two files and the log's key.
    let (proof, record) = (only(kept.path(), "proof"), only(kept.path(), "record"));
    let key = cluster.layout().log_public_key().display().to_string();
    let check = ["audit", "check-receipt", &proof, "--record", &record, "--log-key", &key];
    let (exit, text) = mpic(&check).await;
    assert_eq!(exit, Exit::Fine, "{text}");
    let log = cluster.layout().log().display().to_string();
    let replay = ["audit", "replay", &log, "--log-key", &key, "--records", &keep];
    let (exit, text) = mpic(&replay).await;
    assert_eq!(exit, Exit::Fine, "{text}");
    std::fs::write(&record, b"another record").unwrap();
    assert_eq!(mpic(&check).await.0, Exit::Refused);
    assert_eq!(mpic(&replay).await.0, Exit::Refused, "the log lacks what the CA holds");
    // Who looks from outside sees who proves, and how far the log is.
    let (_, text) = mpic(&["status", "--dir", &dir]).await;
    assert!(text.contains("mpic-audit"), "{text}");
    cluster.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_note_is_on_record_under_the_operators_key_and_once() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let dir = cluster.layout().dir().display().to_string();
    let kept = tempfile::tempdir().unwrap();
    let signed = kept.path().join("note").display().to_string();
    let sign =
        ["audit", "note", "--dir", &dir, "--kind", "incident", "--out", &signed, "bus-1 is gone"];
    assert_eq!(mpic(&sign).await.0, Exit::Fine);
    let send = ["audit", "note", "--dir", &dir, "--send", &signed];
    let (_, first) = mpic(&send).await;
    assert_eq!(mpic(&send).await.1, first, "the stream has it once");
    let log = cluster.audited(&ca).await;
    let notes: Vec<NoteRecord> = log.of_kind(Kind::Note);
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert_eq!((note.text.as_str(), note.kind), ("bus-1 is gone", NoteKind::Incident));
    // A note of somebody else is turned away before it is sent.
    let octets = std::fs::read(&signed).unwrap();
    let mut forged = octets.clone();
    *forged.last_mut().unwrap() ^= 1;
    std::fs::write(&signed, forged).unwrap();
    let arguments = Arguments::try_parse_from(["mpic"].iter().chain(&send)).unwrap();
    assert!(arguments.run(&mut Vec::new()).await.is_err());
}
