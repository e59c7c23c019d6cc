//! Rows T2 to T11: the TXT methods, and changes of other types.

use mpic_common::challenge::{ChangeRecord, DnsChange, Matching};
use mpic_common::evidence::AliasKind;
use mpic_common::observation::{Finding, Primary, compare};

use super::*;
use crate::testing::fake_dns::{FakeRecord, caa, dname, record};
use domain::base::iana::Rtype;

const VALUE: &str = "Token.Example.NET";

fn change(record_type: ChangeRecord, matching: Matching, case_sensitive: bool) -> DnsChange {
    DnsChange { challenge: text(VALUE), record_type, prefix: None, matching, case_sensitive }
}

fn changed_job(change: DnsChange) -> Job {
    dcv_job("example.com", Challenge::DnsChange(change))
}

/// What a change comes to where `records` are all there is.
async fn reason(change: DnsChange, records: Vec<FakeRecord>) -> Option<Reason> {
    let script = move |_: &Asked| Say::records(records.clone());
    validate_job(&changed_job(change), script).await.0.reason
}

async fn txt_reason(records: Vec<FakeRecord>) -> Option<Reason> {
    validate(move |_| Say::records(records.clone())).await.reason
}

#[tokio::test]
async fn t2_strings_of_one_record_are_joined_and_records_are_not() {
    let (head, tail) = DIGEST.split_at(7);
    assert_eq!(txt_reason(vec![txt(CHALLENGE, &[head, tail])]).await, None);
    let records = vec![txt(CHALLENGE, &[head]), txt(CHALLENGE, &[tail])];
    assert_eq!(txt_reason(records).await, Some(Reason::RecordMismatch));
}

#[tokio::test]
async fn t3_a_value_that_is_almost_the_digest_is_another() {
    for (before, after) in
        [(" ", ""), ("", " "), ("", "\t"), ("\n", ""), ("", "\0"), ("\"", "\""), ("", "=")]
    {
        let value = [before.as_bytes(), DIGEST, after.as_bytes()].concat();
        let found = txt_reason(vec![txt(CHALLENGE, &[&value])]).await;
        assert_eq!(found, Some(Reason::RecordMismatch), "{before:?} {after:?}");
    }
    let upper = DIGEST.to_ascii_uppercase();
    let found = txt_reason(vec![txt(CHALLENGE, &[&upper])]).await;
    assert_eq!(found, Some(Reason::RecordMismatch));
}

#[tokio::test]
async fn t4_strange_records_beside_the_right_one_do_not_hide_it() {
    for strange in [&b"\xFF\xFE"[..], b"", b"a\0b"] {
        let records = vec![txt(CHALLENGE, &[strange]), txt(CHALLENGE, &[DIGEST])];
        assert_eq!(txt_reason(records).await, None, "{strange:?}");
    }
    let with_nul = [VALUE.as_bytes(), b"\0\xFF"].concat();
    let contains = change(ChangeRecord::Txt, Matching::Contains, true);
    assert_eq!(reason(contains, vec![txt("example.com", &[&with_nul])]).await, None);
}

#[tokio::test]
async fn t6_an_account_has_a_label_of_its_own() {
    let ours = "_ujmmovf2vn55tgye._acme-challenge.example.com";
    let another = "_aaaaaaaaaaaaaaaa._acme-challenge.example.com";
    let job = dcv_job(
        "example.com",
        Challenge::DnsAccount01 {
            digest: text("digest-of-the-day"),
            account_url: text("https://example.com/acme/acct/ExampleAccount"),
        },
    );
    for (at, reason) in
        [(ours, None), (another, Some(Reason::DnsNxdomain)), (CHALLENGE, Some(Reason::DnsNxdomain))]
    {
        let script = move |asked: &Asked| {
            let found = asked.name == at;
            if found { Say::records(vec![txt(at, &[DIGEST])]) } else { Say::nx_domain() }
        };
        let (observation, dns) = validate_job(&job, script).await;
        assert_eq!((observation.reason, observation.clause.as_str()), (reason, "3.2.2.4.21"));
        assert_eq!(dns.names(), [ours]);
        assert_eq!(observation.observed, reason.is_none().then(|| Hash::of(DIGEST)));
    }
}

#[tokio::test]
async fn t7_a_text_matches_whole_or_in_part_with_case_or_without() {
    let around = format!("x {VALUE} y");
    for (value, matching, case_sensitive, reason_expected) in [
        (around.as_str(), Matching::Contains, true, None),
        (&around, Matching::Exact, true, Some(Reason::RecordMismatch)),
        ("token.example.net", Matching::Exact, true, Some(Reason::RecordMismatch)),
        ("token.example.net", Matching::Exact, false, None),
    ] {
        let change = change(ChangeRecord::Txt, matching, case_sensitive);
        let records = vec![txt("example.com", &[value.as_bytes()])];
        assert_eq!(reason(change, records).await, reason_expected, "{value} {matching:?}");
    }
}

