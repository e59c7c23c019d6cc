//! Rows K1 to K4: contacts that a domain publishes.

use mpic_common::challenge::{Contact, ContactKind, ContactRecord};
use mpic_common::evidence::CaaDecision;

use super::*;
use crate::testing::fake_dns::{FakeRecord, caa, record};
use domain::base::iana::Rtype;

const MAILBOX: &str = "hostmaster@example.com";
const NUMBER: &str = "+15551234567";

fn contact_job(record: ContactRecord, selected: &str) -> Job {
    let contact = Contact::parse(record.kind(), selected.as_bytes()).unwrap();
    dcv_job("a.example.com", Challenge::Contact { record, contact })
}

/// What a job for `selected` comes to where these TXT values are published.
async fn txt_reason(record: ContactRecord, selected: &str, values: &[&str]) -> Option<Reason> {
    let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
    let script = move |asked: &Asked| {
        Say::records(values.iter().map(|value| txt(&asked.name, &[value.as_bytes()])).collect())
    };
    validate_job(&contact_job(record, selected), script).await.0.reason
}

#[tokio::test]
async fn k1_a_mailbox_is_found_in_its_canonical_form() {
    let job = contact_job(ContactRecord::EmailTxt, MAILBOX);
    let script = |asked: &Asked| {
        Say::records(vec![txt(&asked.name, &[b"x@y.com"]), txt(&asked.name, &[MAILBOX.as_bytes()])])
    };
    let (observation, dns) = validate_job(&job, script).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.4.14"));
    assert_eq!(observation.matched.as_deref(), Some(MAILBOX));
    assert_eq!(observation.observed, Some(Hash::of(MAILBOX.as_bytes())));
    assert!(observation.discouraged);
    assert!(observation.dns[0].rrset[0].0.ends_with(MAILBOX.as_bytes()), "the matching one first");
    assert_eq!(dns.names(), ["_validation-contactemail.a.example.com"]);
    for (selected, published, reason) in [
        ("jörg@example.com", "jörg@EXAMPLE.com", None),
        (MAILBOX, "HostMaster@example.com", Some(Reason::ContactMismatch)),
    ] {
        let found = txt_reason(ContactRecord::EmailTxt, selected, &[published]).await;
        assert_eq!(found, reason, "{published}");
    }
}

#[tokio::test]
async fn k2_what_is_no_contact_in_whole_is_unusable() {
    for value in [
        " hostmaster@example.com",
        "hostmaster@example.com ",
        "mailto:hostmaster@example.com",
        "<hostmaster@example.com>",
        "hostmaster@example.com (me)",
        "\"hostmaster\"@example.com",
        "tel:+15551234567",
    ] {
        let found = txt_reason(ContactRecord::EmailTxt, MAILBOX, &[value]).await;
        assert_eq!(found, Some(Reason::ContactUnusable), "{value}");
    }
    let found = txt_reason(ContactRecord::PhoneTxt, NUMBER, &["tel:+15551234567"]).await;
    assert_eq!(found, Some(Reason::ContactUnusable));
}

#[tokio::test]
async fn k3_a_number_is_its_digits() {
    let unusable = Some(Reason::ContactUnusable);
    for (value, reason) in [
        ("+1(555)123-4567", None),
        ("+1 (555) 123-4567", unusable),
        ("0015551234567", unusable),
        ("+1555;ext=2", unusable),
    ] {
        assert_eq!(txt_reason(ContactRecord::PhoneTxt, NUMBER, &[value]).await, reason, "{value}");
        let selected = "+1 (555) 123-4567";
        let found = txt_reason(ContactRecord::PhoneTxt, selected, &[value]).await;
        assert_eq!(found, reason, "however the CA writes it");
    }
    for (value, reason) in
        [("+1 (555) 123-4567", None), ("0015551234567", unusable), ("+1555;ext=2", unusable)]
    {
        let in_set = move |name: &str| vec![caa(name, 0, "contactphone", value)];
        let (observation, _) = in_caa(ContactRecord::PhoneCaa, in_set).await;
        assert_eq!(observation.reason, reason, "{value}: CAA takes spaces too");
    }
    let (_, dns) =
        validate_job(&contact_job(ContactRecord::PhoneTxt, NUMBER), |_| Say::no_data()).await;
    assert_eq!(dns.names(), ["_validation-contactphone.a.example.com"]);
}

/// Validates by a CAA contact where some names have a set.
async fn in_caa(
    record: ContactRecord,
    sets: impl Fn(&str) -> Vec<FakeRecord> + Send + Sync + 'static,
) -> (Observation, FakeDns) {
    let selected = if record.kind() == ContactKind::Email { MAILBOX } else { NUMBER };
    let script = move |asked: &Asked| {
        let records = sets(&asked.name);
        if records.is_empty() { Say::no_data() } else { Say::records(records) }
    };
    validate_job(&contact_job(record, selected), script).await
}

#[tokio::test]
async fn k4_a_contact_in_caa_is_where_the_relevant_set_is() {
    let at_parent = |name: &str| match name {
        "example.com" => {
            vec![caa(name, 0, "issue", ";"), caa(name, 0, "ContactEmail", MAILBOX)]
        }
        _ => Vec::new(),
    };
    let (observation, dns) = in_caa(ContactRecord::EmailCaa, at_parent).await;
    assert_eq!((observation.reason, observation.clause.as_str()), (None, "3.2.2.4.13"));
    assert_eq!(observation.matched.as_deref(), Some(MAILBOX));
    let seen = observation.caa.unwrap();
    assert_eq!((seen.found_at.as_deref(), seen.authorized_by), (Some("example.com"), Some(1)));
    assert_eq!((seen.decision, seen.issue_by), (CaaDecision::NotApplicable, None));
    assert!(dns.names().contains(&"a.example.com".to_owned()));
    let nearer = move |name: &str| match name {
        "a.example.com" => vec![caa(name, 0, "issue", ";")],
        name => at_parent(name),
    };
    let (observation, _) = in_caa(ContactRecord::EmailCaa, nearer).await;
    assert_eq!(observation.reason, Some(Reason::ContactUnusable));
    let phone = |name: &str| vec![caa(name, 0, "contactphone", "+1-555-123-4567")];
    let (observation, _) = in_caa(ContactRecord::PhoneCaa, phone).await;
    assert_eq!((observation.reason, observation.matched.as_deref()), (None, Some(NUMBER)));
}

#[tokio::test]
async fn k4_no_set_and_failures_keep_what_dns_said() {
    let (observation, _) = in_caa(ContactRecord::EmailCaa, |_| Vec::new()).await;
    assert_eq!(observation.reason, Some(Reason::DnsNodata));
    let job = contact_job(ContactRecord::EmailCaa, MAILBOX);
    let (observation, _) = validate_job(&job, |_| Say::serv_fail(&[])).await;
    assert_eq!(observation.reason, Some(Reason::DnsServfail));
    let malformed = |name: &str| vec![record(name, Rtype::CAA, vec![0])];
    let (observation, _) = in_caa(ContactRecord::EmailCaa, malformed).await;
    assert_eq!(observation.reason, Some(Reason::CaaMalformedRdata));
    let deep = format!("{}com", "a.".repeat(40));
    let job = Job { identifier: Identifier::parse(&deep).unwrap(), ..job };
    let (observation, dns) = validate_job(&job, |_| Say::no_data()).await;
    assert_eq!((observation.reason, dns.asked().len()), (Some(Reason::CaaTooDeep), 0));
}
