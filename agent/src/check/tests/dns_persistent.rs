//! Rows V1 to V11: what is asked, and how two perspectives compare. The grammar is proven where it
//! is evaluated.

use mpic_common::observation::{Finding, Primary, compare};

use super::*;

const ACCOUNT: &str = "https://ca.example/acct/1";
const AT: &str = "_validation-persist.example.com";

fn persistent(identifier: &str, account_uris: &[&str]) -> Job {
    let account_uris = account_uris.iter().map(|uri| text(uri)).collect();
    dcv_job(identifier, Challenge::DnsPersistent { account_uris })
}

async fn observe(job: &Job, value: &str) -> (Observation, FakeDns) {
    let value = value.to_owned();
    validate_job(job, move |asked| Say::records(vec![txt(&asked.name, &[value.as_bytes()])])).await
}

fn record() -> String {
    format!("ca.example; accounturi={ACCOUNT}")
}

#[tokio::test]
async fn v1_a_record_of_ours_passes_with_its_account() {
    let (observation, dns) = observe(&persistent("example.com", &[ACCOUNT]), &record()).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.4.22"));
    assert_eq!(observation.matched.as_deref(), Some(ACCOUNT));
    assert_eq!(observation.observed, Some(Hash::of(ACCOUNT.as_bytes())));
    assert_eq!(dns.names(), [AT]);
}

#[tokio::test]
async fn v3_no_record_and_none_of_ours_are_told_apart() {
    let job = persistent("example.com", &[ACCOUNT]);
    let (observation, _) = observe(&job, "other.example; accounturi=x:y").await;
    assert_eq!(observation.reason, Some(Reason::PersistNone));
    let (observation, _) = validate_job(&job, |_| Say::nx_domain()).await;
    assert_eq!(observation.reason, Some(Reason::DnsNxdomain));
    let (observation, _) = validate_job(&job, |_| Say::no_data()).await;
    assert_eq!(observation.reason, Some(Reason::DnsNodata));
    let nobody = Job { issuer_domains: Vec::new(), ..job };
    assert_eq!(refused(nobody).await, Some(Reason::JobMalformed));
}

#[tokio::test]
async fn v5_a_record_ends_by_the_agents_clock() {
    let job = persistent("example.com", &[ACCOUNT]);
    for (until, reason) in
        [(NOW.0 / 1_000, None), (NOW.0 / 1_000 - 1, Some(Reason::PersistExpired))]
    {
        let value = format!("{}; persistUntil={until}", record());
        assert_eq!(observe(&job, &value).await.0.reason, reason);
    }
}

#[tokio::test]
async fn v7_wildcards_and_names_below_need_a_policy_unless_the_operator_says_otherwise() {
    let mut below = persistent("a.example.com", &[ACCOUNT]);
    below.dcv.as_mut().unwrap().adn = Some(DnsName::parse("example.com").unwrap());
    let own_adn = {
        let mut job = persistent("example.com", &[ACCOUNT]);
        job.dcv.as_mut().unwrap().adn = Some(DnsName::parse("example.com").unwrap());
        job
    };
    let with_policy = |policy: &str| format!("{}; policy={policy}", record());
    let wildcard = persistent("*.example.com", &[ACCOUNT]);
    for (job, value, reason) in [
        (&wildcard, record(), Some(Reason::PersistPolicy)),
        (&wildcard, with_policy("WildCard"), None),
        (&below, with_policy("other"), Some(Reason::PersistPolicy)),
        (&below, with_policy("wildcard"), None),
        (&own_adn, with_policy("other"), None),
    ] {
        let (observation, dns) = observe(job, &value).await;
        assert_eq!((observation.reason, dns.names()), (reason, vec![AT.to_owned()]), "{value}");
    }
    let dns = FakeDns::start(|asked| Say::records(vec![txt(&asked.name, &[record().as_bytes()])]));
    let dns = dns.await;
    let mut rules = rules(&[]);
    rules.methods.wildcard_policy = WildcardPolicy::NotRequired;
    let checker = Checker::new(forwarder(&dns), StoppedClock(NOW), rules);
    let observation = perform(&checker, &wildcard).await.remove(&CheckKind::Dcv).unwrap();
    assert_eq!(observation.reason, None, "the bare rule of the BR");
}

#[tokio::test]
async fn v9_a_record_behind_an_alias_in_pieces_passes() {
    let (head, tail) = ("ca.example; account", format!("uri={ACCOUNT}"));
    let script = move |_: &Asked| {
        let strings = [head.as_bytes(), tail.as_bytes()];
        Say::records(vec![cname(AT, "x.example.net"), txt("x.example.net", &strings)])
    };
    let (observation, _) = validate_job(&persistent("example.com", &[ACCOUNT]), script).await;
    assert_eq!((observation.reason, observation.dns[0].chain.len()), (None, 1));
}

#[tokio::test]
async fn v10_an_address_has_its_record_in_the_reverse_zone() {
    let job = persistent("8.8.8.8", &[ACCOUNT]);
    let at = "_ip-validation-persist.8.8.8.8.in-addr.arpa";
    let (observation, dns) =
        observe(&job, &format!("{}; policy=any; policy=thing", record())).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.5.8"));
    assert_eq!((dns.names(), observation.adn), (vec![at.to_owned()], None));
    let classless = "_ip-validation-persist.8.0-15.8.8.8.in-addr.arpa";
    let script = move |_: &Asked| {
        Say::records(vec![cname(at, classless), txt(classless, &[record().as_bytes()])])
    };
    assert_eq!(validate_job(&job, script).await.0.reason, None);
}

#[tokio::test]
async fn v11_different_accounts_do_not_corroborate() {
    let other = "https://ca.example/acct/2";
    let job = persistent("example.com", &[ACCOUNT, other]);
    let primary = observe(&job, &record()).await.0;
    let remote = observe(&job, &format!("ca.example; accounturi={other}")).await.0;
    assert_eq!((primary.reason, remote.reason), (None, None));
    assert_eq!(compare(Primary::from_observation(&primary), &remote), Finding::Contradict);
    let body = Job { primary: mpic_common::job::PrimaryMode::External, ..job }.to_body();
    let errors = Job::parse(&body).unwrap_err();
    assert_eq!(errors[0].field, "dcv.account_uris");
}
