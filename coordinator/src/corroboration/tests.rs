use std::collections::BTreeMap;

use mpic_common::cohort::{Cohort, PrimaryPlace};
use mpic_common::directory::Directory;
use mpic_common::job::Job;
use mpic_common::policy::Outcome;
use mpic_common::reason::Reason;
use mpic_common::reply::Rejected;
use mpic_common::testing::{Fleet, Seen, dns_01_job};

use super::*;
use crate::attempt::Heard;
use crate::testing::{self, NOW, StoppedClock};

/// How one perspective behaves.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    After(Duration, Seen),
    NoResponders,
    Silent,
    /// Says at once what does not count, and nothing else.
    Junk,
}

/// Perspectives that do as they are told; one that nobody mentions sees what is expected after
/// 10 ms.
struct Scripted {
    fleet: Arc<Fleet>,
    script: BTreeMap<String, Behaviour>,
}

impl Perspectives for Scripted {
    fn ask(&self, question: Question) -> impl Future<Output = Answered> + Send + 'static {
        let usual = Behaviour::After(Duration::from_millis(10), Seen::Expected);
        let behaviour = self.script.get(question.perspective.as_str()).copied().unwrap_or(usual);
        let fleet = Arc::clone(&self.fleet);
        let Question { rejections, perspective, .. } = &question;
        if let Behaviour::Junk = behaviour {
            let junk = testing::message(&"x".into(), b"junk", None);
            rejections.push(perspective, &junk, NOW, Rejected::Malformed);
        }
        async move {
            match behaviour {
                Behaviour::After(delay, seen) => {
                    tokio::time::sleep(delay).await;
                    let (octets, reply) = fleet.reply(&question.perspective, &question.job, seen);
                    Answered::Heard(Box::new(Heard { reply, octets, received_ms: NOW }))
                }
                Behaviour::NoResponders => Answered::Missing(Missing::NoResponders),
                Behaviour::Silent | Behaviour::Junk => std::future::pending().await,
            }
        }
    }
}

fn plan(fleet: &Fleet, job: Job) -> Plan {
    let directory: Arc<Directory> = Arc::new(fleet.directory());
    let primary = directory.perspective(fleet.primary(), NOW).unwrap();
    let remotes: Vec<_> =
        fleet.remotes().map(|code| directory.perspective(code, NOW).unwrap()).collect();
    let cohort = Cohort::new(PrimaryPlace::Perspective(primary), &remotes).unwrap();
    Plan {
        job: Arc::new(job),
        directory: Arc::clone(&directory),
        requested_ms: NOW,
        primary: Some(fleet.primary().clone()),
        cohort,
        allowed: Arc::from([]),
    }
}

/// Asks six remotes that behave so, and gives what came of it and how long it took.
async fn ask<const N: usize>(
    script: [(&str, Behaviour); N],
    change: impl FnOnce(&mut Job),
) -> (Corroboration, Duration) {
    let fleet = Arc::new(Fleet::new(6));
    let script = script.map(|(code, behaviour)| (code.to_owned(), behaviour)).into();
    let asker = Asker {
        coordinator: "c0".parse().unwrap(),
        key: Fleet::key("c0"),
        perspectives: Scripted { fleet: Arc::clone(&fleet), script },
        clock: StoppedClock,
        straggler_wait: Duration::from_secs(1),
    };
    let mut job = dns_01_job("honest.example");
    change(&mut job);
    let body = job.to_body();
    let started = Instant::now();
    let question = Asked {
        job_envelope: body.clone().into(),
        job_digest: Hash::of(&body),
        answer_by: started + Duration::from_secs(30),
    };
    let heard = corroborate(&asker, plan(&fleet, job), &question).await;
    (heard, started.elapsed())
}

fn reasons(heard: &Corroboration) -> Vec<(String, Missing)> {
    let missing = heard.attempt.missing().iter();
    missing.map(|(code, reason)| (code.to_string(), *reason)).collect()
}

#[tokio::test(start_paused = true)]
async fn all_are_heard_and_nobody_is_waited_for() {
    let (heard, elapsed) = ask([], |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Corroborate);
    assert_eq!(heard.attempt.replies().len(), 7);
    assert_eq!(heard.assignments.len(), 2, "one for the primary, one for the remotes");
    assert_eq!(elapsed.as_millis(), 20);
}

