//! What clients are answered: decisions, refusals, and what is no request at all.

use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::http_client::HttpClient;
use mpic_tests::internet::{Content, DIGEST, KEY_AUTHORIZATION};
use serde_json::{Value, json};

const SITE: &str = "honest.example";
const FORBIDDEN: &str = "forbidden.example";

async fn system() -> Cluster {
    let internet =
        Content::new().honest(SITE).site(FORBIDDEN).caa(FORBIDDEN, "0 issue \"other.example\"");
    Cluster::start_with(Choices { gateway: true, ..Choices::of(internet) }).await
}

fn dcv(target: &str, parameters: &Value) -> Value {
    json!({
        "check_type": "dcv",
        "domain_or_ip_target": target,
        "dcv_check_parameters": parameters,
    })
}

#[tokio::test]
async fn clients_of_the_api_are_answered_as_it_says() {
    let cluster = system().await;
    let client = &HttpClient::of(&cluster);
    let cases = cases!((client) =>
        a_caa_check_is_decided,
        a_prohibition_is_no_error,
        acme_dns_01_is_validated,
        acme_http_01_is_validated,
        what_is_not_there_is_a_failure_that_was_completed,
        a_target_that_is_no_identifier_is_not_valid,
        every_issue_of_a_request_is_listed,
        who_does_not_say_who_it_is_is_turned_away,
        other_paths_and_methods_are_told_apart,
        a_body_that_is_too_large_is_not_read,
        a_refused_attempt_is_tried_as_often_as_was_asked,
    );
    all_hold(cases).await;
}

async fn a_caa_check_is_decided(client: &HttpClient) {
    let request = json!({
        "check_type": "caa",
        "domain_or_ip_target": "Honest.Example",
        "trace_identifier": "order-9",
        "caa_check_parameters": { "certificate_type": "tls-server", "caa_domains": ["CA.example"] },
        "orchestration_parameters": { "perspective_count": 3, "quorum_count": 2 },
    });
    let answered = client.post(&request).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(answered.at("/is_valid"), true, "{answered:?}");
    assert_eq!(answered.at("/mpic_completed"), true);
    assert_eq!(answered.at("/domain_or_ip_target"), "Honest.Example");
    assert_eq!(answered.at("/trace_identifier"), "order-9");
    assert_eq!(answered.at("/caa_check_parameters/caa_domains/0"), "CA.example");
    assert_eq!(answered.at("/previous_attempt_results"), json!([]));
    let used = &answered.body["actual_orchestration_parameters"];
    let count = used["perspective_count"].as_u64().unwrap();
    assert!(count >= 4 && used["quorum_count"] == count, "{used}");
    assert_eq!(used["attempt_count"], 1);
    let perspectives = answered.body["perspectives"].as_array().unwrap();
    assert_eq!(perspectives.len() as u64, count);
    let first = &perspectives[0]["check_response"];
    assert_eq!(first["details"]["caa_record_present"], true);
    assert_eq!(first["details"]["found_at"], SITE);
    assert_eq!(first["details"]["records_seen"], Value::Null);
    assert_eq!(first["errors"], json!([]));
    let adjusted = format!("perspective_count=(3 {count}), quorum_count=(2 {count})");
    assert_eq!(answered.header("mpic-adjusted"), adjusted);
    assert!(answered.header("mpic-receipt").starts_with("stream=\"MPIC_AUDIT\", seq="));
    assert!(answered.header("mpic-policy").starts_with("profile=\"strict\", date=\""));
    assert_eq!(answered.header("cache-control"), "no-store");
}

async fn a_prohibition_is_no_error(client: &HttpClient) {
    let answered =
        client.post(&json!({ "check_type": "caa", "domain_or_ip_target": FORBIDDEN })).await;
    assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(false)), "{answered:?}");
    assert_eq!(answered.at("/mpic_completed"), true);
    let response = answered.at("/perspectives/0/check_response");
    assert_eq!(response["check_completed"], true);
    assert_eq!(response["check_passed"], false);
    assert_eq!(response["errors"], json!([]));
    assert_eq!(answered.header("mpic-shortfall"), "quorum, registries");
}

async fn acme_dns_01_is_validated(client: &HttpClient) {
    let parameters =
        json!({ "validation_method": "acme-dns-01", "key_authorization_hash": DIGEST });
    let answered = client.post(&dcv(SITE, &parameters)).await;
    assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(true)), "{answered:?}");
    assert_eq!(answered.at("/dcv_check_parameters"), parameters);
    let details = answered.at("/perspectives/0/check_response/details");
    assert_eq!(details["validation_method"], "acme-dns-01");
    assert_eq!(details["records_seen"], json!([DIGEST]));
    assert_eq!(details["response_code"], 0);
    assert_eq!(details["found_at"], "_acme-challenge.honest.example");
    assert_eq!(details["cname_chain"], json!([]));
    assert!(details["ad_flag"].is_boolean());
    assert_eq!(answered.header("mpic-quorum"), "\"6/6\"");
}

async fn acme_http_01_is_validated(client: &HttpClient) {
    let parameters = json!({
        "validation_method": "acme-http-01",
        "token": "token-1",
        "key_authorization": KEY_AUTHORIZATION,
        "http_headers": null,
    });
    let answered = client.post(&dcv(SITE, &parameters)).await;
    assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(true)), "{answered:?}");
    assert_eq!(answered.at("/dcv_check_parameters/http_headers"), Value::Null);
    let details = answered.at("/perspectives/0/check_response/details");
    assert_eq!(details["response_history"], json!([]));
    assert_eq!(details["response_status_code"], 200);
    let url = "http://honest.example/.well-known/acme-challenge/token-1";
    assert_eq!(details["response_url"], url);
    let page = data_encoding::BASE64.encode(KEY_AUTHORIZATION.as_bytes());
    assert_eq!(details["response_page"], page);
    assert_eq!(details["resolved_ip"], "127.0.3.1");
}

