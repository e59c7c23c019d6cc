//! Assignments as a thief of credentials would forge them: an agent performs only what a
//! coordinator of the directory signed for it, now, once.

use std::time::Duration;

use mpic_common::assignment::Assignment;
use mpic_common::job::Job;
use mpic_common::octets::{Hash, Octets};
use mpic_common::reply::{Asked, PerspectiveRole, Reply, ReplyOutcome};
use mpic_common::signature::SigningKey;
use mpic_common::subject;
use mpic_common::wire::strict::Value;
use mpic_common::wire::{Envelope, Kind, encode_body, envelope};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_tests::certification_authority::{CertificationAuthority, caa, dns_01};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::internet::Content;
use mpic_tests::messagepack::Message;
use mpic_tests::played::PlayedCoordinator;

/// The coordinator that the test plays.
const PLAYED: &str = "coordinator-1";

struct World {
    cluster: Cluster,
    played: PlayedCoordinator,
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_perform_only_what_a_coordinator_signed_for_them() {
    let internet = Content::new().honest("honest.example").honest("slow.example").slow(
        "slow.example",
        300,
        None,
    );
    let choices = Choices { coordinators: 2, ..Choices::of(internet) };
    let cluster = Cluster::start_with(choices.without([PLAYED])).await;
    let remote = cluster.remotes().remove(0);
    let played = PlayedCoordinator::of(&cluster, PLAYED, &remote).await;
    let mut world = World { cluster, played };
    a_signed_assignment_is_performed(&mut world).await;
    nothing_else_is_performed(&mut world).await;
    another_version_is_refused_unsigned(&mut world).await;
    an_assignment_sent_twice_is_performed_once(&mut world).await;
    let ca = CertificationAuthority::of(&world.cluster).await;
    ca.decision(&dns_01("honest.example")).await;
    world.cluster.audited(&ca).await;
}

impl World {
    /// The reply to an assignment, verified as the coordinator would.
    fn verify(&self, octets: &[u8], job: &Job, assignment_digest: Hash) -> Reply {
        let asked = Asked {
            perspective: &self.cluster.remotes().remove(0),
            role: PerspectiveRole::Remote,
            assignment_digest,
            job,
            job_digest: Hash::of(&job.to_body()),
            octets_max: 8_192,
        };
        let now = SystemClock.now();
        let verified = Reply::verify(octets, &asked, &self.cluster.directory(), now);
        Reply::clone(&verified.expect("the reply counts"))
    }
}

async fn a_signed_assignment_is_performed(world: &mut World) {
    let job = dns_01("honest.example");
    let signed = world.played.sign(&world.played.assignment(&job));
    let reply_to = world.played.send(&signed.octets).await;
    let message = world.played.reply().await;
    assert_eq!(message.subject.as_str(), reply_to);
    let reply = world.verify(&message.payload, &job, signed.digest);
    assert_eq!((reply.outcome, reply.observations.len()), (ReplyOutcome::Observed, 2));
    assert!(!reply.relaxations.is_empty(), "a lab's relaxations are stated");
    assert!(reply.relaxations.is_sorted());
}

/// Whatever is forged is dropped without a word: the reply to a slow and honest assignment, sent
/// last, comes first and alone.
async fn nothing_else_is_performed(world: &mut World) {
    let played = &world.played;
    for (what, octets) in forgeries(world) {
        // The name of the forgery is of use where one of them is answered.
        assert!(!octets.is_empty(), "{what}");
        played.send(&octets).await;
    }
    let job = caa("honest.example");
    let good = played.sign(&played.assignment(&job)).octets;
    for aim in aims(world) {
        played.send_for(&good, aim).await;
    }
    let job = dns_01("slow.example");
    let signed = played.sign(&played.assignment(&job));
    let reply_to = played.send(&signed.octets).await;
    let message = world.played.reply().await;
    assert_eq!(message.subject.as_str(), reply_to, "a forgery was answered: {message:?}");
    world.verify(&message.payload, &job, signed.digest);
}

/// Assignments that nobody may perform, by what is wrong with them.
fn forgeries(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let played = &world.played;
    let stranger = SigningKey::from_seed(&[9; 32]);
    let agents = world.cluster.agent_key(&world.cluster.remotes()[0]);
    let job = caa("honest.example");
    let good = || played.assignment(&job);
    let sign = |assignment: Assignment| played.sign(&assignment).octets;
    let other = dns_01("other.example");
    let now = SystemClock.now();
    let mut altered = sign(good());
    *altered.last_mut().unwrap() ^= 1;
    let wrong_digest = {
        let body = encode_body(Kind::Assignment, &good());
        envelope::seal(Kind::Assignment, &body, &played.key, Some(Hash::ZERO))
    };
    let body = encode_body(Kind::Assignment, &good());
    let foreign = Job { issuer_domains: vec!["other-ca.example".to_owned()], ..job.clone() };
    let stranger_job = envelope::seal(Kind::Job, &job.to_body(), &stranger, None);
    vec![
        ("no message", b"assignment".to_vec()),
        ("unsigned", envelope::unsigned(Kind::Assignment, &body)),
        ("signed by a stranger", good().sign(&stranger).octets),
        ("signed by an agent", good().sign(&agents).octets),
        ("an altered signature", altered),
        ("a signature over another digest", wrong_digest),
        (
            "in another coordinator's name",
            sign(Assignment { coordinator: "coordinator-0".parse().unwrap(), ..good() }),
        ),
        (
            "for other perspectives",
            sign(Assignment { perspectives: world.cluster.remotes()[1..].to_vec(), ..good() }),
        ),
        ("for nobody", sign(Assignment { perspectives: vec![], ..good() })),
        ("expired", sign(Assignment { deadline_ms: now.minus(Duration::from_secs(1)), ..good() })),
        ("of another job", sign(Assignment { job: other.id, ..good() })),
        (
            "with another job's digest",
            sign(Assignment { job_digest: Hash::of(&other.to_body()), ..good() }),
        ),
        ("with no job", sign(Assignment { job_envelope: Octets(vec![]), ..good() })),
        ("with a CA's foreign issuer", sign(played.assignment(&foreign))),
        (
            "with a job that a stranger signed",
            sign(Assignment { job_envelope: Octets(stranger_job), ..good() }),
        ),
        ("too long", [sign(good()), vec![0; 11_000]].concat()),
    ]
}

/// Where a reply must never go.
fn aims(world: &World) -> Vec<String> {
    let token = [7; 16];
    let own = world.cluster.remotes().remove(0);
    let other = world.cluster.remotes().remove(1);
    vec![
        "victim.1".to_owned(),
        subject::reply(&other, &world.played.code, &token),
        subject::reply(&own, &"coordinator-0".parse().unwrap(), &token),
        subject::audit_decision(&"ca1".parse().unwrap()),
        format!("{}.extra", subject::reply(&own, &world.played.code, &token)),
    ]
}

async fn another_version_is_refused_unsigned(world: &mut World) {
    let job = caa("honest.example");
    let good = world.played.sign(&world.played.assignment(&job)).octets;
    let next = Message::read(&good).with("v", Value::Uint(2)).octets();
    let reply_to = world.played.send(&next).await;
    let message = world.played.reply().await;
    assert_eq!(message.subject.as_str(), reply_to);
    let envelope = Envelope::parse(&message.payload, usize::MAX).unwrap();
    assert_eq!((envelope.kind, envelope.seal), (Kind::Refusal, None));
}

async fn an_assignment_sent_twice_is_performed_once(world: &mut World) {
    let job = dns_01("slow.example");
    let signed = world.played.sign(&world.played.assignment(&job));
    let first = world.played.send(&signed.octets).await;
    let second = world.played.send(&signed.octets).await;
    let (one, other) = (world.played.reply().await, world.played.reply().await);
    assert_eq!(one.payload, other.payload, "the same octets");
    let mut answered = [one.subject.as_str(), other.subject.as_str()];
    let mut asked = [first.as_str(), second.as_str()];
    answered.sort_unstable();
    asked.sort_unstable();
    assert_eq!(answered, asked);
    // And again once it has ended.
    world.played.send(&signed.octets).await;
    assert_eq!(world.played.reply().await.payload, one.payload);
}
