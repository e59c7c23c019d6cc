use serde_json::json;

use super::*;

fn ca() -> Ca {
    Ca {
        issuer_domains: vec!["ca.example".to_owned(), "ca.test".to_owned()],
        account_uris: vec!["https://ca.example/acct/".to_owned()],
        sign_jobs: false,
        primary: None,
    }
}

fn read(request: &Value) -> Result<Request, Vec<Issue>> {
    super::read(request.to_string().as_bytes(), &ca())
}

/// Kind and place of each issue.
fn issues(request: &Value) -> Vec<(&'static str, String)> {
    let found = read(request).err().unwrap_or_default();
    found.into_iter().map(|issue| (issue.kind, issue.at.join("."))).collect()
}

fn caa(parameters: &Value) -> Value {
    json!({ "check_type": "caa", "domain_or_ip_target": "a.example", "caa_check_parameters": parameters })
}

fn dcv(parameters: &Value) -> Value {
    json!({ "check_type": "dcv", "domain_or_ip_target": "a.example", "dcv_check_parameters": parameters })
}

fn check(request: &Value) -> Check {
    read(request).unwrap().check
}

/// The issues of validation parameters, by their own names.
fn of(parameters: &Value) -> Vec<(&'static str, String)> {
    let own = |at: String| at.trim_start_matches("dcv_check_parameters.").to_owned();
    issues(&dcv(parameters)).into_iter().map(|(kind, at)| (kind, own(at))).collect()
}

fn assert_issue(parameters: &Value, kind: &'static str, at: &str) {
    assert_eq!(of(parameters), [(kind, at.to_owned())], "{parameters}");
}

#[test]
fn what_is_asked_is_told_by_the_type_or_by_the_parameters() {
    let target = |mut request: Value| {
        request["domain_or_ip_target"] = "a.example".into();
        request
    };
    let method = json!({ "validation_method": "acme-dns-01", "key_authorization_hash": "x" });
    assert!(matches!(check(&target(json!({}))), Check::Caa(_)));
    assert!(matches!(check(&target(json!({ "check_type": null }))), Check::Caa(_)));
    assert!(matches!(check(&target(json!({ "dcv_check_parameters": method }))), Check::Dcv(_)));
    let both = json!({ "dcv_check_parameters": method, "caa_check_parameters": {} });
    assert_eq!(issues(&target(both.clone())), [(kind::MISSING, "check_type".to_owned())]);
    let mut typed = target(both);
    typed["check_type"] = "caa".into();
    assert!(matches!(check(&typed), Check::Caa(_)));
    typed["check_type"] = "CAA".into();
    assert_eq!(issues(&typed), [(kind::ENUM, "check_type".to_owned())]);
    let bare = json!({ "check_type": "dcv", "domain_or_ip_target": "a.example" });
    assert_eq!(issues(&bare), [(kind::MISSING, "dcv_check_parameters".to_owned())]);
}

#[test]
fn each_common_member_has_its_rule() {
    for (member, value, kind) in [
        ("domain_or_ip_target", json!(null), kind::MISSING),
        ("domain_or_ip_target", json!(1), kind::STRING_TYPE),
        ("trace_identifier", json!(1), kind::STRING_TYPE),
        ("trace_identifier", json!("a\nb"), kind::STRING_TYPE),
        ("trace_identifier", json!("ä".repeat(65)), kind::STRING_TOO_LONG),
        ("orchestration_parameters", json!([]), kind::DICT_TYPE),
        ("caa_check_parameters", json!("x"), kind::DICT_TYPE),
    ] {
        let mut request = caa(&json!({}));
        request[member] = value;
        assert_eq!(issues(&request), [(kind, member.to_owned())], "{request}");
    }
    for member in ["perspective_count", "quorum_count", "max_attempts", "cohort_for_single_attempt"]
    {
        let mut request = caa(&json!({}));
        request["orchestration_parameters"] = json!({ member: "many" });
        let at = format!("orchestration_parameters.{member}");
        assert_eq!(issues(&request), [(kind::INT_PARSING, at)]);
    }
}

#[test]
fn unknown_members_are_ignored_and_nulls_are_absent() {
    let request = json!({
        "check_type": "caa", "domain_or_ip_target": "a.example", "surprise": {"x": [1]},
        "orchestration_parameters": null, "trace_identifier": null,
        "caa_check_parameters": {"caa_domains": null, "certificate_type": null, "more": 1},
    });
    let read = read(&request).unwrap();
    assert_eq!(read.parameters, Map::new());
    assert_eq!(read.trace_identifier, None);
    assert_eq!(read.orchestration, Asked::default());
}