async fn what_is_not_there_is_a_failure_that_was_completed(client: &HttpClient) {
    let parameters = json!({ "validation_method": "acme-dns-01", "key_authorization_hash": "x" });
    let answered = client.post(&dcv(FORBIDDEN, &parameters)).await;
    assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(false)), "{answered:?}");
    let response = answered.at("/perspectives/0/check_response");
    assert_eq!(response["check_completed"], true);
    assert_eq!(response["errors"][0]["error_type"], "mpic_error:dcv_checker:lookup");
    let message = response["errors"][0]["error_message"].as_str().unwrap();
    assert!(message.starts_with("dns_nxdomain: "), "{message}");
    assert_eq!(response["details"]["response_code"], 3);
    assert_eq!(response["details"]["records_seen"], json!([]));
}

async fn a_target_that_is_no_identifier_is_not_valid(client: &HttpClient) {
    for target in ["1.2.3.256", "", "no name", "_x.example.com", "a\u{0}.example", "u@example.com"]
    {
        let request = json!({
            "check_type": "caa",
            "domain_or_ip_target": target,
            "orchestration_parameters": { "perspective_count": 5 },
        });
        let answered = client.post(&request).await;
        assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(false)), "{target:?}");
        assert_eq!(answered.header("mpic-refused"), "identifier_syntax");
        assert_eq!(answered.header("mpic-job"), "", "no job can carry it");
        assert_eq!(answered.at("/domain_or_ip_target"), target);
        assert_eq!(answered.at("/perspectives"), json!([]));
        let used = json!({ "perspective_count": 5, "quorum_count": 5, "attempt_count": 0 });
        assert_eq!(answered.at("/actual_orchestration_parameters"), used);
    }
}

async fn every_issue_of_a_request_is_listed(client: &HttpClient) {
    let request = json!({
        "check_type": "caa",
        "orchestration_parameters": { "perspective_count": "x" },
        "caa_check_parameters": { "certificate_type": "code", "caa_domains": [""] },
    });
    let answered = client.post(&request).await;
    assert_eq!(answered.status, 400);
    assert_eq!(answered.at("/error"), "request-validation-failed");
    let issues = answered.at("/validation_issues");
    let kinds: Vec<_> =
        issues.as_array().unwrap().iter().map(|issue| issue["issue_type"].clone()).collect();
    assert_eq!(kinds, ["missing", "int_parsing", "enum", "invalid-caa-domain"]);
    let answered = client.post_octets(b"{\"a\":1,\"a\":2}").await;
    assert_eq!(answered.at("/validation_issues/0/issue_type"), "json_invalid");
    let counts = json!({ "perspective_count": 7 });
    let request = json!({ "domain_or_ip_target": SITE, "orchestration_parameters": counts });
    let answered = client.post(&request).await;
    assert_eq!(answered.at("/validation_issues/0/msg"), "Invalid perspective count: 7");
}

async fn who_does_not_say_who_it_is_is_turned_away(client: &HttpClient) {
    for fields in ["", "x-api-key: wrong", "authorization: Bearer wrong"] {
        let answered = client.ask("POST", "/mpic", fields, b"{}").await;
        assert_eq!(answered.status, 401);
        assert_eq!(answered.body, json!({ "error": "unauthorized" }));
        assert_eq!(answered.header("www-authenticate"), "Bearer realm=\"mpic\"");
    }
    let bearer = format!("authorization: Bearer {}", client.key);
    let answered = client.ask("POST", "/v1//mpic/", &bearer, b"{}").await;
    assert_eq!(answered.status, 400);
}

async fn other_paths_and_methods_are_told_apart(client: &HttpClient) {
    let ask = |method: &'static str, path: &'static str| async move {
        client.ask(method, path, "", b"").await
    };
    assert_eq!(ask("GET", "/").await.status, 404);
    let refused = ask("GET", "/mpic").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
    assert_eq!(ask("GET", "/healthz").await.body, json!({ "status": "healthy" }));
    assert_eq!(ask("GET", "/v1/readyz").await.body, json!({ "status": "ready" }));
    let head = ask("HEAD", "/healthz").await;
    assert_eq!((head.status, head.header("content-length")), (200, "20"));
    assert_eq!(ask("GET", "/openapi.json").await.at("/info/version"), "3.5.0");
}

async fn a_body_that_is_too_large_is_not_read(client: &HttpClient) {
    let answered = client.post_octets(&vec![b' '; 40_000]).await;
    assert_eq!(answered.status, 413);
    let fields = format!("x-api-key: {}\r\ncontent-type: text/plain", client.key);
    assert_eq!(client.ask("POST", "/mpic", &fields, b"{}").await.status, 415);
    let padding = format!("x-padding: {}", "a".repeat(17_000));
    let answered = client.ask("POST", "/mpic", &padding, b"{}").await;
    assert_eq!(answered.body, json!({ "error": "head-too-large" }));
}

async fn a_refused_attempt_is_tried_as_often_as_was_asked(client: &HttpClient) {
    let request = json!({
        "check_type": "caa",
        "domain_or_ip_target": FORBIDDEN,
        "orchestration_parameters": { "max_attempts": 10 },
    });
    let answered = client.post(&request).await;
    assert_eq!(answered.at("/actual_orchestration_parameters/attempt_count"), 3, "{answered:?}");
    assert_eq!(answered.body["previous_attempt_results"].as_array().unwrap().len(), 2);
    assert_eq!(answered.header("mpic-job").split(", ").count(), 3);
    assert_eq!(answered.header("mpic-adjusted"), "max_attempts=(10 3)");
}
