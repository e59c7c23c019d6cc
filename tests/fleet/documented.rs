//! What OPERATING.md tells to type works on a fleet that `mpic init` wrote.

use mpic_cli::command::Exit;
use mpic_common::policy::Outcome;
use mpic_common::record::NoteRecord;
use mpic_common::wire::Kind;
use mpic_tests::certification_authority::dns_01;
use mpic_tests::command_line::mpic;
use mpic_tests::generated::{GeneratedFleet, Hosts, PERSPECTIVES, Shape};
use mpic_tests::internet::Content;
use mpic_tests::log::replies;
use mpic_tests::process::eventually;
use rustix::process::Signal;

const SITE: &str = "honest.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_described_fleet_is_looked_at_asked_noted_and_rotated_as_documented() {
    let internet = Content::new().honest(SITE);
    let shape = Shape { servers: 1, coordinators: 1, absent: &[], leaves: &[], internet };
    let mut fleet = GeneratedFleet::start(Hosts::Loopback, shape).await;
    let ca = fleet.ca().await;
    let dir = fleet.layout().dir().display().to_string();
    let (exit, text) = mpic(&["status", "--dir", &dir]).await;
    assert_eq!(exit, Exit::Fine, "{text}");
    assert!(PERSPECTIVES.iter().all(|code| text.contains(code)), "{text}");
    let (exit, text) = mpic(&["check", SITE, "--dir", &dir]).await;
    assert_eq!(exit, Exit::Fine, "{text}");
    mpic(&["audit", "note", "--dir", &dir, "the first note"]).await;

    // A rotation: the document first, then the key.
    let before = ca.decision(&dns_01(SITE)).await;
    let (_, text) = mpic(&["keys", "rotate", "agent-us-east", "--dir", &dir]).await;
    assert!(text.contains("is in force from now"), "{text}");
    for code in PERSPECTIVES {
        fleet.signal(&format!("agent-{code}"), Signal::HUP);
    }
    fleet.signal("coordinator-0", Signal::HUP);
    let taken =
        || fleet.output("coordinator-0").contains("directory document in force").then_some(());
    eventually("the coordinator has the new document", taken).await;
    fleet.terminate("agent-us-east").await;
    fleet.start_process("agent-us-east").await;
    let after = fleet.ca().await.decision(&dns_01(SITE)).await;
    assert_eq!(after.decision.outcome, Outcome::Corroborate);
    let code = "us-east".parse().unwrap();
    assert!([&before, &after].iter().all(|one| replies(&one.decision).contains_key(&code)));
    assert_ne!(before.decision.directory_hash, after.decision.directory_hash);
    let log = fleet.audited(&ca).await;
    let notes: Vec<NoteRecord> = log.of_kind(Kind::Note);
    assert_eq!(notes.len(), 1);
}
