//! What bus.md 4 and 10 ask of an agent, without a bus.

mod draining;

use mpic_common::assignment::{Assignment, SignedAssignment};
use mpic_common::directory::Owner;
use mpic_common::job::Job;
use mpic_common::observation::CheckKind;
use mpic_common::reason::Verdict;
use mpic_common::reply::{Asked, VerifiedReply};
use mpic_common::testing::{Fleet, dns_01_job};
use mpic_common::wire::Envelope;
use mpic_runtime::directory::Source;
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::resolver::forwarder::Forwarder;
use crate::testing::fake_dns::{self, FakeDns, Say};
use crate::testing::{NOW, StoppedClock, checker};

const REPLY_TO: &str = "mpic.v1.reply.r0.c0.000102030405060708090a0b0c0d0e0f";
const OCTETS_MAX: usize = 6_000;

/// An agent of the perspective `r0`, its Internet, and whoever asks it.
struct World {
    dns: FakeDns,
    fleet: Fleet,
    responder: Responder<Forwarder, StoppedClock>,
    dir: TempDir,
}

/// Everything is there: the digest in every TXT set, and no CAA.
fn good(asked: &fake_dns::Asked) -> Say {
    if asked.name.starts_with("_acme-challenge.") {
        Say::records(vec![fake_dns::txt(&asked.name, &[b"digest-of-the-day"])])
    } else {
        Say::no_data()
    }
}

impl World {
    async fn new() -> Self {
        Self::with(good, 4).await
    }

    async fn with(
        script: impl Fn(&fake_dns::Asked) -> Say + Send + Sync + 'static,
        permits: usize,
    ) -> Self {
        let (dns, fleet) = (FakeDns::start(script).await, Fleet::new(6));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("directory");
        std::fs::write(&file, fleet.document()).unwrap();
        let perspective: PerspectiveId = "r0".parse().unwrap();
        let source = Source {
            file,
            root: Fleet::key("root").public().to_string(),
            owner: Owner::Agent(perspective.clone()),
            key: Fleet::key("r0").public(),
        };
        let directories = Directories::load(source, perspective.clone(), NOW).unwrap();
        let registry = directories.own(NOW).unwrap().egress.registry;
        let health = Arc::new(EngineHealth::default());
        health.test(&Tested(Ok(()))).await;
        let responder = Responder::new(Parts {
            checker: checker(&dns, &[]),
            health,
            identity: Identity {
                perspective,
                role: PerspectiveRole::Remote,
                registry,
                agent: "test".to_owned(),
                software: "mpic/test".to_owned(),
                config_digest: Hash::ZERO,
                resolvers: vec![crate::testing::identity()],
                relaxations: Vec::new(),
            },
            key: Fleet::key("r0"),
            directories: Arc::new(directories),
            permits: Arc::new(Semaphore::new(permits)),
            job_max: Duration::from_secs(25),
            clock_skew_max: Duration::from_secs(300),
            drops: Arc::new(Drops::default()),
        });
        Self { dns, fleet, responder, dir }
    }

    async fn answer(&self, assignment: &SignedAssignment) -> Option<Bytes> {
        self.responder.answer(&assignment.octets, REPLY_TO).await
    }

    fn verify(&self, reply: &[u8], assignment: &SignedAssignment, job: &Job) -> VerifiedReply {
        verify(&self.fleet, reply, assignment, job)
    }

    fn dropped(&self) -> Vec<Dropped> {
        self.responder.parts.drops.by_reason().into_keys().collect()
    }
}

/// The reply as the coordinator takes it.
fn verify(fleet: &Fleet, reply: &[u8], assignment: &SignedAssignment, job: &Job) -> VerifiedReply {
    let asked = Asked {
        perspective: &"r0".parse().unwrap(),
        role: PerspectiveRole::Remote,
        assignment_digest: assignment.digest,
        job,
        job_digest: Hash::of(&job.to_body()),
        octets_max: OCTETS_MAX,
    };
    Reply::verify(reply, &asked, &fleet.directory(), NOW).unwrap()
}

/// An assignment of the coordinator `c0` to `r0` and others, changed by `change`.
fn assignment(job: &Job, change: impl FnOnce(&mut Assignment)) -> SignedAssignment {
    let body = job.to_body();
    let mut assignment = Assignment {
        coordinator: "c0".parse().unwrap(),
        job: job.id,
        perspectives: vec!["r0".parse().unwrap(), "r1".parse().unwrap()],
        job_envelope: envelope::seal(Kind::Job, &body, &Fleet::key("ca1"), None).into(),
        job_digest: Hash::of(&body),
        budget_ms: 10_000,
        deadline_ms: NOW.plus(Duration::from_secs(10)),
        reply_octets_max: OCTETS_MAX,
    };
    change(&mut assignment);
    assignment.sign(&Fleet::key("c0"))
}

fn plain(name: &str) -> (Job, SignedAssignment) {
    let job = dns_01_job(name);
    let assignment = assignment(&job, |_| {});
    (job, assignment)
}

