//! The directory document changes while the system runs.

use std::time::Duration;

use mpic_common::directory::DirectoryDocument;
use mpic_common::limits::DIRECTORY_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::policy::Outcome;
use mpic_common::record::DecisionRecord;
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::keys;
use mpic_tests::certification_authority::{CertificationAuthority, caa, unanimous};
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster};
use mpic_tests::internet::Content;
use mpic_tests::log::missing;
use rustix::process::Signal;
use tokio::time::timeout;

const SITE: &str = "honest.example";
/// Whose key is revoked.
const REMOTE: &str = "us-west";
/// Who is left out, and comes back.
const OTHER: &str = "us-east";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_directory_document_holds_without_a_restart() {
    let choices = Choices { remotes: 8, ..Choices::of(Content::new().honest(SITE)) };
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let document = revoking(document(&cluster));
    let (revoked, other) = (REMOTE.parse().unwrap(), OTHER.parse().unwrap());

    publish(&cluster, &document);
    let decision = first(&ca, |decision| !decision.cohort.contains(&revoked)).await;
    assert_eq!((decision.cohort.len(), decision.outcome), (7, Outcome::Corroborate));

    let mut without = DirectoryDocument { serial: 3, ..document.clone() };
    without.perspectives.retain(|one| one.code != other);
    let hash = publish(&cluster, &without);
    let decision = first(&ca, |decision| decision.directory_hash == hash).await;
    assert_eq!((decision.cohort.len(), decision.outcome), (6, Outcome::Corroborate));

    let hash = publish(&cluster, &DirectoryDocument { serial: 4, ..document });
    let decision = first(&ca, |decision| decision.directory_hash == hash).await;
    assert_eq!(decision.cohort.len(), 7);
    let decision = ca.decision(&unanimous(caa(SITE), 7)).await.decision;
    assert_eq!((decision.outcome, missing(&decision, &other)), (Outcome::Corroborate, None));
    cluster.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_document_revokes_is_dropped_though_the_stream_never_takes_the_document() {
    let choices = Choices { remotes: 8, ..Choices::of(Content::new().honest(SITE)) };
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let before = ca.decision(&caa(SITE)).await.decision;
    let revoked = REMOTE.parse().unwrap();
    assert!(before.cohort.contains(&revoked));
    let jetstream = cluster.jetstream().await;
    let stream = jetstream.get_stream(subject::AUDIT_STREAM).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.subjects = [subject::AUDIT_DECISIONS, subject::AUDIT_LATE].map(str::to_owned).to_vec();
    jetstream.update_stream(&config).await.unwrap();

    publish(&cluster, &revoking(document(&cluster)));
    let decision = first(&ca, |decision| !decision.cohort.contains(&revoked)).await;
    assert_eq!((decision.cohort.len(), decision.outcome), (7, Outcome::Corroborate));
    assert_eq!(decision.directory_hash, before.directory_hash, "the one in force, less the key");
}

fn document(cluster: &Cluster) -> DirectoryDocument {
    let octets = std::fs::read(cluster.layout().directory_file()).unwrap();
    let envelope = Envelope::parse(&octets, DIRECTORY_OCTETS_MAX).unwrap();
    decode_body(Kind::Directory, envelope.body).unwrap()
}

/// The same without the key of the remote, from now on.
fn revoking(document: DirectoryDocument) -> DirectoryDocument {
    let mut document = DirectoryDocument { serial: 2, ..document };
    let key = document.keys.iter_mut().find(|key| key.name == REMOTE).unwrap();
    key.revoked_ms = Some(SystemClock.now().plus(Duration::from_secs(1)));
    key.reason = Some("stolen".to_owned());
    document
}

/// Signs `document`, tells the coordinator, and gives its hash.
fn publish(cluster: &Cluster, document: &DirectoryDocument) -> Hash {
    let root = keys::load(&cluster.layout().key("root")).unwrap();
    let body = encode_body(Kind::Directory, document);
    let octets = envelope::seal(Kind::Directory, &body, &root, Some(Hash::ZERO));
    std::fs::write(cluster.layout().directory_file(), octets).unwrap();
    cluster.process(COORDINATOR).signal(Signal::HUP);
    Hash::of(&body)
}

/// The first decision from now on that is as wanted.
async fn first(
    ca: &CertificationAuthority,
    is_wanted: impl Fn(&DecisionRecord) -> bool,
) -> DecisionRecord {
    let asking = async {
        loop {
            let decision = ca.decision(&caa(SITE)).await.decision;
            if is_wanted(&decision) {
                return decision;
            }
        }
    };
    timeout(Duration::from_secs(20), asking).await.expect("the document holds")
}
