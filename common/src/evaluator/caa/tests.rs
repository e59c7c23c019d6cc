//! Rows C2 to C13 and C26 to C32 of the behaviour table, and the examples of RFC 8659.

use super::*;

const ACCOUNT: &str = "https://ca.example/acct/1";

fn record(flags: u8, tag: &str, value: &str) -> CaaProperty {
    CaaProperty { flags, tag: tag.as_bytes().into(), value: value.as_bytes().into() }
}

fn set(records: &[(u8, &str, &str)]) -> Vec<CaaProperty> {
    records.iter().map(|(flags, tag, value)| record(*flags, tag, value)).collect()
}

/// Asks for a certificate by `ca.example`, account 1, method http-01.
fn ask(scope: CaaScope, records: &[(u8, &str, &str)]) -> CaaEvaluation {
    ask_with(scope, CaaRules::default(), &[ACCOUNT.to_owned()], records)
}

fn ask_with(
    scope: CaaScope,
    rules: CaaRules,
    account_uris: &[String],
    records: &[(u8, &str, &str)],
) -> CaaEvaluation {
    let issuer_domains = ["ca.example".to_owned()];
    let method_label = Some("http-01");
    let question =
        CaaQuestion { scope, issuer_domains: &issuer_domains, account_uris, method_label, rules };
    evaluate(&set(records), &question)
}

fn name(records: &[(u8, &str, &str)]) -> CaaBasis {
    let evaluation = ask(CaaScope::Name, records);
    let permits = matches!(evaluation.basis, CaaBasis::AuthorizedBy | CaaBasis::NoRelevantProperty);
    assert_eq!(evaluation.decision == CaaDecision::Permit, permits, "{records:?}");
    assert_eq!(evaluation.authorized_by.is_some(), evaluation.basis == CaaBasis::AuthorizedBy);
    evaluation.basis
}

fn issue(value: &str) -> CaaBasis {
    name(&[(0, "issue", value)])
}

#[test]
fn c2_an_issuer_is_compared_whole_and_without_case() {
    assert_eq!(issue("ca.example"), CaaBasis::AuthorizedBy);
    assert_eq!(name(&[(0, "ISSUE", "CA.EXAMPLE")]), CaaBasis::AuthorizedBy);
    for other in ["other.example", "notca.example", "x.ca.example"] {
        assert_eq!(issue(other), CaaBasis::Unauthorized, "{other}");
    }
}

#[test]
fn c3_an_empty_issuer_authorises_nobody_but_does_not_stop_another_record() {
    for value in [";", "", " ; ", "; accounturi=x"] {
        assert_eq!(issue(value), CaaBasis::Unauthorized, "{value:?}");
    }
    assert_eq!(name(&[(0, "issue", ";"), (0, "issue", "ca.example")]), CaaBasis::AuthorizedBy);
}

#[test]
fn c4_parameters_need_only_fit_the_grammar() {
    for value in [
        "ca.example;",
        " ca.example ; ",
        "ca.example; foo=1",
        "ca.example; foo=",
        "ca.example; a-b=1",
    ] {
        assert_eq!(issue(value), CaaBasis::AuthorizedBy, "{value:?}");
    }
    assert_eq!(issue("; accounturi=x"), CaaBasis::Unauthorized);
}

#[test]
fn c5_a_parameter_outside_the_grammar_makes_the_value_authorise_nobody() {
    for value in [
        "ca.example; foo=1;",
        "ca.example; foo",
        "ca.example; a_b=1",
        "ca.example; a=b c",
        "ca.example; a=1 b=2",
    ] {
        assert_eq!(issue(value), CaaBasis::Unauthorized, "{value:?}");
    }
}

#[test]
fn c6_a_value_outside_the_grammar_restricts_and_authorises_nobody() {
    for value in [
        "c\u{e4}.example",
        "ca.example\0",
        "ca.example\n",
        "<script>alert(1)</script>",
        "ca.example.",
        "ca.example other.example",
    ] {
        assert_eq!(issue(value), CaaBasis::Unauthorized, "{value:?}");
        let beside = [(0, "issue", value), (0, "issue", "ca.example")];
        assert_eq!(name(&beside), CaaBasis::AuthorizedBy, "{value:?}");
    }
}