#[test]
fn caa_domains_are_those_of_the_registration() {
    let domains = |parameters: &Value| match check(&caa(parameters)) {
        Check::Caa(asked) => asked.issuer_domains,
        Check::Dcv(_) => Vec::new(),
    };
    assert_eq!(domains(&json!({})), ["ca.example", "ca.test"]);
    assert_eq!(domains(&json!({ "caa_domains": [] })), ["ca.example", "ca.test"]);
    assert_eq!(domains(&json!({ "caa_domains": ["CA.test", "ca.test"] })), ["ca.test"]);
    let at = "caa_check_parameters.caa_domains".to_owned();
    for bad in ["", ";", "other.example", "x.ca.example", "ca.example."] {
        let found = issues(&caa(&json!({ "caa_domains": ["ca.example", bad] })));
        assert_eq!(found, [(kind::INVALID_CAA_DOMAIN, at.clone())], "{bad}");
    }
    assert_eq!(issues(&caa(&json!({ "caa_domains": "ca.example" }))), [(kind::LIST_TYPE, at)]);
}

#[test]
fn a_method_is_one_of_those_that_have_parameters() {
    assert_issue(&json!({}), kind::UNION_TAG_NOT_FOUND, "validation_method");
    for bad in [json!("dns-account-01"), json!("ACME-DNS-01"), json!(1), json!("")] {
        let parameters = json!({ "validation_method": bad });
        assert_issue(&parameters, kind::UNION_TAG_INVALID, "validation_method");
    }
}

#[test]
fn each_method_needs_its_members() {
    for (method, needed) in [
        ("acme-http-01", &["token", "key_authorization"][..]),
        ("website-change", &["challenge_value", "http_token_path"]),
        ("acme-dns-01", &["key_authorization_hash"]),
        ("acme-tls-alpn-01", &["key_authorization_hash"]),
        ("dns-change", &["challenge_value", "dns_record_type"]),
        ("contact-email-txt", &["challenge_value"]),
        ("contact-phone-txt", &["challenge_value"]),
        ("contact-email-caa", &["challenge_value"]),
        ("contact-phone-caa", &["challenge_value"]),
        ("ip-address", &["dns_record_type", "challenge_value"]),
        ("reverse-address-lookup", &["challenge_value"]),
        ("dns-persistent", &["issuer_domain_names", "expected_account_uri"]),
    ] {
        let expected: Vec<_> =
            needed.iter().map(|name| (kind::MISSING, (*name).to_owned())).collect();
        assert_eq!(of(&json!({ "validation_method": method })), expected, "{method}");
    }
}

#[test]
fn an_empty_challenge_is_refused_whatever_stands_beside_it() {
    for (method, member) in [
        ("acme-http-01", "token"),
        ("acme-http-01", "key_authorization"),
        ("website-change", "challenge_value"),
        ("dns-change", "challenge_value"),
        ("contact-email-caa", "challenge_value"),
        ("reverse-address-lookup", "challenge_value"),
    ] {
        let parameters = json!({
            "validation_method": method, "token": "t", "key_authorization": "k",
            "challenge_value": "c", "http_token_path": "p", "match_regex": ".*", member: "",
        });
        let found = of(&parameters);
        let expected = (kind::EMPTY_CHALLENGE_VALUE, member.to_owned());
        assert!(found.contains(&expected), "{method} {member}: {found:?}");
    }
}

fn with(base: &Value, member: &str, value: Value) -> Value {
    let mut changed = base.clone();
    changed[member] = value;
    changed
}

#[test]
fn each_member_of_a_website_change_has_its_rule() {
    let good = json!({
        "validation_method": "website-change", "http_token_path": "/p.txt", "challenge_value": "c",
        "url_scheme": "https", "match_regex": null, "http_headers": {"X-Number": 7},
    });
    let Check::Dcv(DcvAsked { challenge: Some(Challenge::WebsiteChange(change)), .. }) =
        check(&dcv(&good))
    else {
        panic!("no website change");
    };
    assert_eq!(change.path.as_str(), "p.txt");
    assert_eq!(change.headers.as_map()["X-Number"], "7");
    for (member, value, kind) in [
        ("http_token_path", json!("../x"), kind::VALUE_ERROR),
        ("http_token_path", json!("a?b"), kind::VALUE_ERROR),
        ("url_scheme", json!("ftp"), kind::ENUM),
        ("match_regex", json!("(?<=a)b"), kind::VALUE_ERROR),
        ("match_regex", json!("("), kind::VALUE_ERROR),
        ("match_regex", json!("a".repeat(513)), kind::VALUE_ERROR),
        ("match_regex", json!("(a{1000}){1000}"), kind::VALUE_ERROR),
        ("http_headers", json!([]), kind::DICT_TYPE),
        ("http_headers", json!({"X": []}), kind::STRING_TYPE),
        ("http_headers", json!({"Host": "x"}), kind::VALUE_ERROR),
        ("http_headers", json!({"X": "a\r\nb"}), kind::VALUE_ERROR),
        ("dns_name_prefix", json!("_x"), kind::LITERAL_ERROR),
    ] {
        assert_issue(&with(&good, member, value), kind, member);
    }
}

