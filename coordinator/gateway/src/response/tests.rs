use std::net::IpAddr;

use mpic_common::directory::Ca;
use mpic_common::evidence::{
    AliasKind, AliasSeen, CaaDecision, CaaSeen, DnsOutcome, DnsSeen, Dnssec, DnssecSource, HopSeen,
    Parameter, Purpose, Transport,
};
use mpic_common::octets::Octets;
use mpic_common::testing::{Fleet, Seen, dns_01_job};

use super::*;
use crate::request;

const AT: UnixMs = UnixMs(1_800_000_000_000);

fn request(body: &Value) -> Request {
    let ca = Ca {
        issuer_domains: vec!["ca.example".to_owned()],
        account_uris: vec!["https://ca.example/acct/".to_owned()],
        sign_jobs: false,
        primary: None,
    };
    request::read(body.to_string().as_bytes(), &ca).unwrap()
}

fn dcv(parameters: &Value) -> Request {
    request(&json!({ "domain_or_ip_target": "example.com", "dcv_check_parameters": parameters }))
}

fn dns_01() -> Request {
    dcv(&json!({ "validation_method": "acme-dns-01", "key_authorization_hash": "x" }))
}

/// What a perspective saw where it passed, without evidence.
fn seen() -> Observation {
    let (fleet, job) = (Fleet::new(5), dns_01_job("example.com"));
    let code = fleet.remotes().next().unwrap().clone();
    let reply = fleet.unsigned_reply(&code, &job, Seen::Expected);
    reply.observations.into_values().next().unwrap()
}

fn failed(reason: Reason, detail: &str) -> Observation {
    Observation {
        verdict: reason.verdict(),
        reason: Some(reason),
        detail: detail.to_owned(),
        observed: None,
        ..seen()
    }
}

fn question(name: &str, qtype: &str, outcome: DnsOutcome) -> DnsSeen {
    DnsSeen {
        name: name.to_owned(),
        qtype: qtype.to_owned(),
        purpose: Purpose::Challenge,
        attempts: 1,
        outcome,
        dnssec: Dnssec::Secure,
        dnssec_source: DnssecSource::ResolverAd,
        chain: vec![],
        answer_owner: None,
        rrset: vec![],
        rrset_count: 0,
        rrset_digest: None,
        min_ttl_s: None,
        rcode: None,
        ad: None,
        ede: vec![],
        transport: Transport::Udp,
        upstreams: vec![],
        resolver: 0,
        elapsed_us: 1,
    }
}

fn response(request: &Request, seen: &Observation, finding: Finding) -> Value {
    let check = check_kind(request);
    let outlook = Outlook::of(seen, finding, check, IdentifierKind::Dns);
    check_response(request, outlook, Some(seen))
}

#[test]
fn a_pass_shows_what_was_seen() {
    let alias = AliasSeen {
        owner: "_acme-challenge.example.com".to_owned(),
        kind: AliasKind::Cname,
        target: "a1.acme.example.net".to_owned(),
        ttl_s: 1,
        dnssec: Dnssec::Secure,
    };
    let question = DnsSeen {
        chain: vec![alias],
        rrset: vec![Octets(b"\x01x".to_vec()), Octets(b"\x02\"\xFF".to_vec())],
        rcode: Some(0),
        ..question("_acme-challenge.example.com", "TXT", DnsOutcome::Answer)
    };
    let address = DnsSeen { purpose: Purpose::Address, ..question.clone() };
    let seen = Observation { dns: vec![question, address], ..seen() };
    let expected = json!({
        "check_type": "dcv", "check_completed": true, "check_passed": true, "errors": [],
        "timestamp_ns": 1_800_000_000_000_000_000_u64,
        "details": {
            "validation_method": "acme-dns-01", "records_seen": ["x", "\"\\xFF"],
            "response_code": 0, "ad_flag": true, "found_at": "_acme-challenge.example.com",
            "cname_chain": ["a1.acme.example.net."],
        },
    });
    assert_eq!(response(&dns_01(), &seen, Finding::Corroborate), expected);
}

#[test]
fn an_empty_answer_is_evidence_and_a_failed_question_is_none() {
    let nxdomain = Observation {
        dns: vec![question("_acme-challenge.example.com", "TXT", DnsOutcome::NxDomain)],
        ..failed(Reason::DnsNxdomain, "_acme-challenge.example.com does not exist")
    };
    let shown = response(&dns_01(), &nxdomain, Finding::Contradict);
    assert_eq!(shown["check_completed"], true);
    assert_eq!(shown["details"]["records_seen"], json!([]));
    assert_eq!(shown["details"]["response_code"], 3);
    let message = "dns_nxdomain: _acme-challenge.example.com does not exist";
    let error = json!({ "error_type": "mpic_error:dcv_checker:lookup", "error_message": message });
    assert_eq!(shown["errors"], json!([error]));

    let bogus = Observation {
        dns: vec![question("_acme-challenge.example.com", "TXT", DnsOutcome::Bogus)],
        ..failed(Reason::DnssecBogus, "signature expired")
    };
    let shown = response(&dns_01(), &bogus, Finding::Unavailable);
    assert_eq!(shown["check_completed"], false);
    for member in ["records_seen", "response_code", "ad_flag", "found_at", "cname_chain"] {
        assert_eq!(shown["details"].get(member), Some(&Value::Null), "{member}");
    }
}

#[test]
fn a_reply_that_does_not_count_is_no_pass() {
    let shown = response(&dns_01(), &seen(), Finding::Unavailable);
    assert_eq!((&shown["check_completed"], &shown["check_passed"]), (&json!(false), &json!(false)));
    assert_eq!(shown["errors"][0]["error_type"], REMOTE_CHECK);
}