#[test]
fn c7_properties_of_other_kinds_do_not_restrict_a_name() {
    for (tag, value) in [
        ("iodef", "mailto:security@example.com"),
        ("contactemail", "admin@example.com"),
        ("unknown", "x"),
        ("issuewild", ";"),
        ("issuemail", ";"),
    ] {
        assert_eq!(name(&[(0, tag, value)]), CaaBasis::NoRelevantProperty, "{tag}");
    }
}

#[test]
fn c8_an_unknown_critical_property_prohibits_whatever_else_permits() {
    for flags in [128, 129, 130] {
        assert_eq!(name(&[(flags, "unknown", "x")]), CaaBasis::CriticalUnknown);
        let beside = [(0, "issue", "ca.example"), (flags, "unknown", "x")];
        assert_eq!(name(&beside), CaaBasis::CriticalUnknown);
    }
    let mail = ask(CaaScope::Mail, &[(128, "unknown", "x")]);
    assert_eq!(mail.basis, CaaBasis::CriticalUnknown);
    assert_eq!(name(&[(128, "is sue", "x")]), CaaBasis::CriticalUnknown);
}

#[test]
fn c9_the_other_flag_bits_mean_nothing_unless_the_ca_says_so() {
    for flags in [1, 2, 64, 127] {
        assert_eq!(name(&[(flags, "unknown", "x")]), CaaBasis::NoRelevantProperty, "{flags}");
    }
    let rules = CaaRules { critical: CriticalBits::Bit7Too, ..CaaRules::default() };
    let strict = ask_with(CaaScope::Name, rules, &[], &[(1, "unknown", "x")]);
    assert_eq!(strict.basis, CaaBasis::CriticalUnknown);
}

#[test]
fn c10_a_known_critical_property_is_as_without_the_flag() {
    assert_eq!(name(&[(128, "issue", "ca.example")]), CaaBasis::AuthorizedBy);
    for tag in ["issuewild", "iodef", "contactemail", "contactphone", "issuemail", "IssueVMC"] {
        assert_eq!(name(&[(128, tag, "x")]), CaaBasis::NoRelevantProperty, "{tag}");
    }
}

const OURS: (u8, &str, &str) = (0, "issue", "ca.example");
const OTHER: (u8, &str, &str) = (0, "issue", "other.example");

fn wild(value: &str) -> (u8, &str, &str) {
    (0, "issuewild", value)
}

#[test]
fn c11_issuewild_replaces_issue_for_wildcards() {
    use CaaBasis::{AuthorizedBy, NoRelevantProperty, Unauthorized};
    for (records, expected) in [
        (vec![OURS], AuthorizedBy),
        (vec![OURS, wild("other.example")], Unauthorized),
        (vec![OTHER, wild("ca.example")], AuthorizedBy),
        (vec![wild(";")], Unauthorized),
        (vec![OURS, wild(";")], Unauthorized),
        (vec![(0, "iodef", "x")], NoRelevantProperty),
    ] {
        assert_eq!(ask(CaaScope::Wildcard, &records).basis, expected, "{records:?}");
    }
}

#[test]
fn c12_issuewild_and_issuemail_say_nothing_about_a_name() {
    assert_eq!(name(&[OURS, wild(";")]), CaaBasis::AuthorizedBy);
    assert_eq!(name(&[OURS, wild("other.example")]), CaaBasis::AuthorizedBy);
    assert_eq!(name(&[OTHER, wild("ca.example")]), CaaBasis::Unauthorized);
    assert_eq!(name(&[wild(";")]), CaaBasis::NoRelevantProperty);
    assert_eq!(name(&[(0, "issuemail", ";")]), CaaBasis::NoRelevantProperty);
}