#[test]
fn a_digest_of_tls_alpn_is_hex_or_base64url() {
    let hash = |text: &str| json!({ "validation_method": "acme-tls-alpn-01", "key_authorization_hash": text });
    let hex = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c";
    let base64url = "UNhY4JhezH9gQYqvDMWrWH9CwlcKiECVqejMrND2VFw";
    let expected = check(&dcv(&hash(hex)));
    for same in [&hex.to_uppercase(), base64url, &format!("{base64url}=")] {
        assert_eq!(check(&dcv(&hash(same))), expected, "{same}");
    }
    for bad in [
        "",
        "x",
        &hex[1..],
        &format!("{base64url}=="),
        &base64url.replace('-', "+"),
        &base64url[1..],
    ] {
        let found = of(&hash(bad));
        let is_refused =
            found.iter().any(|(kind, _)| *kind == kind::INVALID_KEY_AUTHORIZATION_HASH);
        assert_eq!(is_refused, bad != base64url, "{bad}");
    }
}

#[test]
fn what_a_method_fixes_may_be_said_and_not_changed() {
    let base = json!({ "validation_method": "acme-dns-01", "key_authorization_hash": "x" });
    for good in [json!("_acme-challenge"), json!(""), json!(null)] {
        assert!(of(&with(&base, "dns_name_prefix", good)).is_empty());
    }
    assert_issue(
        &with(&base, "dns_name_prefix", json!("_x")),
        kind::LITERAL_ERROR,
        "dns_name_prefix",
    );
    assert_issue(
        &with(&base, "dns_record_type", json!("CNAME")),
        kind::LITERAL_ERROR,
        "dns_record_type",
    );
    let base = json!({ "validation_method": "dns-change", "dns_record_type": "TXT", "challenge_value": "c" });
    assert_issue(
        &with(&base, "dns_name_prefix", json!("dcv")),
        kind::VALUE_ERROR,
        "dns_name_prefix",
    );
    assert_issue(&with(&base, "dns_record_type", json!("A")), kind::ENUM, "dns_record_type");
    assert_issue(
        &with(&base, "require_exact_match", json!(1)),
        kind::BOOL_PARSING,
        "require_exact_match",
    );
}

#[test]
fn a_challenge_that_can_be_no_such_value_is_a_refusal_and_no_issue() {
    for parameters in [
        json!({ "validation_method": "dns-change", "dns_record_type": "TXT", "challenge_value": " c" }),
        json!({ "validation_method": "contact-email-txt", "challenge_value": "no mailbox" }),
        json!({ "validation_method": "ip-address", "dns_record_type": "A", "challenge_value": "1.2.3.256" }),
        json!({ "validation_method": "ip-address", "dns_record_type": "A", "challenge_value": "::1" }),
        json!({ "validation_method": "reverse-address-lookup", "challenge_value": "a b" }),
    ] {
        let Check::Dcv(asked) = check(&dcv(&parameters)) else { panic!("no validation") };
        assert_eq!(asked.challenge, None, "{parameters}");
    }
}

#[test]
fn persistent_records_are_looked_for_in_the_cas_own_names() {
    let good = json!({
        "validation_method": "dns-persistent", "issuer_domain_names": ["ca.example"],
        "expected_account_uri": "https://ca.example/acct/1",
    });
    assert!(of(&good).is_empty());
    for (member, value, kind) in [
        ("issuer_domain_names", json!([]), kind::VALUE_ERROR),
        ("issuer_domain_names", json!(["other.example"]), kind::VALUE_ERROR),
        ("issuer_domain_names", json!("ca.example"), kind::LIST_TYPE),
        ("expected_account_uri", json!("https://other.example/1"), kind::VALUE_ERROR),
        ("expected_account_uri", json!(""), kind::VALUE_ERROR),
    ] {
        assert_issue(&with(&good, member, value), kind, member);
    }
}
