//! Rows of the behaviour table that a resolver alone decides.

use std::time::Duration;

use mpic_common::challenge::Challenge;
use mpic_common::evidence::DnsSeen;
use mpic_common::identifier::{DnsName, Identifier};
use mpic_common::observation::ResolverIdentity;
use mpic_common::policy::CertificateType;
use mpic_common::reason::Verdict;
use mpic_common::testing::{dns_01_job, http_01_job};

use super::*;
use crate::resolver::Question;
use crate::resolver::backend::Backend;
use crate::testing::fake_dns::{Asked, FakeDns, Say, cname, txt};
use crate::testing::{LONG, NOW, StoppedClock, checker, forwarder, identity, perform, rules};

mod caa;
mod contacts;
mod dns_change;
mod dns_persistent;
mod hostile;
mod hosts;
mod inputs;
mod jobs;

const DIGEST: &[u8] = b"digest-of-the-day";
const CHALLENGE: &str = "_acme-challenge.example.com";

/// A job of this method alone.
fn dcv_job(identifier: &str, challenge: Challenge) -> Job {
    let mut job = dns_01_alone(identifier);
    job.dcv.as_mut().unwrap().challenge = challenge;
    job
}

/// The observation of a job that asks for a validation alone.
async fn validate_job(
    job: &Job,
    script: impl Fn(&Asked) -> Say + Send + Sync + 'static,
) -> (Observation, FakeDns) {
    let dns = FakeDns::start(script).await;
    let observation = perform(&checker(&dns, &[]), job).await.remove(&CheckKind::Dcv).unwrap();
    (observation, dns)
}

/// A text as a challenge has it.
fn text<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    text.to_owned().try_into().unwrap()
}

fn dns_01_alone(name: &str) -> Job {
    Job { caa: None, ..dns_01_job(name) }
}