#[test]
fn redirects_are_the_history_and_the_last_answer_is_the_page() {
    let hop = |url: &str, status, location: Option<&[u8]>| HopSeen {
        url: url.to_owned(),
        addr_used: Some(IpAddr::from([192, 0, 2, u8::try_from(status).unwrap()])),
        status: Some(status),
        location: location.map(|octets| Octets(octets.to_vec())),
        body_head: Some(Octets(vec![b'a'; 256])),
        ..HopSeen::default()
    };
    let hops = vec![
        hop("http://example.com/a", 45, Some(b"https://example.com/\xC3\xA9")),
        hop("https://example.com/%C3%A9", 200, None),
    ];
    let request = dcv(&json!({
        "validation_method": "acme-http-01", "token": "t", "key_authorization": "t.k",
    }));
    let seen = Observation { http: hops, ..failed(Reason::HttpStatus, "404") };
    let shown = response(&request, &seen, Finding::Contradict);
    assert_eq!(shown["errors"][0]["error_type"], "mpic_error:http");
    let history = json!([{
        "response_status_code": 45, "response_url": "http://example.com/a",
        "status_code": 45, "url": "https://example.com/é",
    }]);
    assert_eq!(shown["details"]["response_history"], history);
    assert_eq!(shown["details"]["response_url"], "https://example.com/%C3%A9");
    assert_eq!(shown["details"]["resolved_ip"], "192.0.2.45");
    let page = data_encoding::BASE64.encode(&[b'a'; 100]);
    assert_eq!(shown["details"]["response_page"], page);
    let nothing = response(&request, &failed(Reason::ConnectTimeout, ""), Finding::Unavailable);
    assert_eq!(nothing["details"]["response_history"], Value::Null);
}

#[test]
fn contacts_in_caa_are_those_of_their_kind() {
    let request = dcv(&json!({
        "validation_method": "contact-email-caa", "challenge_value": "dns@example.com",
    }));
    let rrset = vec![
        Octets(b"\x00\x0Ccontactemaildns@example.com".to_vec()),
        Octets(b"\x00\x0Ccontactphone+1".to_vec()),
    ];
    let climbed = DnsSeen {
        rrset,
        purpose: Purpose::Contact,
        ..question("example.com", "CAA", DnsOutcome::Answer)
    };
    let seen = Observation { dns: vec![climbed], ..seen() };
    let shown = response(&request, &seen, Finding::Corroborate);
    assert_eq!(shown["details"]["records_seen"], json!(["dns@example.com"]));
    assert_eq!(shown["details"]["found_at"], "example.com");
}

#[test]
fn a_caa_set_that_was_found_is_named_and_not_listed() {
    let request = request(&json!({ "check_type": "caa", "domain_or_ip_target": "a.example.com" }));
    let set = CaaSeen {
        climb: vec![],
        found_at: Some("example.com".to_owned()),
        answer_owner: None,
        records: vec![],
        record_count: 1,
        decision: CaaDecision::Prohibit,
        basis: None,
        authorized_by: None,
        cause: None,
        accounturi: Parameter::Absent,
        validationmethods: Parameter::Absent,
        iodef: vec![],
        min_ttl_s: None,
        issue_by: None,
    };
    let seen =
        Observation { check: CheckKind::Caa, caa: Some(set), ..failed(Reason::CaaProhibited, "") };
    let shown = response(&request, &seen, Finding::Contradict);
    assert_eq!((&shown["check_completed"], &shown["errors"]), (&json!(true), &json!([])));
    let details =
        json!({ "caa_record_present": true, "found_at": "example.com", "records_seen": null });
    assert_eq!(shown["details"], details);
}

#[test]
fn a_certificate_that_was_not_seen_has_no_name() {
    let hash = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c";
    let request = dcv(&json!({
        "validation_method": "acme-tls-alpn-01", "key_authorization_hash": hash,
    }));
    let shown = response(&request, &failed(Reason::TlsHandshake, ""), Finding::Unavailable);
    let expected = json!({ "validation_method": "acme-tls-alpn-01", "common_name": "" });
    assert_eq!(shown["details"], expected);
}

#[test]
fn a_message_has_at_most_512_octets() {
    let seen = failed(Reason::HttpStatus, &"ä".repeat(400));
    let shown = response(&dns_01(), &seen, Finding::Contradict);
    assert!(shown["errors"][0]["error_message"].as_str().unwrap().len() <= MESSAGE_OCTETS_MAX);
}

#[test]
fn a_refusal_names_who_would_have_been_asked() {
    let rules = Rules {
        remotes_min: 4,
        remotes_max: 6,
        registries_min: 2,
        policy: mpic_common::policy::Policy::of(mpic_common::policy::Profile::Strict),
    };
    let request = dns_01();
    let plan = rules.plan(&request.orchestration, 3).unwrap();
    let cohort = ["r1".parse().unwrap(), "r2".parse().unwrap()];
    let shown = refused(&request, &rules, &plan, &[Reason::MethodSunset], &cohort, AT);
    assert_eq!((&shown["is_valid"], &shown["mpic_completed"]), (&json!(false), &json!(false)));
    assert_eq!(shown["perspectives"][1]["perspective_code"], "r2");
    let error = &shown["perspectives"][0]["check_response"]["errors"][0];
    assert_eq!(error["error_type"], "mpic_error:dcv_checker:parameter");
    assert_eq!(error["error_message"], "method_sunset: not asked");
    let nobody = refused(&request, &rules, &plan, &[Reason::IdentifierSyntax], &[], AT);
    let used = json!({ "perspective_count": 4, "quorum_count": 4, "attempt_count": 0 });
    assert_eq!(nobody["actual_orchestration_parameters"], used);
    assert_eq!(nobody["perspectives"], json!([]));
}
