//! A perspective's agent played by the test: replies that must not count, each with its reason on
//! record, and replies that count though they come in odd ways.

use std::collections::BTreeMap;

use mpic_common::code::PerspectiveId;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::octets::Hash;
use mpic_common::policy::Outcome;
use mpic_common::record::{DecisionRecord, Missing, leaf_hash};
use mpic_common::reply::{PerspectiveRole, Rejected, Reply};
use mpic_common::signature::SigningKey;
use mpic_common::wire::{Kind, encode_body, envelope};
use mpic_tests::cases;
use mpic_tests::cases::each_holds;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::log::{missing, replies};
use mpic_tests::played::{PlayedAgent, Received};

/// The perspective that the test plays.
const PLAYED: &str = "us-west";
/// One that is honest.
const HONEST: &str = "us-east";

/// What the cases share.
struct World {
    cluster: Cluster,
    ca: CertificationAuthority,
    played: tokio::sync::Mutex<PlayedAgent>,
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_count_only_if_they_answer_what_was_asked() {
    let internet = Content::new().honest("honest.example").honest("slow.example").slow(
        "slow.example",
        100,
        None,
    );
    let cluster = Cluster::start_with(Choices::of(internet).without([agent(PLAYED)])).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let played = PlayedAgent::of(&cluster, PLAYED).await.into();
    let world = World { cluster, ca, played };
    each_holds(cases!((&world) =>
        an_honest_reply_is_counted,
        a_signature_that_does_not_hold_is_rejected,
        a_key_that_nobody_knows_is_rejected,
        another_perspectives_key_is_rejected,
        a_coordinators_key_signs_no_reply,
        another_perspectives_name_is_rejected,
        another_role_is_rejected,
        a_reply_to_another_assignment_is_rejected,
        a_reply_about_another_job_is_rejected,
        a_reply_with_too_few_checks_is_rejected,
        a_determination_without_its_value_is_rejected,
        octets_that_are_no_reply_are_rejected,
        a_flood_of_octets_does_not_keep_the_decision_from_the_record,
        a_rejected_reply_leaves_room_for_the_right_one,
        a_reply_that_comes_twice_counts_once,
        of_two_replies_the_first_counts,
        a_busy_agent_is_asked_again,
        an_agent_that_stays_busy_is_recorded_as_busy,
        an_unsigned_refusal_of_an_agent_settles_nothing,
        another_value_contradicts,
        a_relaxation_that_the_coordinator_does_not_name_makes_it_unavailable,
        a_reply_for_a_token_that_nobody_waits_for_changes_nothing,
        a_reply_after_the_decision_is_recorded_as_late,
        a_reply_after_the_window_is_dropped,
    ))
    .await;
    world.cluster.audited(&world.ca).await;
}

/// A job that is not settled before the played perspective has answered.
fn job() -> Job {
    unanimous(dns_01("honest.example"), 6)
}

impl World {
    fn code() -> PerspectiveId {
        PLAYED.parse().unwrap()
    }

    /// The decision on a job to which the played perspective answers with these octets, made from
    /// an honest reply.
    async fn decide(
        &self,
        job: &Job,
        say: impl FnOnce(&PlayedAgent, &Received, Reply) -> Vec<Vec<u8>>,
    ) -> DecisionRecord {
        let mut played = self.played.lock().await;
        let saying = async {
            let received = played.assignment(job).await;
            let honest = played.pass(&received);
            for octets in say(&played, &received, honest) {
                played.send(&received, octets).await;
            }
        };
        let (recorded, ()) = tokio::join!(self.ca.decision(job), saying);
        recorded.decision
    }