#[test]
fn c13_mail_looks_at_issuemail_alone() {
    use CaaBasis::{AuthorizedBy, NoRelevantProperty, Unauthorized};
    let mail = |value| (0, "issuemail", value);
    for (records, expected) in [
        (vec![(0, "issue", ";")], NoRelevantProperty),
        (vec![mail("ca.example")], AuthorizedBy),
        (vec![mail("other.example")], Unauthorized),
        (vec![mail("%%%")], Unauthorized),
        (vec![mail(";"), mail("ca.example")], AuthorizedBy),
        (vec![mail("ca.example"), (128, "unknown", "x")], CaaBasis::CriticalUnknown),
    ] {
        assert_eq!(ask(CaaScope::Mail, &records).basis, expected, "{records:?}");
    }
}

#[test]
fn c26_one_of_a_thousand_records_is_enough() {
    let mut records = vec![(0, "issue", "other.example"); 1_000];
    records.push((0, "issue", "ca.example"));
    assert_eq!(ask(CaaScope::Name, &records).authorized_by, Some(1_000));
}

#[test]
fn c27_rdata_is_flags_length_tag_and_value() {
    let parsed = parse_property(b"\x80\x05issueca.example").unwrap();
    assert_eq!(parsed, record(128, "issue", "ca.example"));
    assert_eq!(parse_property(b"\x00\x05issue").unwrap(), record(0, "issue", ""));
    for rdata in [&b""[..], b"\x00", b"\x00\x00", b"\x00\x00value", b"\x00\x06issue"] {
        assert_eq!(parse_property(rdata), Err(MalformedRdata), "{rdata:?}");
    }
}

#[test]
fn c28_a_strange_tag_beside_our_issuer_changes_nothing() {
    for tag in ["a-b", "twentyoctetsofatag00"] {
        let records = [(0, tag, "x"), (0, "issue", "ca.example")];
        assert_eq!(name(&records), CaaBasis::AuthorizedBy, "{tag}");
    }
}

#[test]
fn c29_accounturi_must_occur_once_and_be_ours() {
    let with = |parameters: &str| issue(&format!("ca.example; {parameters}"));
    assert_eq!(with(&format!("accounturi={ACCOUNT}")), CaaBasis::AuthorizedBy);
    for parameters in [
        "accounturi=https://ca.example/acct/2".to_owned(),
        "AccountURI=https://ca.example/acct/2".to_owned(),
        format!("accounturi={ACCOUNT}; accounturi={ACCOUNT}"),
        "accounturi=".to_owned(),
    ] {
        assert_eq!(with(&parameters), CaaBasis::Unauthorized, "{parameters}");
    }
    let other = "ca.example; accounturi=https://ca.example/acct/2";
    let ours = format!("ca.example; accounturi={ACCOUNT}");
    assert_eq!(name(&[(0, "issue", other), (0, "issue", &ours)]), CaaBasis::AuthorizedBy);
}

#[test]
fn c30_accounturi_without_an_account_is_recorded_and_as_the_ca_chooses() {
    let records = [(0, "issue", "ca.example; accounturi=x")];
    let lenient = ask_with(CaaScope::Name, CaaRules::default(), &[], &records);
    assert_eq!(lenient.basis, CaaBasis::AuthorizedBy);
    assert_eq!(lenient.accounturi, Parameter::NotEvaluated);
    assert_eq!(lenient.validationmethods, Parameter::Absent);
    let rules = CaaRules { unevaluated: Unevaluated::Prohibit, ..CaaRules::default() };
    let strict = ask_with(CaaScope::Name, rules, &[], &records);
    assert_eq!(strict.basis, CaaBasis::Unauthorized);
    assert_eq!(strict.accounturi, Parameter::NotEvaluated);
}

