//! Rows K5 to K8 and I17: addresses, reverse names and mail servers.

use std::net::IpAddr;

use domain::base::Name;
use domain::base::iana::Rtype;
use mpic_common::policy::CertificateType;

use super::*;
use crate::testing::fake_dns::{FakeRecord, address, record};

fn wire(name: &str) -> Vec<u8> {
    Name::vec_from_str(name).unwrap().into_octets()
}

fn ptr(owner: &str, target: &str) -> FakeRecord {
    record(owner, Rtype::PTR, wire(target))
}

fn mx(preference: u16, host: &str) -> FakeRecord {
    let rdata = [&preference.to_be_bytes()[..], &wire(host)].concat();
    record("example.com", Rtype::MX, rdata)
}

fn address_job(expected: &str) -> Job {
    let address = expected.parse().unwrap();
    dcv_job("example.com", Challenge::IpAddress { address })
}

/// Performs `ip-address` where the operator keeps it.
async fn opted_in(job: &Job, found: &[&str]) -> (Observation, FakeDns) {
    let found: Vec<IpAddr> = found.iter().map(|text| text.parse().unwrap()).collect();
    let script = move |asked: &Asked| {
        Say::records(found.iter().map(|found| address(&asked.name, *found)).collect())
    };
    let dns = FakeDns::start(script).await;
    let mut rules = rules(&[]);
    rules.methods.ip_address = EndedMethod::Performed;
    let checker = Checker::new(forwarder(&dns), StoppedClock(NOW), rules);
    let observation = perform(&checker, job).await.remove(&CheckKind::Dcv).unwrap();
    (observation, dns)
}

#[tokio::test]
async fn i17_the_method_ip_address_has_ended_unless_the_operator_keeps_it() {
    let job = address_job("2600::1");
    assert_eq!(refused(job.clone()).await, Some(Reason::MethodSunset));
    assert_eq!(opted_in(&job, &["2600::1"]).await.0.reason, None);
}

#[tokio::test]
async fn k5_an_address_is_compared_as_an_address_and_is_no_blocked_one() {
    let (observation, dns) = opted_in(&address_job("2600::1"), &["2600::2", "2600:0:0:0::1"]).await;
    assert_eq!((observation.reason, observation.matched.as_deref()), (None, Some("2600::1")));
    assert_eq!(dns.asked()[0].qtype, Rtype::AAAA);
    let (observation, _) = opted_in(&address_job("8.8.8.8"), &["8.8.4.4"]).await;
    assert_eq!(observation.reason, Some(Reason::RecordMismatch));
    let (observation, dns) = opted_in(&address_job("10.0.0.1"), &["10.0.0.1"]).await;
    assert_eq!((observation.reason, dns.asked().len()), (Some(Reason::AddrBlocked), 0));
}

const REVERSE: &str = "8.8.8.8.in-addr.arpa";

fn reverse_job() -> Job {
    let expected_fqdn = DnsName::parse("host.example.com").unwrap();
    dcv_job("8.8.8.8", Challenge::ReverseAddressLookup { expected_fqdn })
}

async fn reverse(say: impl Fn() -> Say + Send + Sync + 'static) -> Observation {
    validate_job(&reverse_job(), move |_| say()).await.0
}

#[tokio::test]
async fn k6_the_reverse_name_points_to_the_expected_name() {
    let several =
        || Say::records(vec![ptr(REVERSE, "other.example"), ptr(REVERSE, "HOST.Example.com")]);
    let observation = reverse(several).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.3"));
    assert_eq!(observation.matched.as_deref(), Some("host.example.com"));
    assert_eq!(observation.dns[0].name, REVERSE);
    let classless = || {
        let alias = "8.0-15.8.8.8.in-addr.arpa";
        Say::records(vec![cname(REVERSE, alias), ptr(alias, "host.example.com")])
    };
    assert_eq!(reverse(classless).await.reason, None);
    assert_eq!(reverse(Say::nx_domain).await.reason, Some(Reason::DnsNxdomain));
    assert_eq!(reverse(Say::no_data).await.reason, Some(Reason::DnsNodata));
    let other = || Say::records(vec![ptr(REVERSE, "other.example.com")]);
    assert_eq!(reverse(other).await.reason, Some(Reason::RecordMismatch));
}

fn mail_job(expected: &str) -> Job {
    let expected_fqdn = DnsName::parse(expected).unwrap();
    let job = dcv_job("u@example.com", Challenge::SmtpHost { expected_fqdn });
    Job { certificate_type: CertificateType::SMime, ..job }
}

/// Looks for `expected` where these are the exchangers, and `a.example.net` is an alias.
async fn exchanger(expected: &str, exchangers: Vec<FakeRecord>) -> Observation {
    let script = move |asked: &Asked| match (asked.qtype, asked.name.as_str()) {
        (Rtype::MX, _) if !exchangers.is_empty() => Say::records(exchangers.clone()),
        (Rtype::CNAME, "a.example.net") => {
            Say::records(vec![cname("a.example.net", "b.example.net")])
        }
        (Rtype::A, "example.com") => {
            Say::records(vec![address("example.com", "8.8.8.8".parse().unwrap())])
        }
        _ => Say::no_data(),
    };
    validate_job(&mail_job(expected), script).await.0
}

#[tokio::test]
async fn k7_the_mail_server_is_an_exchanger_of_lowest_preference_and_no_alias() {
    let both = || vec![mx(20, "c.example.net"), mx(10, "MX.example.net")];
    let observation = exchanger("mx.example.net", both()).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "SBR 3.2.2.3"));
    assert_eq!(observation.matched.as_deref(), Some("mx.example.net"));
    assert_eq!(observation.br_version, "SMIME-BR 1.0.10");
    let later = exchanger("c.example.net", both()).await;
    assert_eq!(later.reason, Some(Reason::MxMismatch));
    let alias = exchanger("a.example.net", vec![mx(10, "a.example.net")]).await;
    assert_eq!(alias.reason, Some(Reason::MxAlias));
    let null = exchanger("mx.example.net", vec![mx(0, ".")]).await;
    assert_eq!(null.reason, Some(Reason::MxNull));
}

#[tokio::test]
async fn k8_a_domain_without_exchangers_serves_itself() {
    assert_eq!(exchanger("example.com", Vec::new()).await.reason, None);
    let other = exchanger("mx.example.net", Vec::new()).await;
    assert_eq!(other.reason, Some(Reason::MxMismatch));
    let (nowhere, _) = validate_job(&mail_job("example.com"), |_| Say::no_data()).await;
    assert_eq!(nowhere.reason, Some(Reason::DnsNoAddress));
}