#[tokio::test(start_paused = true)]
async fn together_is_one_assignment_and_one_round() {
    let (heard, elapsed) = ask([], |job| job.dispatch = Dispatch::Together).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Corroborate);
    assert_eq!(heard.assignments.len(), 1);
    assert_eq!(elapsed.as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_silent_perspective_costs_the_wait_not_the_deadline() {
    let (heard, elapsed) = ask([("r0", Behaviour::Silent)], |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Corroborate);
    assert_eq!(reasons(&heard), [("r0".to_owned(), Missing::Pending)]);
    assert_eq!(elapsed.as_millis(), 40, "20 ms to settle and 20 ms more");
    assert!(!heard.stragglers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_stragglers_has_a_longest() {
    let slow = Behaviour::After(Duration::from_secs(3), Seen::Expected);
    let script = [("p0", slow), ("r0", Behaviour::Silent)];
    let (_, elapsed) = ask(script, |_| {}).await;
    assert_eq!(elapsed.as_millis(), 3_010 + 1_000);
    let (_, elapsed) =
        ask(script, |job| job.straggler_wait = Some(Duration::from_millis(100))).await;
    assert_eq!(elapsed.as_millis(), 3_010 + 100);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_fails_spares_the_remotes() {
    let fails = Behaviour::After(Duration::from_millis(5), Seen::Reason(Reason::DnsNxdomain));
    let (heard, elapsed) = ask([("p0", fails)], |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Refuse);
    assert_eq!(heard.assignments.len(), 1);
    assert!(reasons(&heard).iter().all(|(_, reason)| *reason == Missing::NotAsked));
    assert_eq!(elapsed.as_millis(), 5);
}

#[tokio::test(start_paused = true)]
async fn silence_that_could_still_change_the_outcome_is_waited_for_to_the_deadline() {
    let script = ["r0", "r1", "r2"].map(|code| (code, Behaviour::Silent));
    let (heard, elapsed) = ask(script, |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Refuse);
    assert!(reasons(&heard).iter().all(|(_, reason)| *reason == Missing::Timeout));
    assert_eq!(elapsed.as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_certain_is_not_waited_for() {
    let fails = Behaviour::After(Duration::from_millis(10), Seen::Reason(Reason::RecordMismatch));
    let script = [("r0", fails), ("r1", fails), ("r2", fails), ("r3", Behaviour::Silent)];
    let (heard, elapsed) = ask(script, |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Refuse);
    assert!(elapsed < Duration::from_millis(50), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_at_a_perspective_is_known_at_once() {
    let (heard, elapsed) = ask([("r0", Behaviour::NoResponders)], |_| {}).await;
    assert_eq!(reasons(&heard), [("r0".to_owned(), Missing::NoResponders)]);
    assert_eq!(elapsed.as_millis(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_silent_primary_ends_in_time_for_nobody() {
    let (heard, elapsed) = ask([("p0", Behaviour::Silent)], |_| {}).await;
    assert_eq!(heard.attempt.decision().outcome, Outcome::Refuse);
    assert_eq!(reasons(&heard)[0], ("p0".to_owned(), Missing::Timeout));
    assert_eq!(elapsed.as_secs(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_primary_of_whose_replies_none_counts_is_rejected_and_not_late() {
    let (heard, _) = ask([("p0", Behaviour::Junk)], |_| {}).await;
    assert_eq!(reasons(&heard)[0], ("p0".to_owned(), Missing::Rejected));
    assert_eq!(heard.rejected.len(), 1, "and what it said is told");
}

#[tokio::test(start_paused = true)]
async fn an_assignment_gives_no_more_time_than_is_waited_for() {
    use mpic_common::wire::{Envelope, Kind, decode_body};
    let (heard, elapsed) = ask([("p0", Behaviour::Silent)], |_| {}).await;
    let sent = Envelope::parse(&heard.assignments[0], heard.assignments[0].len()).unwrap();
    let sent: Assignment = decode_body(Kind::Assignment, sent.body).unwrap();
    assert_eq!(sent.budget_ms + millis(NETWORK_ALLOWANCE), millis(elapsed));
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_decision_is_left_with_the_stragglers() {
    let late = Behaviour::After(Duration::from_millis(500), Seen::Expected);
    let (mut heard, _) = ask([("r0", late)], |_| {}).await;
    let next = heard.stragglers.next(Instant::now() + Duration::from_secs(2)).await;
    assert!(matches!(next, Some((code, Answered::Heard(_))) if code.as_str() == "r0"));
}
