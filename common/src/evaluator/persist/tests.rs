//! Rows V1 to V9 of the behaviour table, as far as octets decide them.

use super::*;

const OURS: &str = "https://ca.example/acct/1";
/// 1,800,000,000 s.
const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn rdata(text: impl AsRef<[u8]>) -> Vec<u8> {
    let pieces = text.as_ref().chunks(255);
    pieces.flat_map(|piece| [&[u8::try_from(piece.len()).unwrap()], piece].concat()).collect()
}

fn ask(reach: Reach, now: UnixMs, records: &[&str]) -> Result<usize, Reason> {
    let rrset: Vec<_> = records.iter().map(rdata).collect();
    let (issuer_domains, account_uris) =
        (["ca.example".to_owned()], [OURS, "https://ca.example/2"]);
    let account_uris = account_uris.map(|uri| uri.to_owned().try_into().unwrap());
    let question = PersistQuestion {
        issuer_domains: &issuer_domains,
        account_uris: &account_uris,
        reach,
        now,
    };
    let found = evaluate(rrset.iter().map(Vec::as_slice), &question)?;
    assert_eq!(found.account.as_str(), OURS);
    Ok(found.index)
}

/// What a single record comes to, with `OURS` for `{}`.
fn one(record: &str) -> Result<usize, Reason> {
    ask(Reach::Name, NOW, &[&record.replace("{}", OURS)])
}

#[test]
fn v1_case_and_space_around_tokens_and_unknown_parameters_do_not_matter() {
    for record in [
        "ca.example;accounturi={}",
        "CA.Example; AccountURI={}",
        " \tca.example\t ;\t accounturi \t=\t {} ",
        "ca.example; accounturi={}; x=1; x=2; y=",
    ] {
        assert_eq!(one(record), Ok(0), "{record:?}");
    }
}

#[test]
fn v2_what_does_not_fit_the_grammar_is_malformed() {
    for record in [
        "ca.example; accounturi={};",
        "ca.example;\u{a0}accounturi={}",
        "ca.example\u{a0}; accounturi={}",
        "ca.example; accounturi={}\n",
        "\nca.example; accounturi={}",
        "ca.example.; accounturi={}",
        "ca.example; accounturi={}; flag",
        "ca.example; accounturi={}; a_b=1",
        "ca.example; accounturi={}; a=\u{e4}",
    ] {
        assert_eq!(one(record), Err(Reason::PersistMalformed), "{record:?}");
    }
}

#[test]
fn v3_a_record_of_another_issuer_is_none_and_one_without_account_is_malformed() {
    for record in ["other.example; accounturi={}", "x.ca.example; accounturi={}", "", ";"] {
        assert_eq!(one(record), Err(Reason::PersistNone), "{record:?}");
    }
    for record in ["ca.example", "ca.example; policy=wildcard", "ca.example; accounturi="] {
        assert_eq!(one(record), Err(Reason::PersistMalformed), "{record:?}");
    }
    assert_eq!(ask(Reach::Name, NOW, &[]), Err(Reason::PersistNone));
}

#[test]
fn v4_the_account_is_compared_octet_for_octet_and_stands_once() {
    for other in ["https://ca.example/ACCT/1", "https://ca.example/acct/1/"] {
        let record = format!("ca.example; accounturi={other}");
        assert_eq!(one(&record), Err(Reason::PersistAccount), "{other}");
    }
    let twice = "ca.example; accounturi={}; AccountUri={}";
    assert_eq!(one(twice), Err(Reason::PersistMalformed));
}

#[test]
fn v5_a_record_ends_with_its_last_second() {
    let record = format!("ca.example; accounturi={OURS}; persistUntil=1800000000");
    let at = |now| ask(Reach::Name, now, &[&record]);
    assert_eq!(at(NOW.minus(std::time::Duration::from_secs(1))), Ok(0));
    assert_eq!(at(NOW), Ok(0));
    assert_eq!(at(UnixMs(NOW.0 + 1)), Err(Reason::PersistExpired));
}

#[test]
fn v6_an_end_is_1_to_19_digits_once() {
    let until = |value: &str| one(&format!("ca.example; accounturi={OURS}; persistUntil={value}"));
    for bad in ["+5", "-1", "1e9", "1_0", "", "00000000001800000001", "1; PERSISTUNTIL=2"] {
        assert_eq!(until(bad), Err(Reason::PersistMalformed), "{bad:?}");
    }
    assert_eq!(until("9999999999999999999"), Ok(0));
}

#[test]
fn v7_names_below_need_the_policy_wildcard() {
    let with =
        |reach, policy: &str| ask(reach, NOW, &[&format!("ca.example; accounturi={OURS}{policy}")]);
    assert_eq!(with(Reach::NamesBelow, ""), Err(Reason::PersistPolicy));
    assert_eq!(with(Reach::NamesBelow, "; Policy=WildCard"), Ok(0));
    assert_eq!(with(Reach::NamesBelow, "; policy=other"), Err(Reason::PersistPolicy));
    assert_eq!(with(Reach::Name, "; policy=other"), Ok(0));
    let twice = "; policy=wildcard; policy=wildcard";
    assert_eq!(with(Reach::NamesBelow, twice), Err(Reason::PersistMalformed));
    assert_eq!(with(Reach::Address, twice), Ok(0));
}

#[test]
fn v8_one_good_record_is_enough_and_else_the_first_reason_counts() {
    let good = format!("ca.example; accounturi={OURS}");
    let expired = format!("{good}; persistUntil=1");
    let other = "ca.example; accounturi=https://ca.example/3";
    let records = ["ca.example", &expired, other, &good];
    assert_eq!(ask(Reach::Name, NOW, &records), Ok(3));
    assert_eq!(ask(Reach::Name, NOW, &[&expired, other]), Err(Reason::PersistAccount));
    assert_eq!(ask(Reach::Name, NOW, &records[..3]), Err(Reason::PersistMalformed));
    assert_eq!(ask(Reach::NamesBelow, NOW, &[&good, &expired]), Err(Reason::PersistExpired));
}

#[test]
fn v9_a_record_in_pieces_is_joined() {
    let record = format!("ca.example; accounturi={OURS}; x={}", "1".repeat(600));
    assert_eq!(ask(Reach::Name, NOW, &[&record]), Ok(0));
}

proptest::proptest! {
    #[test]
    fn foreign_octets_never_panic_and_never_authorise(octets: Vec<u8>, tail in "\\PC{0,40}") {
        let issuer_domains = ["ca.example".to_owned()];
        let account_uris = [OURS.to_owned().try_into().unwrap()];
        let question = PersistQuestion {
            issuer_domains: &issuer_domains,
            account_uris: &account_uris,
            reach: Reach::Name,
            now: NOW,
        };
        let near = rdata(format!("ca.example{tail}"));
        let found = evaluate([octets.as_slice(), &rdata(&octets), &near], &question);
        proptest::prop_assert!(found.is_err());
    }
}