#[tokio::test]
async fn t8_an_alias_matches_without_case_and_final_dot() {
    for matching in [Matching::Exact, Matching::Contains] {
        for value in [VALUE, "TOKEN.example.net."] {
            let mut change = change(ChangeRecord::Cname, matching, true);
            change.challenge = text(value);
            let records = vec![cname("example.com", "token.EXAMPLE.net")];
            let (observation, dns) =
                validate_job(&changed_job(change), move |_| Say::records(records.clone())).await;
            assert_eq!(observation.reason, None, "{value} {matching:?}");
            assert_eq!(observation.observed, Some(Hash::of(value.as_bytes())));
            assert_eq!(dns.asked()[0].qtype, Rtype::CNAME);
            assert!(observation.dns[0].chain.is_empty(), "it is not followed");
        }
    }
}

#[tokio::test]
async fn t9_an_alias_that_nobody_placed_and_a_value_behind_one_do_not_count() {
    let mut below = changed_job(change(ChangeRecord::Cname, Matching::Contains, true));
    below.dcv.as_mut().unwrap().challenge = Challenge::DnsChange(DnsChange {
        prefix: Some(text("_token")),
        challenge: text("_token.example.net"),
        ..change(ChangeRecord::Cname, Matching::Exact, true)
    });
    let synthesised = |_: &Asked| {
        let made = cname("_token.example.com", "_token.example.net");
        Say::records(vec![dname("example.com", "example.net"), made])
    };
    let (observation, dns) = validate_job(&below, synthesised).await;
    assert_eq!(observation.reason, Some(Reason::RecordMismatch));
    assert_eq!(observation.dns[0].chain[0].kind, AliasKind::Dname);
    assert_eq!(dns.asked().len(), 1);
    let behind =
        vec![cname("example.com", "x.example.org"), txt("x.example.org", &[b"Token.Example.NET"])];
    let found = reason(change(ChangeRecord::Cname, Matching::Contains, true), behind).await;
    assert_eq!(found, Some(Reason::RecordMismatch));
}

#[tokio::test]
async fn t10_a_property_of_any_tag_matches_here_or_behind_an_alias_and_not_above() {
    let exact = || change(ChangeRecord::Caa, Matching::Exact, true);
    for tag in ["issue", "contactemail", "never-heard-of"] {
        let records = vec![caa("example.com", 0, tag, "token.example.net")];
        assert_eq!(reason(exact(), records).await, None, "{tag}");
    }
    let alias =
        vec![cname("example.com", "x.example.org"), caa("x.example.org", 0, "issue", VALUE)];
    assert_eq!(reason(exact(), alias).await, None);
    let beside =
        vec![record("example.com", Rtype::CAA, vec![0]), caa("example.com", 0, "issue", VALUE)];
    assert_eq!(reason(exact(), beside).await, None, "a record that does not decode");
    let mut below = changed_job(exact());
    below.identifier = Identifier::parse("a.example.com").unwrap();
    let parent = |asked: &Asked| match asked.name.as_str() {
        "example.com" => Say::records(vec![caa("example.com", 0, "issue", VALUE)]),
        _ => Say::no_data(),
    };
    let (observation, dns) = validate_job(&below, parent).await;
    assert_eq!(observation.reason, Some(Reason::DnsNodata));
    assert_eq!(dns.names(), ["a.example.com"]);
}

#[tokio::test]
async fn t11_two_perspectives_that_see_different_sets_corroborate() {
    let seen_beside = async |other: &'static [u8]| {
        validate(move |_| Say::records(vec![txt(CHALLENGE, &[other]), txt(CHALLENGE, &[DIGEST])]))
            .await
    };
    let (primary, remote) = (seen_beside(b"one").await, seen_beside(b"two").await);
    assert_ne!(primary.dns[0].rrset_digest, remote.dns[0].rrset_digest);
    assert_eq!(compare(Primary::from_observation(&primary), &remote), Finding::Corroborate);
}

#[tokio::test]
async fn i20_a_prefix_is_a_label_before_the_name_and_never_holds_the_challenge() {
    let prefixed = |prefix: Option<&str>, challenge: &str| {
        changed_job(DnsChange {
            prefix: prefix.map(text),
            challenge: text(challenge),
            ..change(ChangeRecord::Txt, Matching::Exact, true)
        })
    };
    let (_, dns) = validate_job(&prefixed(None, VALUE), |_| Say::no_data()).await;
    assert_eq!(dns.names(), ["example.com"]);
    let (_, dns) = validate_job(&prefixed(Some("_dnsauth"), VALUE), |_| Say::no_data()).await;
    assert_eq!(dns.names(), ["_dnsauth.example.com"]);
    let random = "abcdefghijklmnopqr";
    let shown = prefixed(Some(&format!("_{}", random.to_uppercase())), random);
    assert_eq!(refused(shown).await, Some(Reason::JobMalformed));
}
