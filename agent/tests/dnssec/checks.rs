//! Rows D11 to D13 and their like, to the end: whatever a forger says about a signed zone, no
//! check passes by it, on either engine.

use std::time::Duration;

use domain::base::iana::{OptRcode, Rtype};
use mpic_agent::check::{Checker, MethodRules, Rules};
use mpic_agent::deadline::Deadline;
use mpic_agent::egress::{AddressPolicy, Egress};
use mpic_agent::http::{HttpClient, HttpLimits};
use mpic_agent::names::NamePolicy;
use mpic_agent::resolver::DnsEngine;
use mpic_agent::tls_alpn::{TlsAlpnClient, TlsAlpnLimits};
use mpic_common::challenge::{Challenge, ChangeRecord, DnsChange, Matching};
use mpic_common::evaluator::caa::CaaRules;
use mpic_common::job::Job;
use mpic_common::observation::CheckKind;
use mpic_common::reason::{Reason, Verdict};
use mpic_common::testing::dns_01_job;
use mpic_runtime::clock::SystemClock;

use crate::forged::{signed_by, unsigned_soa, with_nsec};
use crate::world::{Asked, Plan, Say, Zones, name, record, renamed, usual_budget};

/// What the name's owner has; the job asks for TXT `digest-of-the-day` and issuer `ca.example`.
const PROHIBITS: &str = "www CAA 0 issue \";\"\nwww A 192.0.2.1\n_acme-challenge.www TXT other\n\
    z A 192.0.2.1\n*.wild TXT digest-of-the-day\nalias CNAME www";
const PERMITS: &str = "www CAA 0 issue \"ca.example\"\n_acme-challenge.www TXT digest-of-the-day";

const CHALLENGE: &str = "_acme-challenge.www.victim.com";

/// What an attacker has, signed and not.
const OWN: &str = "@ TXT a\nx TXT digest-of-the-day\n_acme-challenge.www TXT digest-of-the-day\n\
    www A 192.0.2.9";

type Lie = fn(&Asked, &Zones) -> Say;

/// What an on-path attacker says to either question.
const LIES: [(&str, Lie); 14] = [
    ("nothing at all", |_, _| Say::empty()),
    ("no such name", |_, _| Say { rcode: OptRcode::NXDOMAIN, ..Say::empty() }),
    ("no data by the zone, unsigned", |_, _| denial(OptRcode::NOERROR, "victim.com")),
    ("no name by the zone, unsigned", |_, _| denial(OptRcode::NXDOMAIN, "victim.com")),
    ("no data by an unsigned child", |_, _| denial(OptRcode::NOERROR, "lab.victim.com")),
    ("no data by the name itself", |_, _| denial(OptRcode::NOERROR, "www.victim.com")),
    ("no name by another's zone", |_, _| denial(OptRcode::NXDOMAIN, "plain.com")),
    ("a neighbour's denial", |asked, all| all.honest("victim.com", "z.victim.com", asked.qtype)),
    ("the parent's denial", |_, all| with_nsec(all, "com", &["victim.com", "com"])),
    ("an alias to what is unsigned", |asked, _| {
        let alias = record(&format!("{}. CNAME x.plain.com.", asked.name));
        Say { answer: vec![alias], ..Say::empty() }
    }),
    ("an alias of his own signature", |asked, all| {
        let alias = record(&format!("{}. CNAME x.attacker.com.", asked.name));
        Say { answer: vec![signed_by("victim.com", &alias, all), alias], ..Say::empty() }
    }),
    ("the whole zone renamed", |_, _| Say {
        answer: vec![record("victim.com. DNAME attacker.com.")],
        ..Say::empty()
    }),
    ("what he wants, unsigned", |asked, _| Say { answer: wanted(asked), ..Say::empty() }),
    ("a wildcard that is not above", |asked, all| {
        let mut say = all.honest("victim.com", "a.wild.victim.com", asked.qtype);
        let owner = name(&asked.name);
        say.answer.iter_mut().for_each(|record| *record = renamed(record, &owner));
        say
    }),
];

fn denial(rcode: OptRcode, of: &str) -> Say {
    Say { rcode, authority: vec![unsigned_soa(of)], ..Say::empty() }
}

fn wanted(asked: &Asked) -> Vec<crate::world::Record> {
    let data = match asked.qtype {
        Rtype::CAA => "CAA 0 issue \"ca.example\"",
        _ => "TXT digest-of-the-day",
    };
    vec![record(&format!("{}. {data}", asked.name))]
}

fn plan(records: &str) -> Plan {
    Plan::new()
        .signed("victim.com", records)
        .signed("attacker.com", OWN)
        .unsigned("plain.com", OWN)
        .unsigned("lab.victim.com", OWN)
}

fn rules() -> Rules {
    let wait = Duration::from_secs(1);
    let limits =
        HttpLimits { connect: wait, handshake: wait, head: wait, body: wait, redirects_max: 1 };
    let list = b"// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    let tls = TlsAlpnLimits { connect: wait, handshake: wait };
    Rules {
        names: NamePolicy::new(list, Vec::new(), Vec::new()).unwrap(),
        addresses: AddressPolicy::default(),
        http: HttpClient::new(Egress::default(), limits, "test".to_owned()).unwrap(),
        tls_alpn: TlsAlpnClient::new(Egress::default(), tls).unwrap(),
        caa: CaaRules::default(),
        caa_labels_max: 40,
        dns_budget: usual_budget(),
        methods: MethodRules::default(),
        observation_octets_max: 393_216,
    }
}

