//! Perspectives that are slow, frozen, killed, absent or many: what that costs, and what is on
//! record of it.

use mpic_common::code::PerspectiveId;
use mpic_common::job::{Dispatch, Job};
use mpic_common::observation::Finding;
use mpic_common::policy::Outcome;
use mpic_common::record::{DecisionRecord, Missing};
use mpic_tests::cases;
use mpic_tests::cases::each_holds;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::log::{missing, replies};

/// The remote that has no agent.
const ABSENT: &str = "af-south";
/// The remote whose network is slow.
const SLOW: &str = "us-west";
/// A remote that is well until a case sees to it.
const OTHER: &str = "us-east";

fn internet() -> Content {
    Content::new().honest("honest.example").honest("delayed.example").slow(
        "delayed.example",
        700,
        Some(&[SLOW]),
    )
}

struct World {
    cluster: Cluster,
    ca: CertificationAuthority,
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_a_non_corroboration_that_costs_little() {
    let choices = Choices::of(internet()).without([agent(ABSENT)]);
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let world = World { cluster, ca };
    each_holds(cases!((&world) =>
        a_perspective_without_agents_is_recorded_as_such,
        a_slow_perspective_is_not_waited_for_and_its_reply_is_recorded_as_late,
        a_job_that_needs_the_slow_perspective_waits_for_it,
        a_frozen_perspective_costs_the_wait_and_not_the_deadline,
        three_silent_perspectives_refuse_at_the_deadline,
        a_frozen_primary_refuses_and_nobody_else_is_asked,
    ))
    .await;
    let World { mut cluster, ca } = world;
    another_agent_of_the_perspective_answers(&mut cluster, &ca).await;
    cluster.audited(&ca).await;
}

fn code(code: &str) -> PerspectiveId {
    code.parse().unwrap()
}

/// From admission to decision, ms.
fn elapsed_ms(decision: &DecisionRecord) -> u128 {
    decision.decided_ms.since(decision.requested_ms).as_millis()
}

/// Far from the deadline of the replies, 20 s, and far beyond what a busy machine needs.
const SOON_MS: u128 = 8_000;

async fn a_perspective_without_agents_is_recorded_as_such(world: &World) {
    // Five of five that have agents: settled by the word of the bus that the sixth has none.
    let decision = world.ca.decision(&unanimous(dns_01("honest.example"), 5)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    let decision = world.ca.decision(&unanimous(dns_01("honest.example"), 6)).await.decision;
    assert_eq!(decision.outcome, Outcome::Refuse);
    assert_eq!(missing(&decision, &code(ABSENT)), Some(Missing::NoResponders));
    assert!(elapsed_ms(&decision) < SOON_MS, "{} ms", elapsed_ms(&decision));
    for check in decision.checks.values() {
        assert_eq!(check.findings[&code(ABSENT)], Finding::Unavailable);
    }
}

async fn a_slow_perspective_is_not_waited_for_and_its_reply_is_recorded_as_late(world: &World) {
    let mut late = world.cluster.late_records().await;
    let job = dns_01("delayed.example");
    let recorded = world.ca.decision(&job).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    assert_eq!(missing(&recorded.decision, &code(SLOW)), Some(Missing::Pending));
    let late = late.of(job.id).await;
    assert!(late.replies.iter().any(|reply| reply.perspective == code(SLOW)));
    assert!(late.rejected.is_empty());
}

async fn a_job_that_needs_the_slow_perspective_waits_for_it(world: &World) {
    let decision = world.ca.decision(&unanimous(dns_01("delayed.example"), 5)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert!(replies(&decision).contains_key(&code(SLOW)));
    assert!(elapsed_ms(&decision) >= 700, "{} ms", elapsed_ms(&decision));
}

async fn a_frozen_perspective_costs_the_wait_and_not_the_deadline(world: &World) {
    world.cluster.freeze(&agent(OTHER));
    let decision = world.ca.decision(&dns_01("honest.example")).await.decision;
    world.cluster.thaw(&agent(OTHER));
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert_eq!(missing(&decision, &code(OTHER)), Some(Missing::Pending));
    assert!(elapsed_ms(&decision) < SOON_MS, "{} ms", elapsed_ms(&decision));
}

/// A job with the shortest budget: two thirds of 5 s are for the perspectives.
fn hasty(job: Job) -> Job {
    Job { budget: Some(mpic_common::limits::BUDGET_MIN), ..job }
}

async fn three_silent_perspectives_refuse_at_the_deadline(world: &World) {
    // One is absent already.
    for silent in [OTHER, SLOW] {
        world.cluster.freeze(&agent(silent));
    }
    let job = Job { dispatch: Dispatch::Together, ..hasty(dns_01("honest.example")) };
    let decision = world.ca.decision(&job).await.decision;
    for silent in [OTHER, SLOW] {
        world.cluster.thaw(&agent(silent));
        assert_eq!(missing(&decision, &code(silent)), Some(Missing::Timeout));
    }
    assert_eq!(decision.outcome, Outcome::Refuse);
    assert!((3_000..5_000).contains(&elapsed_ms(&decision)), "{} ms", elapsed_ms(&decision));
}

async fn a_frozen_primary_refuses_and_nobody_else_is_asked(world: &World) {
    let primary = world.cluster.primary();
    world.cluster.freeze(&agent(primary.as_str()));
    let decision = world.ca.decision(&hasty(dns_01("honest.example"))).await.decision;
    world.cluster.thaw(&agent(primary.as_str()));
    assert_eq!(decision.outcome, Outcome::Refuse);
    assert_eq!(missing(&decision, &primary), Some(Missing::Timeout));
    for remote in world.cluster.remotes() {
        assert_eq!(missing(&decision, &remote), Some(Missing::NotAsked), "{remote}");
    }
    assert!(elapsed_ms(&decision) < 5_000, "within the budget: {} ms", elapsed_ms(&decision));
}

/// A job is sent once more to a silent perspective, and the group picks another member in time.
async fn another_agent_of_the_perspective_answers(
    cluster: &mut Cluster,
    ca: &CertificationAuthority,
) {
    let spare = cluster.add_agent(OTHER).await;
    cluster.kill(&agent(OTHER)).await;
    let decision = ca.decision(&unanimous(dns_01("honest.example"), 5)).await.decision;
    assert_eq!(decision.outcome, Outcome::Corroborate);
    assert!(replies(&decision).contains_key(&code(OTHER)));
    cluster.terminate(&spare).await;
    let decision = ca.decision(&unanimous(dns_01("honest.example"), 5)).await.decision;
    assert_eq!(missing(&decision, &code(OTHER)), Some(Missing::NoResponders));
}
