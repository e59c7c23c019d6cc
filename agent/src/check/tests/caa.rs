//! Rows C1 and C13 to C34 of the behaviour table: the climb.

mod aliases;

use domain::base::iana::OptRcode;
use mpic_common::evidence::{CaaBasis, CaaDecision, DnsOutcome, Dnssec};
use mpic_common::observation::{Finding, Primary, compare};

use super::*;
use crate::testing::fake_dns::{caa, record};
use domain::base::iana::Rtype;

/// Asks whether `ca.example` may issue for `name`, of a resolver that follows the script.
async fn check(
    name: &str,
    script: impl Fn(&Asked) -> Say + Send + Sync + 'static,
) -> (Observation, FakeDns) {
    let dns = FakeDns::start(script).await;
    let job = Job { dcv: None, ..dns_01_job(name) };
    let observation = perform(&checker(&dns, &[]), &job).await.remove(&CheckKind::Caa).unwrap();
    (observation, dns)
}

/// A world in which some names have CAA, and nothing else is there.
fn world(sets: &'static [(&'static str, &'static str)]) -> impl Fn(&Asked) -> Say {
    move |asked| {
        let here = sets.iter().filter(|(name, _)| *name == asked.name);
        let records: Vec<_> = here.map(|(name, value)| caa(name, 0, "issue", value)).collect();
        if records.is_empty() { Say::no_data() } else { Say::records(records) }
    }
}

fn found_at(observation: &Observation) -> Option<&str> {
    observation.caa.as_ref().unwrap().found_at.as_deref()
}

const OURS: &str = "ca.example";
const OTHER: &str = "other.example";

#[tokio::test]
async fn c1_no_set_up_to_the_top_level_domain_permits() {
    let (observation, dns) = check("a.example.com", world(&[])).await;
    assert_eq!((observation.reason, observation.observed), (None, None));
    let seen = observation.caa.unwrap();
    assert_eq!((seen.decision, seen.basis), (CaaDecision::Permit, Some(CaaBasis::NoRecords)));
    let climb: Vec<_> = seen.climb.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(climb, ["a.example.com", "example.com", "com"]);
    assert_eq!(dns.asked().len(), 3, "the root is not asked");
    assert_eq!(seen.issue_by, Some(NOW.0 + 8 * 60 * 60 * 1_000));
    assert_eq!(observation.clause, "3.2.2.8");
}

#[tokio::test]
async fn c15_the_nearest_set_counts() {
    for (sets, reason, at) in [
        (&[("a.example.com", OURS), ("example.com", OTHER)][..], None, "a.example.com"),
        (
            &[("a.example.com", OTHER), ("example.com", OURS)],
            Some(Reason::CaaProhibited),
            "a.example.com",
        ),
    ] {
        let (observation, _) = check("a.example.com", world(sets)).await;
        assert_eq!((observation.reason, found_at(&observation)), (reason, Some(at)), "{sets:?}");
    }
}

#[tokio::test]
async fn c14_a_name_without_a_set_is_climbed_from_whether_it_exists_or_not() {
    for (sets, at) in [(&[("example.com", OTHER)], "example.com"), (&[("com", OTHER)], "com")] {
        for nothing in [Say::nx_domain, Say::no_data] {
            let script = move |asked: &Asked| match asked.name.as_str() {
                "a.example.com" => nothing(),
                _ => world(sets)(asked),
            };
            let (observation, _) = check("a.example.com", script).await;
            let found = (observation.reason, found_at(&observation));
            assert_eq!(found, (Some(Reason::CaaProhibited), Some(at)));
        }
    }
}

#[tokio::test]
async fn c15_a_set_without_a_relevant_property_ends_the_climb() {
    let script = |asked: &Asked| match asked.name.as_str() {
        "a.example.com" => Say::records(vec![caa(&asked.name, 0, "iodef", "mailto:x")]),
        _ => world(&[("example.com", OTHER)])(asked),
    };
    let (observation, _) = check("a.example.com", script).await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.caa.unwrap().iodef, ["mailto:x"]);
}

type Failing = fn() -> Say;

/// Ways to fail, and their names.
const FAILURES: [(Failing, Reason); 4] = [
    (|| Say::serv_fail(&[]), Reason::DnsServfail),
    (|| Say::rcode(OptRcode::REFUSED), Reason::DnsRefused),
    (Say::silence, Reason::DnsTimeout),
    (|| Say::serv_fail(&[6]), Reason::DnssecBogus),
];

#[tokio::test]
async fn c19_a_failure_at_the_name_prohibits_whatever_its_parent_says() {
    for (failing, cause) in FAILURES {
        let script = move |asked: &Asked| match asked.name.as_str() {
            "a.example.com" => failing(),
            // An unsigned zone makes no difference.
            _ => Say { ad: false, ..world(&[("example.com", OURS)])(asked) },
        };
        let (observation, _) = check("a.example.com", script).await;
        assert_eq!(observation.reason, Some(Reason::CaaLookupFailed), "{cause}");
        let seen = observation.caa.unwrap();
        assert_eq!((seen.decision, seen.cause), (CaaDecision::LookupFailed, Some(cause)));
        assert_eq!(seen.issue_by, None);
    }
}

#[tokio::test]
async fn c20_a_failure_above_the_set_changes_nothing() {
    for (failing, cause) in FAILURES {
        for (set, reason) in [(OURS, None), (OTHER, Some(Reason::CaaProhibited))] {
            let script = move |asked: &Asked| match asked.name.as_str() {
                "a.example.com" => Say::records(vec![caa(&asked.name, 0, "issue", set)]),
                _ => failing(),
            };
            let (observation, _) = check("a.example.com", script).await;
            assert_eq!(observation.reason, reason, "{cause}");
            assert_eq!(observation.dnssec, Dnssec::Secure, "of what was used");
        }
    }
}

