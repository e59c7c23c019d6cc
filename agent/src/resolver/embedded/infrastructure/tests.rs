//! How old entries become, and how many there are.

use domain::base::Name;
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> WireName {
    Name::vec_from_str(text).unwrap()
}

fn infrastructure() -> Arc<Infrastructure> {
    Arc::new(Infrastructure::new(Suffixes::parse(crate::testing::SUFFIX_LIST.as_bytes())))
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn an_entry_lasts_for_its_ttl_and_never_longer_than_an_hour() {
    for (ttl, age) in [(Duration::from_secs(60), 60), (DAY, 3_600)] {
        let visit = infrastructure().visit();
        visit.keep((&name("com"), Rtype::NS), b"kept", Instant::now(), ttl);
        for _ in 1..age {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(visit.read(&name("COM"), Rtype::NS).is_some(), "use does not shorten it");
            visit.keep((&name("com"), Rtype::NS), b"later", Instant::now(), ttl);
        }
        assert_eq!(visit.read(&name("com"), Rtype::NS).unwrap(), b"kept", "nor is it replaced");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(visit.read(&name("com"), Rtype::NS), None, "nor does use extend it");
    }
}

#[tokio::test]
async fn nothing_but_delegations_and_keys_of_suffixes_is_kept() {
    let visit = infrastructure().visit();
    for (owner, qtype, is_kept) in [
        ("com", Rtype::NS, true),
        ("com", Rtype::DS, true),
        (".", Rtype::DNSKEY, true),
        ("com", Rtype::CAA, false),
        ("com", Rtype::A, false),
        ("example.com", Rtype::NS, false),
        ("example.com", Rtype::DNSKEY, false),
        ("www.ck", Rtype::NS, false),
        ("a.ck", Rtype::NS, false),
    ] {
        visit.keep((&name(owner), qtype), b"kept", Instant::now(), DAY);
        assert_eq!(visit.read(&name(owner), qtype).is_some(), is_kept, "{owner} {qtype}");
    }
}

#[tokio::test]
async fn an_attempt_drops_what_it_read_and_what_it_wrote_and_no_more() {
    let infrastructure = infrastructure();
    let keep = |visit: &Visit, text: &str| {
        visit.keep((&name(text), Rtype::NS), b"kept", Instant::now(), DAY);
    };
    let read = |text: &str| infrastructure.visit().read(&name(text), Rtype::NS);
    let earlier = infrastructure.visit();
    for suffix in ["com", "net", "org"] {
        keep(&earlier, suffix);
    }
    let failing = infrastructure.visit();
    assert!(failing.read(&name("com"), Rtype::NS).is_some());
    keep(&failing, "io");
    failing.drop_used();
    assert_eq!(["com", "io"].map(read), [None, None]);
    assert!(read("net").is_some() && read("org").is_some());
    infrastructure.clear();
    assert_eq!(read("net"), None);
}

proptest! {
    /// Whatever is done, in whatever order, an entry is what was put there first within its time.
    #[test]
    fn entries_are_neither_extended_nor_replaced_nor_read_after_their_time(
        steps in proptest::collection::vec((0_u8..4, 0_u64..50, 0_u64..100), 1..200),
    ) {
        let start = Instant::now();
        let (mut now, mut entries) = (start, Entries::default());
        let mut model: BTreeMap<u8, (Instant, Vec<u8>)> = BTreeMap::new();
        for (number, (which, pause, ttl)) in steps.into_iter().enumerate() {
            now += Duration::from_secs(pause);
            model.retain(|_, (until, _)| now < *until);
            let key = (vec![which], Rtype::NS);
            let octets = number.to_be_bytes().to_vec();
            let until = now + Duration::from_secs(ttl);
            entries.keep(key.clone(), &octets, until, now);
            if until > now {
                model.entry(which).or_insert((until, octets));
            }
            let expected = model.get(&which).map(|(_, octets)| octets.clone());
            prop_assert_eq!(entries.read(&key, now), expected);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// The entries that are left are those that last longest.
    #[test]
    fn there_are_never_more_entries_than_the_most(
        ttls in proptest::collection::vec(1_u64..3_600, ENTRIES_MAX..ENTRIES_MAX + 40),
    ) {
        let now = Instant::now();
        let mut entries = Entries::default();
        for (number, ttl) in ttls.iter().enumerate() {
            let key = (number.to_be_bytes().to_vec(), Rtype::NS);
            entries.keep(key, b"", now + Duration::from_secs(*ttl), now);
            prop_assert!(entries.0.len() <= ENTRIES_MAX);
        }
        let mut longest = ttls;
        longest.sort_unstable();
        let longest = longest.split_off(longest.len() - ENTRIES_MAX);
        let mut kept: Vec<_> =
            entries.0.values().map(|(until, _)| (*until - now).as_secs()).collect();
        kept.sort_unstable();
        prop_assert_eq!(kept, longest);
    }
}
