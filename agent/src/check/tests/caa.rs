//! Rows C1 and C14 to C33 of the behaviour table: the climb.

use mpic_common::evidence::{CaaBasis, CaaDecision, DnsOutcome, Dnssec};

use super::*;
use crate::testing::fake_dns::{FakeRecord, caa, record};
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
async fn no_set_up_to_the_top_level_domain_permits() {
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
async fn the_nearest_set_counts() {
    for (sets, reason, at) in [
        (&[("example.com", OTHER)][..], Some(Reason::CaaProhibited), "example.com"),
        (&[("com", OTHER)], Some(Reason::CaaProhibited), "com"),
        (&[("a.example.com", OURS), ("example.com", OTHER)], None, "a.example.com"),
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
async fn a_name_that_does_not_exist_is_climbed_from() {
    let script = |asked: &Asked| match asked.name.as_str() {
        "a.example.com" => Say::nx_domain(),
        _ => world(&[("example.com", OTHER)])(asked),
    };
    let (observation, _) = check("a.example.com", script).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
}

#[tokio::test]
async fn a_set_without_a_relevant_property_ends_the_climb() {
    let script = |asked: &Asked| match asked.name.as_str() {
        "a.example.com" => Say::records(vec![caa(&asked.name, 0, "iodef", "mailto:x")]),
        _ => world(&[("example.com", OTHER)])(asked),
    };
    let (observation, _) = check("a.example.com", script).await;
    assert_eq!(observation.reason, None);
    assert_eq!(observation.caa.unwrap().iodef, ["mailto:x"]);
}

#[tokio::test]
async fn the_set_behind_an_alias_counts_and_its_parents_do_not() {
    let behind = |records: Vec<FakeRecord>| {
        move |asked: &Asked| match asked.name.as_str() {
            "a.example.com" => {
                let alias = cname("a.example.com", "t.example.net");
                let soa = Some("example.net".to_owned());
                Say { soa, ..Say::records([vec![alias], records.clone()].concat()) }
            }
            "example.net" => Say::records(vec![caa("example.net", 0, "issue", OTHER)]),
            _ => Say::no_data(),
        }
    };
    let prohibiting = vec![caa("t.example.net", 0, "issue", OTHER)];
    let (observation, _) = check("a.example.com", behind(prohibiting)).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
    assert_eq!(found_at(&observation), Some("a.example.com"));
    assert_eq!(observation.caa.unwrap().answer_owner.as_deref(), Some("t.example.net"));
    let (observation, dns) = check("a.example.com", behind(Vec::new())).await;
    assert_eq!(observation.reason, None);
    assert!(!dns.names().contains(&"example.net".to_owned()));
}

#[tokio::test]
async fn a_failure_prohibits_unless_a_set_is_below_it() {
    type Failing = fn() -> Say;
    for (failing, cause) in [
        ((|| Say::serv_fail(&[])) as Failing, Reason::DnsServfail),
        (|| Say::rcode(domain::base::iana::OptRcode::REFUSED), Reason::DnsRefused),
        (Say::silence, Reason::DnsTimeout),
        (|| Say::serv_fail(&[6]), Reason::DnssecBogus),
    ] {
        for failing_name in ["a.example.com", "com"] {
            let script = move |asked: &Asked| {
                if asked.name == failing_name { failing() } else { Say::no_data() }
            };
            let (observation, _) = check("a.example.com", script).await;
            assert_eq!(observation.reason, Some(Reason::CaaLookupFailed), "{failing_name}");
            let seen = observation.caa.unwrap();
            assert_eq!((seen.decision, seen.cause), (CaaDecision::LookupFailed, Some(cause)));
            assert_eq!(seen.issue_by, None);
        }
        let script = move |asked: &Asked| match asked.name.as_str() {
            "a.example.com" => Say::records(vec![caa(&asked.name, 0, "issue", OURS)]),
            _ => failing(),
        };
        let (observation, _) = check("a.example.com", script).await;
        assert_eq!((observation.reason, observation.dnssec), (None, Dnssec::Secure));
    }
}

#[tokio::test]
async fn a_top_level_domain_that_does_not_exist_is_an_error() {
    let script = |asked: &Asked| match asked.name.as_str() {
        "com" => Say::nx_domain(),
        _ => Say::no_data(),
    };
    let (observation, _) = check("example.com", script).await;
    assert_eq!(observation.reason, Some(Reason::CaaTldNxdomain));
}

#[tokio::test]
async fn a_set_is_decided_without_waiting_for_what_is_above_it() {
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
async fn an_answer_after_a_timeout_decides() {
    let script = |asked: &Asked| match (asked.name.as_str(), asked.nth) {
        ("example.com", 0) => Say::silence(),
        _ => world(&[("example.com", OURS)])(asked),
    };
    let (observation, _) = check("example.com", script).await;
    assert_eq!(observation.reason, None);
    assert_eq!((observation.dns[0].attempts, observation.dns[0].outcome), (2, DnsOutcome::Answer));
}

#[tokio::test]
async fn a_thousand_records_over_tcp_are_all_evaluated() {
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
async fn rdata_that_is_no_property_is_an_error_for_the_whole_set() {
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
async fn addresses_have_no_caa_and_deep_names_are_not_climbed() {
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
async fn mail_asks_for_issuemail_and_cites_its_own_rules() {
    let dns = FakeDns::start(|asked| Say::records(vec![caa(&asked.name, 0, "issue", ";")])).await;
    let certificate_type = CertificateType::SMime;
    let job = Job { dcv: None, certificate_type, ..dns_01_job("u@example.com") };
    let observation = perform(&checker(&dns, &[]), &job).await.remove(&CheckKind::Caa).unwrap();
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "4.2.2.1"));
    let job = Job { certificate_type: CertificateType::TlsServer, ..job };
    let observation = perform(&checker(&dns, &[]), &job).await.remove(&CheckKind::Caa).unwrap();
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
}