    /// That a reply made so does not count, for this reason, and is on record.
    async fn rejects(
        &self,
        reason: Rejected,
        say: impl FnOnce(&PlayedAgent, &Received, Reply) -> Vec<u8>,
    ) {
        let mut sent = Vec::new();
        // Four others are enough, so nobody waits for this one to the deadline; and they are slow,
        // so this one is always earlier.
        let job = dns_01("slow.example");
        let decision = self
            .decide(&job, |played, received, honest| {
                sent = say(played, received, honest);
                vec![sent.clone()]
            })
            .await;
        assert_eq!(decision.outcome, Outcome::Corroborate);
        assert!(!replies(&decision).contains_key(&Self::code()));
        assert_eq!(missing(&decision, &Self::code()), Some(Missing::Rejected));
        let [rejected] = decision.rejected.as_slice() else { panic!("{:?}", decision.rejected) };
        assert_eq!((rejected.reason, rejected.perspective.as_ref()), (reason, Some(&Self::code())));
        assert_eq!(rejected.hash, Hash::of(&sent));
        for check in decision.checks.values() {
            assert_eq!(check.findings[&Self::code()], Finding::Unavailable);
        }
    }
}

/// The findings of the played perspective.
fn findings(decision: &DecisionRecord) -> Vec<Finding> {
    decision.checks.values().map(|check| check.findings[&World::code()]).collect()
}

const BOTH_CORROBORATE: [Finding; 2] = [Finding::Corroborate; 2];

async fn an_honest_reply_is_counted(world: &World) {
    let mut sent = Vec::new();
    let decision = world
        .decide(&job(), |played, received, honest| {
            sent = played.sign(&honest, received);
            vec![sent.clone()]
        })
        .await;
    assert_eq!(
        (decision.outcome, findings(&decision)),
        (Outcome::Corroborate, BOTH_CORROBORATE.into())
    );
    let own = decision.replies.iter().find(|reply| reply.perspective == World::code()).unwrap();
    assert_eq!(own.reply.0, sent, "octet for octet");
}

async fn a_signature_that_does_not_hold_is_rejected(world: &World) {
    let altered = |played: &PlayedAgent, received: &Received, honest: Reply| {
        let mut octets = played.sign(&honest, received);
        *octets.last_mut().unwrap() ^= 1;
        octets
    };
    world.rejects(Rejected::BadSignature, altered).await;
    let unsigned = |_: &PlayedAgent, _: &Received, honest: Reply| {
        envelope::unsigned(Kind::Reply, &encode_body(Kind::Reply, &honest))
    };
    world.rejects(Rejected::BadSignature, unsigned).await;
}

async fn a_key_that_nobody_knows_is_rejected(world: &World) {
    let say = |_: &PlayedAgent, received: &Received, honest: Reply| {
        honest.sign(&SigningKey::from_seed(&[9; 32]), received.digest)
    };
    world.rejects(Rejected::UnknownKey, say).await;
}

async fn another_perspectives_key_is_rejected(world: &World) {
    let stolen = world.cluster.agent_key(&HONEST.parse().unwrap());
    let say =
        |_: &PlayedAgent, received: &Received, honest: Reply| honest.sign(&stolen, received.digest);
    world.rejects(Rejected::WrongPerspective, say).await;
}

async fn a_coordinators_key_signs_no_reply(world: &World) {
    let stolen = world.cluster.coordinator_key(&"coordinator-0".parse().unwrap());
    let say =
        |_: &PlayedAgent, received: &Received, honest: Reply| honest.sign(&stolen, received.digest);
    world.rejects(Rejected::WrongPerspective, say).await;
}

async fn another_perspectives_name_is_rejected(world: &World) {
    let say = |played: &PlayedAgent, received: &Received, honest: Reply| {
        let perspective = HONEST.parse().unwrap();
        played.sign(&Reply { perspective, ..honest }, received)
    };
    world.rejects(Rejected::WrongPerspective, say).await;
}

async fn another_role_is_rejected(world: &World) {
    let say = |played: &PlayedAgent, received: &Received, honest: Reply| {
        played.sign(&Reply { role: PerspectiveRole::Primary, ..honest }, received)
    };
    world.rejects(Rejected::WrongPerspective, say).await;
}

async fn a_reply_to_another_assignment_is_rejected(world: &World) {
    let mut earlier = Vec::new();
    world
        .decide(&job(), |played, received, honest| {
            earlier = played.sign(&honest, received);
            vec![earlier.clone()]
        })
        .await;
    // Replayed: what it signs is the digest of the earlier assignment.
    world.rejects(Rejected::BadSignature, |_, _, _| earlier).await;
    let say =
        |played: &PlayedAgent, _: &Received, honest: Reply| honest.sign(&played.key, Hash::ZERO);
    world.rejects(Rejected::BadSignature, say).await;
}

async fn a_reply_about_another_job_is_rejected(world: &World) {
    let other = dns_01("other.example");
    let (id, identifier) = (other.id, other.identifier);
    world
        .rejects(Rejected::WrongAssignment, |played, received, honest| {
            played.sign(&Reply { job: id, ..honest }, received)
        })
        .await;
    world
        .rejects(Rejected::WrongAssignment, |played, received, honest| {
            played.sign(&Reply { job_digest: Hash::ZERO, ..honest }, received)
        })
        .await;
    world
        .rejects(Rejected::WrongAssignment, |played, received, honest| {
            played.sign(&Reply { identifier, ..honest }, received)
        })
        .await;
}

async fn a_reply_with_too_few_checks_is_rejected(world: &World) {
    let say = |played: &PlayedAgent, received: &Received, mut honest: Reply| {
        honest.observations.remove(&CheckKind::Caa);
        played.sign(&honest, received)
    };
    world.rejects(Rejected::WrongAssignment, say).await;
    let say = |played: &PlayedAgent, received: &Received, honest: Reply| {
        played.sign(&Reply { observations: BTreeMap::new(), ..honest }, received)
    };
    world.rejects(Rejected::WrongAssignment, say).await;
}

async fn a_determination_without_its_value_is_rejected(world: &World) {
    let say = |played: &PlayedAgent, received: &Received, mut honest: Reply| {
        honest.observations.get_mut(&CheckKind::Dcv).unwrap().observed = None;
        played.sign(&honest, received)
    };
    world.rejects(Rejected::Malformed, say).await;
}

async fn octets_that_are_no_reply_are_rejected(world: &World) {
    for octets in [vec![], b"\xc1".to_vec(), vec![0x80; 8_000], b"+OK".to_vec()] {
        world.rejects(Rejected::Malformed, |_, _, _| octets).await;
    }
    let say = |played: &PlayedAgent, received: &Received, _: Reply| {
        let body = encode_body(Kind::Reply, &"no reply");
        envelope::seal(Kind::Reply, &body, &played.key, Some(received.digest))
    };
    world.rejects(Rejected::Malformed, say).await;
    let say = |played: &PlayedAgent, received: &Received, mut honest: Reply| {
        honest.software = "x".repeat(received.assignment.reply_octets_max);
        played.sign(&honest, received)
    };
    world.rejects(Rejected::Malformed, say).await;
}

async fn a_flood_of_octets_does_not_keep_the_decision_from_the_record(world: &World) {
    let flood = vec![vec![0xC1; 250_000]; 40];
    let decision = world.decide(&dns_01("slow.example"), |_, _, _| flood).await;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert!(!decision.rejected.is_empty());
    let same = Hash::of(&vec![0xC1; 250_000]);
    assert!(decision.rejected.iter().all(|rejected| rejected.hash == same));
}

async fn a_rejected_reply_leaves_room_for_the_right_one(world: &World) {
    let decision = world
        .decide(&job(), |played, received, honest| {
            let right = played.sign(&honest, received);
            vec![b"wrong".to_vec(), honest.sign(&played.key, Hash::ZERO), right]
        })
        .await;
    assert_eq!(findings(&decision), BOTH_CORROBORATE);
    assert_eq!(missing(&decision, &World::code()), None);
    let reasons: Vec<_> = decision.rejected.iter().map(|rejected| rejected.reason).collect();
    assert_eq!(reasons, [Rejected::Malformed, Rejected::BadSignature]);
}

async fn a_reply_that_comes_twice_counts_once(world: &World) {
    let decision = world
        .decide(&job(), |played, received, honest| vec![played.sign(&honest, received); 2])
        .await;
    assert_eq!((decision.replies.len(), decision.outcome), (7, Outcome::Corroborate));
    let own = decision.replies.iter().filter(|reply| reply.perspective == World::code());
    assert_eq!(own.count(), 1);
}

async fn of_two_replies_the_first_counts(world: &World) {
    let decision = world
        .decide(&job(), |played, received, honest| {
            let mut other = honest.clone();
            let seen = other.observations.get_mut(&CheckKind::Dcv).unwrap();
            seen.observed = Some(Hash::of(b"another value"));
            vec![played.sign(&honest, received), played.sign(&other, received)]
        })
        .await;
    assert_eq!(
        (decision.outcome, findings(&decision)),
        (Outcome::Corroborate, BOTH_CORROBORATE.into())
    );
}

async fn a_busy_agent_is_asked_again(world: &World) {
    let mut played = world.played.lock().await;
    let job = job();
    let saying = async {
        let first = played.assignment(&job).await;
        played.send(&first, played.sign(&played.busy(&first), &first)).await;
        let second = played.assignment(&job).await;
        assert_eq!(second.octets, first.octets, "the same octets");
        assert_ne!(second.reply_to, first.reply_to, "under a new token");
        played.send(&second, played.sign(&played.pass(&second), &second)).await;
    };
    let (recorded, ()) = tokio::join!(world.ca.decision(&job), saying);
    assert_eq!(findings(&recorded.decision), BOTH_CORROBORATE);
    assert!(recorded.decision.rejected.is_empty());
}

async fn an_agent_that_stays_busy_is_recorded_as_busy(world: &World) {
    let mut played = world.played.lock().await;
    let job = job();
    let saying = async {
        for _ in 0..2 {
            let received = played.assignment(&job).await;
            played.send(&received, played.sign(&played.busy(&received), &received)).await;
        }
    };
    let (recorded, ()) = tokio::join!(world.ca.decision(&job), saying);
    assert_eq!(missing(&recorded.decision, &World::code()), Some(Missing::Busy));
    assert_eq!(recorded.decision.outcome, Outcome::Refuse, "the job wanted all six");
}

async fn an_unsigned_refusal_of_an_agent_settles_nothing(world: &World) {
    let mut played = world.played.lock().await;
    let job = job();
    let saying = async {
        let first = played.assignment(&job).await;
        let refusal = envelope::unsigned(Kind::Refusal, &encode_body(Kind::Refusal, &[("v", 2)]));
        played.send(&first, refusal).await;
        let second = played.assignment(&job).await;
        played.send(&second, played.sign(&played.pass(&second), &second)).await;
    };
    let (recorded, ()) = tokio::join!(world.ca.decision(&job), saying);
    assert_eq!(findings(&recorded.decision), BOTH_CORROBORATE);
}

async fn another_value_contradicts(world: &World) {
    let decision = world
        .decide(&job(), |played, received, mut honest| {
            let seen = honest.observations.get_mut(&CheckKind::Dcv).unwrap();
            seen.observed = Some(Hash::of(b"another value"));
            vec![played.sign(&honest, received)]
        })
        .await;
    assert_eq!(findings(&decision), [Finding::Contradict, Finding::Corroborate]);
    assert_eq!(decision.outcome, Outcome::Refuse, "the job wanted all six");
    assert!(replies(&decision).contains_key(&World::code()), "it is evidence all the same");
}

async fn a_relaxation_that_the_coordinator_does_not_name_makes_it_unavailable(world: &World) {
    let decision = world
        .decide(&job(), |played, received, mut honest| {
            honest.relaxations = vec!["dnssec.remote=\"off\"".to_owned()];
            vec![played.sign(&honest, received)]
        })
        .await;
    assert_eq!(findings(&decision), [Finding::Unavailable; 2]);
    assert!(replies(&decision).contains_key(&World::code()), "it is evidence all the same");
}

async fn a_reply_for_a_token_that_nobody_waits_for_changes_nothing(world: &World) {
    let mut played = world.played.lock().await;
    let job = job();
    let saying = async {
        let mut received = played.assignment(&job).await;
        let (right, reply) = (received.reply_to.clone(), played.pass(&received));
        let octets = played.sign(&reply, &received);
        let (before, _) = right.rsplit_once('.').unwrap();
        received.reply_to = format!("{before}.{}", "0".repeat(32)).into();
        played.send(&received, octets.clone()).await;
        // Another perspective's slot takes no reply of this one either.
        received.reply_to = right.replace(PLAYED, HONEST).into();
        played.send(&received, octets.clone()).await;
        received.reply_to = right;
        played.send(&received, octets).await;
    };
    let (recorded, ()) = tokio::join!(world.ca.decision(&job), saying);
    let decision = recorded.decision;
    assert_eq!((decision.outcome, decision.replies.len()), (Outcome::Corroborate, 7));
}

async fn a_reply_after_the_decision_is_recorded_as_late(world: &World) {
    let job = dns_01("honest.example");
    let mut played = world.played.lock().await;
    let (recorded, received) = tokio::join!(world.ca.decision(&job), played.assignment(&job));
    assert_eq!(missing(&recorded.decision, &World::code()), Some(Missing::Pending));
    let mut late = world.cluster.late_records().await;
    let octets = played.sign(&played.pass(&received), &received);
    played.send(&received, octets.clone()).await;
    let late = late.of(job.id).await;
    assert_eq!(late.decision_hash, leaf_hash(&recorded.octets));
    let own = late.replies.iter().find(|reply| reply.perspective.as_str() == PLAYED);
    assert_eq!(own.unwrap().reply.0, octets);
    assert!(late.closed_ms >= recorded.decision.decided_ms);
    let again = world.ca.decision(&job).await;
    assert_eq!(again.octets, recorded.octets, "it changes nothing");
}

async fn a_reply_after_the_window_is_dropped(world: &World) {
    let job = dns_01("honest.example");
    let mut played = world.played.lock().await;
    let (recorded, received) = tokio::join!(world.ca.decision(&job), played.assignment(&job));
    let window = mpic_common::limits::LATE_WINDOW.mul_f64(1.25);
    // This is the fault that is tested: the reply comes too late.
    tokio::time::sleep(window).await;
    played.send(&received, played.sign(&played.pass(&received), &received)).await;
    drop(played);
    an_honest_reply_is_counted(world).await;
    let log = world.cluster.audited(&world.ca).await;
    let late = log.late(job.id).into_iter().flat_map(|late| late.replies);
    assert!(late.into_iter().all(|reply| reply.perspective.as_str() != PLAYED));
    assert_eq!(missing(&recorded.decision, &World::code()), Some(Missing::Pending));
}
