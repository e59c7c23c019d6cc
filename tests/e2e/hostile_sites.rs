//! Sites that hang, drip, flood and lead in circles: each job ends in time with a reason of the
//! primary's own, and its record fits.

use mpic_common::job::Job;
use mpic_common::limits::{BUDGET_MIN, RECORD_OCTETS_MAX};
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::policy::Outcome;
use mpic_common::reason::Reason;
use mpic_internet::config::{Data, Fault, Page, PageFault, Record};
use mpic_runtime::ca_client::Recorded;
use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::certification_authority::{
    CertificationAuthority, dns_01, http_01, unanimous, validation_alone,
};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::{CHALLENGE_PATH, Content, DIGEST, KEY_AUTHORIZATION, challenge_name};
use mpic_tests::log::{observation, replies};

fn internet() -> Content {
    let faulty = |host: &str, fault: PageFault| Page {
        fault: Some(fault),
        ..Page::new(host, CHALLENGE_PATH, KEY_AUTHORIZATION)
    };
    let silent = |name: &str| Fault { name: name.to_owned(), drop: true, ..Fault::default() };
    let content = Content::new()
        .site("hang.example")
        .page(faulty("hang.example", PageFault::Hang))
        .site("drip.example")
        .page(faulty("drip.example", PageFault::Drip))
        .site("endless.example")
        .page(faulty("endless.example", PageFault::Endless))
        .site("silent.example")
        .fault(silent("silent.example"))
        .fault(silent(&challenge_name("silent.example")))
        .site("loop.example")
        .cname(&challenge_name("loop.example"), "a.loop.example")
        .cname("a.loop.example", "b.loop.example")
        .cname("b.loop.example", "a.loop.example");
    let content = (0..1_000).fold(content.site("many.example"), |content, number| {
        content.caa("many.example", &format!("0 issue \"ca-{number}.example\""))
    });
    let content = content.caa("many.example", "0 issue \"ca.example\"");
    let long = |number: usize| Record {
        data: Some(Data::Several(vec![format!("{number:0250}"); 4])),
        ..Record::txt(&challenge_name("many.example"), "")
    };
    let content = (0..50).fold(content, |content, number| content.record(long(number)));
    let content = content.record(Record::txt(&challenge_name("many.example"), DIGEST));
    redirects(redirects(content, "twenty.example", 20), "more.example", 21)
}

/// A site that answers after so many redirects.
fn redirects(content: Content, host: &str, count: usize) -> Content {
    let path = |step: usize| match step {
        0 => CHALLENGE_PATH.to_owned(),
        _ => format!("/step/{step}"),
    };
    let content = (0..count).fold(content.site(host), |content, step| {
        content.redirect(host, &path(step), 302, &path(step + 1))
    });
    content.page(Page::new(host, &path(count), KEY_AUTHORIZATION))
}

struct World {
    cluster: Cluster,
    ca: CertificationAuthority,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_site_keeps_a_job_from_its_end() {
    let cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let world = World { cluster, ca };
    all_hold(cases!((&world) =>
        a_server_that_never_answers_is_given_up,
        a_server_that_drips_is_given_up,
        a_server_that_never_stops_is_cut_off,
        name_servers_that_are_silent_are_given_up,
        aliases_that_lead_in_a_circle_are_left,
        a_thousand_records_are_judged_and_their_evidence_fits,
        twenty_redirects_are_followed_and_no_more,
    ))
    .await;
    world.cluster.audited(&world.ca).await;
}

impl World {
    /// A decision in time that fits the stream.
    async fn decide(&self, job: Job) -> Recorded {
        let hasty = Job { budget: Some(BUDGET_MIN), ..job };
        let recorded = self.ca.decision(&hasty).await;
        let decision = &recorded.decision;
        assert!(decision.decided_ms.since(decision.requested_ms) < BUDGET_MIN);
        assert!(recorded.octets.len() <= RECORD_OCTETS_MAX);
        recorded
    }

    /// What the primary, which must have answered, observed.
    fn primary(&self, recorded: &Recorded, check: CheckKind) -> Observation {
        observation(&recorded.decision, &self.cluster.primary(), check)
    }

    /// Why the primary does not pass, in its own words.
    async fn reason(&self, job: Job) -> Option<Reason> {
        let recorded = self.decide(validation_alone(job)).await;
        assert_eq!(recorded.decision.outcome, Outcome::Refuse);
        self.primary(&recorded, CheckKind::Dcv).reason
    }
}

async fn a_server_that_never_answers_is_given_up(world: &World) {
    assert_eq!(world.reason(http_01("hang.example")).await, Some(Reason::HttpHeadTimeout));
}

async fn a_server_that_drips_is_given_up(world: &World) {
    assert_eq!(world.reason(http_01("drip.example")).await, Some(Reason::HttpBodyTimeout));
}

async fn a_server_that_never_stops_is_cut_off(world: &World) {
    assert_eq!(world.reason(http_01("endless.example")).await, Some(Reason::HttpBodyTooLarge));
}

async fn name_servers_that_are_silent_are_given_up(world: &World) {
    // Two attempts of two seconds: more than the shortest budget leaves for the primary.
    let recorded = world.ca.decision(&dns_01("silent.example")).await;
    let seen = world.primary(&recorded, CheckKind::Dcv);
    assert_eq!((seen.reason, seen.dns[0].attempts), (Some(Reason::DnsTimeout), 2));
    let seen = world.primary(&recorded, CheckKind::Caa);
    assert_eq!(seen.reason, Some(Reason::CaaLookupFailed));
    assert_eq!(seen.caa.unwrap().cause, Some(Reason::DnsTimeout));
}

async fn aliases_that_lead_in_a_circle_are_left(world: &World) {
    let reason = world.reason(dns_01("loop.example")).await;
    assert!(matches!(reason, Some(Reason::DnsAliasLimit | Reason::DnsServfail)), "{reason:?}");
}

async fn a_thousand_records_are_judged_and_their_evidence_fits(world: &World) {
    let recorded = world.decide(unanimous(dns_01("many.example"), 6)).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    let seen = world.primary(&recorded, CheckKind::Caa);
    let found = seen.caa.unwrap();
    assert_eq!((found.record_count, seen.truncated), (1_001, true));
    let ours = found.records.iter().any(|record| record.value.escaped() == "ca.example");
    assert!(ours, "the record that decides is the last to be cut");
    for (code, reply) in replies(&recorded.decision) {
        let texts = &reply.observations[&CheckKind::Dcv].dns[0];
        assert_eq!(texts.rrset_count, 51, "{code}");
        assert!(texts.rrset_digest.is_some(), "{code}");
    }
}

async fn twenty_redirects_are_followed_and_no_more(world: &World) {
    let job = unanimous(validation_alone(http_01("twenty.example")), 6);
    let recorded = world.decide(job).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    assert_eq!(world.reason(http_01("more.example")).await, Some(Reason::RedirectLimit));
}