#[tokio::test]
async fn an_assignment_is_answered_with_a_signed_observation_for_each_check() {
    let world = World::new().await;
    let (job, assignment) = plain("example.com");
    let reply = world.answer(&assignment).await.unwrap();
    let reply = world.verify(&reply, &assignment, &job);
    let verdicts: Vec<_> = reply.observations.values().map(|seen| seen.verdict).collect();
    assert_eq!(verdicts, [Verdict::Pass; 2]);
    assert_eq!(reply.resolvers.len(), 1);
    assert_eq!(world.dropped(), []);
}

#[tokio::test]
async fn forged_and_misplaced_assignments_are_dropped_and_counted_and_cost_no_packet() {
    let world = World::new().await;
    let job = dns_01_job("example.com");
    let good = assignment(&job, |_| {});
    let body = Envelope::parse(&good.octets, usize::MAX).unwrap().body.to_vec();
    let job_digest = Some(Hash::of(&job.to_body()));
    let sealed =
        |name: &str| envelope::seal(Kind::Assignment, &body, &Fleet::key(name), job_digest);
    let mut altered = good.octets.clone();
    *altered.last_mut().unwrap() ^= 1;
    let others = |assignment: &mut Assignment| assignment.perspectives.remove(0);
    let not_asked = assignment(&job, |assignment| drop(others(assignment)));
    let late = assignment(&job, |assignment| assignment.deadline_ms = NOW);
    let other_job = assignment(&job, |assignment| assignment.job_digest = Hash::ZERO);
    let foreign = Job { issuer_domains: vec!["other.example".to_owned()], ..job.clone() };
    let foreign = assignment(&foreign, |_| {});
    let elsewhere = REPLY_TO.replace(".r0.", ".r1.");
    let other_coordinator = REPLY_TO.replace(".c0.", ".c1.");
    for (octets, reply_to, reason) in [
        (good.octets.clone(), "mpic.v1.answer.ca1.x", Dropped::ReplySubject),
        (good.octets.clone(), elsewhere.as_str(), Dropped::ReplySubject),
        (good.octets.clone(), other_coordinator.as_str(), Dropped::OtherCoordinator),
        (vec![b'x'; 20_000], REPLY_TO, Dropped::Malformed),
        (envelope::unsigned(Kind::Assignment, &body), REPLY_TO, Dropped::UnknownKey),
        (sealed("nobody"), REPLY_TO, Dropped::UnknownKey),
        (sealed("r1"), REPLY_TO, Dropped::UnknownKey),
        (altered, REPLY_TO, Dropped::BadSignature),
        (not_asked.octets, REPLY_TO, Dropped::NotAsked),
        (late.octets, REPLY_TO, Dropped::Expired),
        (other_job.octets, REPLY_TO, Dropped::OtherJob),
        (foreign.octets, REPLY_TO, Dropped::NotAdmitted),
    ] {
        let before = world.responder.parts.drops.by_reason();
        assert_eq!(world.responder.answer(&octets, reply_to).await, None, "{reason:?}");
        let count = |drops: &BTreeMap<Dropped, u64>| drops.get(&reason).copied().unwrap_or(0);
        let after = world.responder.parts.drops.by_reason();
        assert_eq!(count(&after), count(&before) + 1, "{reason:?}: {after:?}");
    }
    assert!(world.dns.asked().is_empty());
}

#[tokio::test]
async fn a_repeat_joins_the_checks_and_gets_the_same_octets() {
    let world = World::with(good, 1).await;
    let (_, assignment) = plain("example.com");
    let (first, second) = tokio::join!(world.answer(&assignment), world.answer(&assignment));
    let asked = world.dns.asked().len();
    let third = world.answer(&assignment).await;
    assert!(first.is_some() && first == second && second == third);
    assert_eq!(world.dns.asked().len(), asked, "one check");
}

#[tokio::test]
async fn i18_without_a_permit_the_answer_is_busy_and_is_not_kept() {
    let world = World::with(good, 1).await;
    let (job, assignment) = plain("example.com");
    let taken = Arc::clone(&world.responder.parts.permits).try_acquire_owned().unwrap();
    let reply = world.answer(&assignment).await.unwrap();
    let reply = world.verify(&reply, &assignment, &job);
    assert_eq!(reply.outcome, ReplyOutcome::Busy);
    drop(taken);
    let reply = world.answer(&assignment).await.unwrap();
    let reply = world.verify(&reply, &assignment, &job);
    assert_eq!(reply.outcome, ReplyOutcome::Observed);
}

#[tokio::test]
async fn a_draining_agent_takes_only_what_it_can_end() {
    let world = World::new().await;
    world.responder.is_draining.store(true, Ordering::Relaxed);
    let job = dns_01_job("example.com");
    for (budget_ms, outcome) in [(20_000, ReplyOutcome::Observed), (20_001, ReplyOutcome::Busy)] {
        let assignment = assignment(&job, |assignment| {
            assignment.budget_ms = budget_ms;
            assignment.deadline_ms = NOW.plus(Duration::from_millis(budget_ms));
        });
        let reply = world.answer(&assignment).await.unwrap();
        assert_eq!(world.verify(&reply, &assignment, &job).outcome, outcome);
    }
}