async fn validate(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Observation {
    validate_job(&dns_01_alone("example.com"), script).await.0
}

#[tokio::test]
async fn t1_the_digest_passes_alone_among_others_and_behind_an_alias() {
    let observation = validate(|_| Say::records(vec![txt(CHALLENGE, &[DIGEST])])).await;
    assert_eq!((observation.verdict, observation.reason), (Verdict::Pass, None));
    assert_eq!(observation.observed, Some(Hash::of(DIGEST)));
    assert_eq!(observation.clause, "3.2.2.4.7");
    assert_eq!(observation.adn.as_deref(), Some("example.com"));
    assert!(!observation.truncated);
    let among = |_: &Asked| {
        let mut records = vec![txt(CHALLENGE, &[b"other"]); 200];
        records.push(txt(CHALLENGE, &[DIGEST]));
        Say::records(records)
    };
    let observation = validate(among).await;
    assert_eq!(observation.reason, None);
    assert_eq!((observation.dns[0].rrset.len(), observation.dns[0].rrset_count), (64, 201));
    assert!(observation.truncated);
    assert!(observation.dns[0].rrset[0].0.ends_with(DIGEST), "the matching one is kept");
    let alias = |_: &Asked| {
        Say::records(vec![cname(CHALLENGE, "x.example.net"), txt("x.example.net", &[DIGEST])])
    };
    let observation = validate(alias).await;
    assert_eq!((observation.reason, observation.dns[0].chain.len()), (None, 1));
}

#[tokio::test]
async fn t5_a_record_without_the_digest_and_no_record_are_told_apart() {
    let other = |_: &Asked| Say::records(vec![txt(CHALLENGE, &[b"\x1b[31mother"])]);
    let observation = validate(other).await;
    assert_eq!(observation.reason, Some(Reason::RecordMismatch));
    assert!(observation.detail.contains("\\x1B[31mother"), "{}", observation.detail);
    assert_eq!(observation.observed, None);
    assert_eq!(validate(|_| Say::no_data()).await.reason, Some(Reason::DnsNodata));
    assert_eq!(validate(|_| Say::nx_domain()).await.reason, Some(Reason::DnsNxdomain));
    assert_eq!(validate(|_| Say::serv_fail(&[6])).await.reason, Some(Reason::DnssecBogus));
}

#[tokio::test]
async fn a_wildcard_is_checked_at_its_name_and_an_adn_in_its_place() {
    let dns = FakeDns::start(|asked| Say::records(vec![txt(&asked.name, &[DIGEST])])).await;
    let checker = checker(&dns, &[]);
    let observations = perform(&checker, &dns_01_alone("*.example.com")).await;
    assert_eq!(observations[&CheckKind::Dcv].reason, None);
    let mut job = dns_01_alone("a.b.example.com");
    job.dcv.as_mut().unwrap().adn = Some(DnsName::parse("b.example.com").unwrap());
    let observations = perform(&checker, &job).await;
    assert_eq!(observations[&CheckKind::Dcv].matched.as_deref(), Some("b.example.com"));
    assert_eq!(dns.names(), [CHALLENGE, "_acme-challenge.b.example.com"]);
}

/// The reason for which `job` is refused, and nothing sent.
async fn refused(job: Job) -> Option<Reason> {
    let dns = FakeDns::start(|_| Say::no_data()).await;
    let observations = perform(&checker(&dns, &[]), &job).await;
    assert!(dns.asked().is_empty(), "{:?}", dns.asked());
    let observation = &observations[&CheckKind::Dcv];
    assert_eq!(observation.verdict, Verdict::Refused);
    observation.reason
}

#[tokio::test]
async fn i13_methods_are_refused_where_they_do_not_suit() {
    let tls_alpn = Challenge::AcmeTlsAlpn01 { digest: Hash([0; 32]) };
    let expected_fqdn = DnsName::parse("host.example.com").unwrap();
    for job in [
        dns_01_alone("8.8.8.8"),
        Job { caa: None, ..http_01_job("*.example.com") },
        dcv_job("*.example.com", tls_alpn),
        dcv_job("example.com", Challenge::ReverseAddressLookup { expected_fqdn }),
    ] {
        let method = job.dcv.as_ref().unwrap().challenge.method_id();
        assert_eq!(refused(job).await, Some(Reason::MethodUnsuitable), "{method}");
    }
}

#[tokio::test]
async fn a_refusal_covers_every_check_of_the_job() {
    let dns = FakeDns::start(|_| Say::no_data()).await;
    let checker = checker(&dns, &[]);
    let refused = checker.refuse(&dns_01_job("example.com"), Reason::EngineUnavailable);
    let verdicts: Vec<_> =
        refused.iter().map(|(check, seen)| (*check, seen.verdict, seen.reason)).collect();
    let reason = Some(Reason::EngineUnavailable);
    let expected = [CheckKind::Dcv, CheckKind::Caa].map(|check| (check, Verdict::Refused, reason));
    assert_eq!(verdicts, expected);
}

#[tokio::test]
async fn s3_a_job_ends_by_its_deadline_with_the_narrowest_reason() {
    let dns = FakeDns::start(|_| Say::silence()).await;
    let checker = checker(&dns, &[]);
    let job = dns_01_job("example.com");
    let span = Duration::from_millis(200);
    let started = Instant::now();
    let observations = checker.perform(&job, Deadline::after(span)).await;
    assert!(started.elapsed() < span * 2, "{:?}", started.elapsed());
    assert_eq!(observations[&CheckKind::Dcv].reason, Some(Reason::DnsTimeout));
    assert_eq!(observations[&CheckKind::Caa].reason, Some(Reason::CaaLookupFailed));
    let late = checker.perform(&job, Deadline::after(Duration::ZERO)).await;
    assert!(late.values().all(|seen| seen.verdict == Verdict::Error), "{late:?}");
}

/// An engine with a fault.
struct Faulty(ResolverIdentity);

impl DnsEngine for Faulty {
    type Inquiry = Self;

    fn identity(&self) -> &ResolverIdentity {
        &self.0
    }

    async fn self_test(&self) -> Result<(), Reason> {
        Ok(())
    }

    fn open(&self, _: Deadline, _: Arc<Budget>) -> Self {
        Self(self.0.clone())
    }
}

impl Inquiry for Faulty {
    async fn ask(&self, _: &Question) -> DnsSeen {
        panic!("a fault");
    }

    fn used(&self) -> (u32, u32) {
        (0, 0)
    }
}

#[tokio::test]
async fn s3_a_panic_ends_one_check_as_internal() {
    let checker = Checker::new(Faulty(identity()), StoppedClock(NOW), rules(&[]));
    let observations = checker.perform(&dns_01_job("example.com"), Deadline::after(LONG)).await;
    let reasons: Vec<_> = observations.values().map(|seen| seen.reason).collect();
    assert_eq!(reasons, [Some(Reason::Internal); 2]);
}

#[test]
fn a_detail_is_never_longer_than_512_octets() {
    let long = Failure::new(Reason::Internal, "ä".repeat(400));
    assert_eq!(long.detail.len(), 512);
    assert_eq!(Failure::quote([0xFF; 200]).len(), 400);
}

/// A thousand of them may wait for sites that never answer.
#[tokio::test]
async fn a_check_takes_little_room_while_it_waits() {
    let dns = FakeDns::start(|_| Say::silence()).await;
    let checker = Checker::new(Backend::Forwarder(forwarder(&dns)), StoppedClock(NOW), rules(&[]));
    let budget = Arc::new(Budget::new(checker.rules.dns_budget));
    let deadline = Deadline::after(LONG);
    let job = http_01_job("example.com");
    let inquiry = checker.engine.open(deadline, Arc::clone(&budget));
    let bench = Bench { rules: &checker.rules, inquiry: &inquiry, deadline, now: NOW };
    let mut evidence = Evidence::default();
    for kind in [CheckKind::Dcv, CheckKind::Caa] {
        let boxed = size_of_val(&check(kind, &job, &bench, &mut evidence));
        let octets = boxed + size_of_val(&checker.observe(kind, &job, deadline, &budget));
        assert!(octets < 8_192, "{octets} octets, of which boxed: {boxed}");
    }
}