/// How the validation and the CAA check of `identifier` end.
async fn perform(engine: impl DnsEngine, identifier: &str) -> [(Verdict, Option<Reason>); 2] {
    perform_job(engine, &dns_01_job(identifier)).await
}

async fn perform_job(engine: impl DnsEngine, job: &Job) -> [(Verdict, Option<Reason>); 2] {
    let checker = Checker::new(engine, SystemClock, rules());
    let deadline = Deadline::after(Duration::from_secs(30));
    let mut seen = checker.perform(job, deadline).await;
    [CheckKind::Dcv, CheckKind::Caa].map(|check| {
        let observation = seen.remove(&check).unwrap();
        (observation.verdict, observation.reason)
    })
}

const PASS: (Verdict, Option<Reason>) = (Verdict::Pass, None);

#[tokio::test]
async fn d11_d12_d13_no_forgery_makes_a_check_pass_on_either_engine() {
    let world = plan(PERMITS).start().await;
    let unbound = world.unbound().await;
    assert_eq!(perform(world.engine().clone(), "www.victim.com").await, [PASS; 2]);
    assert_eq!(perform(unbound.engine.clone(), "www.victim.com").await, [PASS; 2]);
    for (what, lie) in LIES {
        let world = plan(PROHIBITS).lying("victim.com", move |asked, say, all| {
            let is_asked =
                asked.is(CHALLENGE, Rtype::TXT) || asked.is("www.victim.com", Rtype::CAA);
            if is_asked { lie(asked, all) } else { say }
        });
        let world = world.start().await;
        let unbound = world.unbound().await;
        for (engine, verdicts) in [
            ("embedded", perform(world.engine().clone(), "www.victim.com").await),
            ("forwarder", perform(unbound.engine.clone(), "www.victim.com").await),
        ] {
            for verdict in verdicts {
                assert_ne!(verdict, PASS, "{engine}: {what}");
            }
        }
    }
}

#[tokio::test]
async fn d12_what_stands_behind_an_alias_is_not_denied_by_it_on_either_engine() {
    let plan = plan(PROHIBITS).lying("victim.com", |asked, say, all| {
        let is_asked = asked.is("alias.victim.com", Rtype::CAA);
        let soa = || all.zone("victim.com").set(&name("victim.com"), Rtype::SOA);
        if is_asked { Say { authority: soa(), ..say } } else { say }
    });
    let world = plan.start().await;
    let unbound = world.unbound().await;
    let prohibited = (Verdict::Fail, Some(Reason::CaaProhibited));
    assert_eq!(perform(world.engine().clone(), "alias.victim.com").await[1], prohibited);
    assert_ne!(perform(unbound.engine.clone(), "alias.victim.com").await[1], PASS);
}

#[tokio::test]
async fn d2_stripped_signatures_make_no_check_pass_on_either_engine() {
    for records in [PROHIBITS, PERMITS] {
        let plan = plan(records).lying("victim.com", |_, say, _| say.stripped());
        let world = plan.start().await;
        let unbound = world.unbound().await;
        let bogus = |reason| (Verdict::Error, Some(reason));
        let expected = [bogus(Reason::DnssecBogus), bogus(Reason::CaaLookupFailed)];
        assert_eq!(perform(world.engine().clone(), "www.victim.com").await, expected);
        assert_eq!(perform(unbound.engine.clone(), "www.victim.com").await, expected);
    }
}

#[tokio::test]
async fn t9_an_alias_that_a_dname_implies_is_no_change_on_either_engine() {
    let zone = "www DNAME target.victim.com.\nplaced CNAME _token.target.victim.com.";
    let world = plan(zone).start().await;
    let unbound = world.unbound().await;
    let job = |identifier: &str, prefix: Option<&str>| {
        let mut job = dns_01_job(identifier);
        job.dcv.as_mut().unwrap().challenge = Challenge::DnsChange(DnsChange {
            challenge: "_token.target.victim.com".to_owned().try_into().unwrap(),
            record_type: ChangeRecord::Cname,
            prefix: prefix.map(|prefix| prefix.to_owned().try_into().unwrap()),
            matching: Matching::Exact,
            case_sensitive: false,
        });
        job
    };
    let placed = job("placed.victim.com", None);
    assert_eq!(perform_job(world.engine().clone(), &placed).await[0], PASS);
    assert_eq!(perform_job(unbound.engine.clone(), &placed).await[0], PASS);
    let implied = job("www.victim.com", Some("_token"));
    let mismatch = (Verdict::Fail, Some(Reason::RecordMismatch));
    assert_eq!(perform_job(world.engine().clone(), &implied).await[0], mismatch);
    assert_ne!(perform_job(unbound.engine.clone(), &implied).await[0], PASS);
}