#[tokio::test]
async fn another_version_gets_an_unsigned_refusal() {
    let world = World::new().await;
    let (_, mut assignment) = plain("example.com");
    assignment.octets[3] = 2;
    let refusal = world.answer(&assignment).await.unwrap();
    let refusal = Envelope::parse(&refusal, usize::MAX).unwrap();
    assert_eq!((refusal.kind, refusal.seal), (Kind::Refusal, None));
}

async fn refused_with(world: &World, change: impl FnOnce(&mut Assignment)) -> Option<Reason> {
    let job = dns_01_job("example.com");
    let assignment = assignment(&job, change);
    let reply = world.answer(&assignment).await.unwrap();
    assert!(world.dns.asked().is_empty());
    world.verify(&reply, &assignment, &job).observations[&CheckKind::Caa].reason
}

#[tokio::test]
async fn i18_a_deadline_far_beyond_the_budget_is_a_clock_skew() {
    let world = World::new().await;
    let ahead = |assignment: &mut Assignment| {
        assignment.deadline_ms = NOW.plus(Duration::from_secs(311));
    };
    assert_eq!(refused_with(&world, ahead).await, Some(Reason::ClockSkew));
}

/// An engine whose self-test says this.
struct Tested(Result<(), Reason>);

impl DnsEngine for Tested {
    type Inquiry = crate::resolver::forwarder::ForwarderInquiry;

    fn identity(&self) -> &ResolverIdentity {
        panic!("nobody asks")
    }

    async fn self_test(&self) -> Result<(), Reason> {
        self.0
    }

    fn open(&self, _: Deadline, _: Arc<crate::resolver::Budget>) -> Self::Inquiry {
        panic!("nobody asks")
    }
}

#[tokio::test]
async fn d29_an_engine_that_does_not_validate_refuses_every_job_and_a_silent_one_none() {
    let world = World::new().await;
    let health = &world.responder.parts.health;
    health.test(&Tested(Err(Reason::EngineUnavailable))).await;
    assert_eq!(refused_with(&world, |_| {}).await, Some(Reason::EngineUnavailable));
    health.test(&Tested(Err(Reason::DnsTimeout))).await;
    assert!(health.is_available());
}

#[tokio::test]
async fn s3_a_silent_internet_is_answered_before_the_budget_ends() {
    let world = World::with(|_| Say::silence(), 4).await;
    let job = dns_01_job("example.com");
    let assignment = assignment(&job, |assignment| assignment.budget_ms = 600);
    let started = Instant::now();
    let reply = world.answer(&assignment).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    let reply = world.verify(&reply, &assignment, &job);
    assert_eq!(reply.observations[&CheckKind::Dcv].reason, Some(Reason::DnsTimeout));
}

#[tokio::test]
async fn s3_a_cancelled_job_is_answered_at_once_and_says_so() {
    let world = World::with(|_| Say::silence(), 4).await;
    let (job, assignment) = plain("example.com");
    let cancel = async {
        while world.dns.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
        world.responder.parts.checker.cancel();
    };
    let (reply, ()) = tokio::join!(world.answer(&assignment), cancel);
    let reply = world.verify(&reply.unwrap(), &assignment, &job);
    for seen in reply.observations.values() {
        assert_eq!((seen.verdict, seen.reason), (Verdict::Error, Some(Reason::Cancelled)));
    }
    let later = world.answer(&assignment).await.unwrap();
    assert_eq!(world.verify(&later, &assignment, &job).observations, reply.observations, "kept");
}

#[tokio::test]
async fn s6_a_reply_is_cut_to_what_the_assignment_allows() {
    let world = World::with(
        |asked| {
            let mut records = vec![fake_dns::txt(&asked.name, &[&[b'x'; 200]]); 60];
            records.push(fake_dns::txt(&asked.name, &[b"digest-of-the-day"]));
            if asked.name.starts_with('_') { Say::records(records) } else { Say::no_data() }
        },
        4,
    );
    let world = world.await;
    let (job, assignment) = plain("example.com");
    let reply = world.answer(&assignment).await.unwrap();
    assert!(reply.len() <= OCTETS_MAX, "{}", reply.len());
    let reply = world.verify(&reply, &assignment, &job);
    let dcv = &reply.observations[&CheckKind::Dcv];
    assert!(dcv.truncated && dcv.verdict == Verdict::Pass);
    assert_eq!(dcv.dns[0].rrset_count, 61);
}

#[tokio::test]
async fn a_higher_directory_is_taken_and_a_lower_one_is_not() {
    let world = World::new().await;
    assert_eq!(world.responder.parts.directories.reload(NOW).unwrap(), 1);
    std::fs::write(world.dir.path().join("directory"), b"garbage").unwrap();
    assert!(world.responder.parts.directories.reload(NOW).is_err());
    assert_eq!(world.responder.parts.directories.current().serial(), 1, "the old one stays");
}