#[test]
fn c31_validationmethods_must_occur_once_and_list_our_label_in_its_case() {
    let with = |parameters: &str| issue(&format!("ca.example; {parameters}"));
    assert_eq!(with("validationmethods=dns-01,http-01"), CaaBasis::AuthorizedBy);
    assert_eq!(with("validationmethods=ca-x,http-01,never-heard-of"), CaaBasis::AuthorizedBy);
    for parameters in [
        "validationmethods=dns-01",
        "validationmethods=HTTP-01",
        "validationmethods=",
        "validationmethods=,",
        "validationmethods=http-01,,x",
        "validationmethods=http-01; validationmethods=http-01",
        "ValidationMethods=dns-01",
        "validationmethods=http-01,a_b",
    ] {
        assert_eq!(with(parameters), CaaBasis::Unauthorized, "{parameters}");
    }
}

#[test]
fn c32_both_parameters_must_hold() {
    let value = format!("ca.example; accounturi={ACCOUNT}; validationmethods=dns-01");
    let evaluation = ask(CaaScope::Name, &[(0, "issue", &value)]);
    assert_eq!(evaluation.basis, CaaBasis::Unauthorized);
    assert_eq!(evaluation.accounturi, Parameter::Evaluated);
    assert_eq!(evaluation.validationmethods, Parameter::Evaluated);
    let unknown = format!("ca.example; accounturi={ACCOUNT}; validationmethods=x-1,http-01");
    assert_eq!(issue(&unknown), CaaBasis::AuthorizedBy);
}

#[test]
fn iodef_is_recorded_escaped() {
    let evaluation = ask(CaaScope::Name, &[(0, "IODEF", "mailto:a@b\n")]);
    assert_eq!(evaluation.iodef, ["mailto:a@b\\x0A"]);
}

/// The sets of RFC 8659 4.2, 4.3 and 4.5, asked for by `ca1.example.net`.
#[test]
fn the_examples_of_rfc_8659_hold() {
    use CaaDecision::{Permit, Prohibit};
    let ask = |scope, records: &[(u8, &str, &str)]| {
        let issuer_domains = ["ca1.example.net".to_owned()];
        let question = CaaQuestion {
            scope,
            issuer_domains: &issuer_domains,
            account_uris: &[],
            method_label: None,
            rules: CaaRules::default(),
        };
        evaluate(&set(records), &question).decision
    };
    let name = CaaScope::Name;
    let ca1 = (0, "issue", "ca1.example.net");
    let ca2 = (0, "issue", "ca2.example.org");
    assert_eq!(ask(name, &[(0, "issue", "ca1.example.net; account=230123")]), Permit);
    assert_eq!(ask(name, &[(0, "issue", ";")]), Prohibit);
    assert_eq!(ask(name, &[ca1, ca2]), Permit);
    assert_eq!(ask(name, &[ca1, (0, "issue", "%%%%%")]), Permit);
    assert_eq!(ask(name, &[(0, "issue", "%%%%%")]), Prohibit);
    let wild = [ca1, (0, "issuewild", "ca2.example.org")];
    assert_eq!(ask(CaaScope::Wildcard, &wild), Prohibit);
    assert_eq!(ask(name, &wild), Permit);
    assert_eq!(ask(CaaScope::Wildcard, &[(0, "issue", "ca1.example.net")]), Permit);
    assert_eq!(ask(name, &[ca1, (128, "tbs", "Unknown")]), Prohibit);
}

proptest::proptest! {
    #[test]
    fn arbitrary_octets_never_panic_and_never_authorise(rdata: Vec<u8>, flags: u8, value: Vec<u8>) {
        let _ = parse_property(&rdata);
        let random = CaaProperty { flags, tag: b"issue"[..].into(), value: value.into() };
        let issuer_domains = ["not.to.be.guessed.example".to_owned()];
        let question = CaaQuestion {
            scope: CaaScope::Name,
            issuer_domains: &issuer_domains,
            account_uris: &[],
            method_label: None,
            rules: CaaRules::default(),
        };
        proptest::prop_assert_eq!(evaluate(&[random], &question).basis, CaaBasis::Unauthorized);
    }
}
