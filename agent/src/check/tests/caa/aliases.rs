//! Rows C16 to C18: sets behind aliases.

use super::*;
use crate::testing::fake_dns::{FakeRecord, dname};

/// Checks `a.example.com`, for which the resolver says `here`; above it there is `parent`.
async fn behind(here: Vec<FakeRecord>, parent: Vec<FakeRecord>) -> (Observation, FakeDns) {
    let script = move |asked: &Asked| match asked.name.as_str() {
        "a.example.com" if !here.is_empty() => {
            let soa = Some("example.net".to_owned());
            Say { soa, ..Say::records(here.clone()) }
        }
        "example.com" if !parent.is_empty() => Say::records(parent.clone()),
        "example.net" => Say::records(vec![caa("example.net", 0, "issue", OTHER)]),
        _ => Say::no_data(),
    };
    check("a.example.com", script).await
}

fn prohibiting(owner: &str) -> FakeRecord {
    caa(owner, 0, "issue", OTHER)
}

#[tokio::test]
async fn c16_the_set_behind_aliases_counts() {
    let one = vec![cname("a.example.com", "t.example.net"), prohibiting("t.example.net")];
    let two = vec![
        cname("a.example.com", "s.example.net"),
        cname("s.example.net", "t.example.net"),
        prohibiting("t.example.net"),
    ];
    for (here, length) in [(one, 1), (two, 2)] {
        let (observation, _) = behind(here, vec![caa("example.com", 0, "issue", OURS)]).await;
        assert_eq!(observation.reason, Some(Reason::CaaProhibited));
        assert_eq!(found_at(&observation), Some("a.example.com"));
        assert_eq!(observation.dns[0].chain.len(), length);
        assert_eq!(observation.caa.unwrap().answer_owner.as_deref(), Some("t.example.net"));
    }
    let parent = vec![cname("example.com", "t.example.net"), prohibiting("t.example.net")];
    let (observation, _) = behind(Vec::new(), parent).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
    assert_eq!(found_at(&observation), Some("example.com"));
}

#[tokio::test]
async fn c17_the_parents_of_an_alias_target_do_not_count_and_those_of_the_name_do() {
    let alias = || vec![cname("a.example.com", "t.example.net")];
    let (observation, dns) = behind(alias(), Vec::new()).await;
    assert_eq!(observation.reason, None);
    assert!(!dns.names().contains(&"example.net".to_owned()));
    let (observation, _) = behind(alias(), vec![prohibiting("example.com")]).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
    assert_eq!(found_at(&observation), Some("example.com"));
}

#[tokio::test]
async fn c18_a_dname_rewrites_names_below_it_and_not_its_owner() {
    let rewritten = vec![dname("example.com", "example.net"), prohibiting("a.example.net")];
    let (observation, _) = behind(rewritten, vec![caa("example.com", 0, "issue", OURS)]).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
    assert_eq!(observation.caa.unwrap().answer_owner.as_deref(), Some("a.example.net"));
    let without_set = vec![dname("example.com", "example.net")];
    let owner = vec![dname("example.com", "example.net"), prohibiting("example.com")];
    let (observation, _) = behind(without_set, owner).await;
    assert_eq!(observation.reason, Some(Reason::CaaProhibited));
    assert_eq!(found_at(&observation), Some("example.com"));
}