#[tokio::test]
async fn c21_a_top_level_domain_that_fails_or_does_not_exist_is_an_error() {
    for (failing, cause) in FAILURES {
        let script =
            move |asked: &Asked| if asked.name == "com" { failing() } else { Say::no_data() };
        let (observation, _) = check("a.example.com", script).await;
        assert_eq!(observation.reason, Some(Reason::CaaLookupFailed), "{cause}");
        assert_eq!(observation.caa.unwrap().cause, Some(cause));
    }
    let script = |asked: &Asked| match asked.name.as_str() {
        "com" => Say::nx_domain(),
        _ => Say::no_data(),
    };
    let (observation, _) = check("example.com", script).await;
    assert_eq!(observation.reason, Some(Reason::CaaTldNxdomain));
}

#[tokio::test]
async fn c20_a_set_is_decided_without_waiting_for_what_is_above_it() {
    let script = |asked: &Asked| match asked.name.as_str() {
        "example.com" => Say::records(vec![caa("example.com", 0, "issue", OURS)]),
        "a.example.com" => Say::no_data(),
        _ => Say::silence(),
    };
    let started = Instant::now();
    let (observation, _) = check("a.example.com", script).await;
    assert_eq!(observation.reason, None);
    assert!(started.elapsed() < Duration::from_millis(300), "one attempt's time");
}

#[tokio::test]
async fn c22_an_answer_after_a_timeout_decides() {
    let script = |asked: &Asked| match (asked.name.as_str(), asked.nth) {
        ("example.com", 0) => Say::silence(),
        _ => world(&[("example.com", OURS)])(asked),
    };
    let (observation, _) = check("example.com", script).await;
    assert_eq!(observation.reason, None);
    assert_eq!((observation.dns[0].attempts, observation.dns[0].outcome), (2, DnsOutcome::Answer));
}

#[tokio::test]
async fn c26_a_thousand_records_over_tcp_are_all_evaluated() {
    let script = |asked: &Asked| {
        let mut records = vec![caa("example.com", 0, "issue", OTHER); 1_000];
        records.push(caa("example.com", 0, "issue", OURS));
        match (asked.name.as_str(), asked.tcp) {
            ("example.com", true) => Say::records(records),
            ("example.com", false) => Say { tc: true, ..Say::records(Vec::new()) },
            _ => Say::no_data(),
        }
    };
    let (observation, _) = check("example.com", script).await;
    assert_eq!(observation.reason, None);
    let seen = observation.caa.unwrap();
    assert_eq!((seen.record_count, seen.authorized_by), (1_001, Some(1_000)));
}

#[tokio::test]
async fn c27_rdata_that_is_no_property_is_an_error_for_the_whole_set() {
    for rdata in [&b"\x00"[..], b"\x00\x00x", b"\x00\x09issue"] {
        let script = move |asked: &Asked| {
            let good = caa(&asked.name, 0, "issue", OURS);
            Say::records(vec![good, record(&asked.name, Rtype::CAA, rdata.to_vec())])
        };
        let (observation, _) = check("example.com", script).await;
        assert_eq!(observation.reason, Some(Reason::CaaMalformedRdata));
    }
}

#[tokio::test]
async fn c28_a_strange_tag_that_a_resolver_lets_through_changes_nothing() {
    for tag in ["a-b", "twentyoctetsofatag00"] {
        let script = move |asked: &Asked| {
            let strange = caa(&asked.name, 0, tag, "x");
            Say::records(vec![strange, caa(&asked.name, 0, "issue", OURS)])
        };
        let (observation, _) = check("example.com", script).await;
        assert_eq!(observation.reason, None, "{tag}");
        assert_eq!(observation.caa.unwrap().records[0].tag.escaped(), tag);
    }
}

#[tokio::test]
async fn c33_addresses_have_no_caa_and_deep_names_are_not_climbed() {
    let (observation, dns) = check("8.8.8.8", world(&[])).await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.caa.unwrap().decision, CaaDecision::NotApplicable);
    assert!(dns.asked().is_empty());
    let deep = format!("{}com", "a.".repeat(40));
    let (observation, dns) = check(&deep, world(&[])).await;
    assert_eq!(observation.reason, Some(Reason::CaaTooDeep));
    assert!(dns.asked().is_empty());
    let (observation, dns) = check(&deep[2..], world(&[])).await;
    assert_eq!((observation.reason, dns.asked().len()), (None, 40));
}

#[tokio::test]
async fn c13_mail_asks_for_issuemail_and_cites_its_own_rules() {
    let dns = FakeDns::start(|asked| Say::records(vec![caa(&asked.name, 0, "issue", ";")])).await;
    let certificate_type = CertificateType::SMime;
    let job = Job { dcv: None, certificate_type, ..dns_01_job("u@example.com") };
    let observation = perform(&checker(&dns, &[]), &job).await.remove(&CheckKind::Caa).unwrap();
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "4.2.2.1"));
    let job = Job { certificate_type: CertificateType::TlsServer, ..job };
    let observation = perform(&checker(&dns, &[]), &job).await.remove(&CheckKind::Caa).unwrap();
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
}

#[tokio::test]
async fn c34_two_perspectives_that_see_other_records_corroborate_if_both_permit() {
    let primary = check("example.com", world(&[("example.com", OURS)])).await.0;
    let remote = check("example.com", world(&[])).await.0;
    assert_eq!(compare(Primary::from_observation(&primary), &remote), Finding::Corroborate);
    let other = check("example.com", world(&[("example.com", OTHER)])).await.0;
    assert_eq!(compare(Primary::from_observation(&primary), &other), Finding::Contradict);
}
