//! Checks for S/MIME certificates: the target is the domain of mailboxes.

use mpic_tests::cluster::{Choices, Cluster, GATEWAY};
use mpic_tests::http_client::{Answered, HttpClient};
use mpic_tests::internet::{Content, DIGEST, KEY_AUTHORIZATION};
use serde_json::{Value, json};

const SITE: &str = "honest.example";
/// Whose `issue` names us, and whose `issuemail` another.
const FORBIDDEN: &str = "forbidden.example";

/// Asks, and gives what was answered with 200.
async fn ask(client: &HttpClient, target: &str, more: &[(&str, Value)]) -> Answered {
    let mut request = json!({ "domain_or_ip_target": target });
    for (name, value) in more {
        request[*name] = value.clone();
    }
    let answered = client.post(&request).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_of_mailboxes_is_checked_for_an_s_mime_certificate() {
    let content = Content::new()
        .honest(SITE)
        .site(FORBIDDEN)
        .caa(FORBIDDEN, "0 issue \"ca.example\"")
        .caa(FORBIDDEN, "0 issuemail \"other.example\"");
    let mut cluster = Cluster::start_with(Choices { gateway: true, ..Choices::of(content) }).await;
    cluster.configure(GATEWAY, |config| {
        let ca = config["ca"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
        ca.insert("certificate_type".to_owned(), "s-mime".into());
    });
    cluster.terminate(GATEWAY).await;
    cluster.start_process(GATEWAY).await;
    let client = HttpClient::of(&cluster);

    // A CAA check says itself what it is for, whatever the CA's validations are for.
    let of = |kind: &str| ("caa_check_parameters", json!({ "certificate_type": kind }));
    for (target, kind, is_valid) in
        [(SITE, "s-mime", true), (FORBIDDEN, "s-mime", false), (FORBIDDEN, "tls-server", true)]
    {
        let answered = ask(&client, target, &[of(kind)]).await;
        assert_eq!(answered.at("/is_valid"), is_valid, "{target} {kind}: {answered:?}");
    }

    let dns = json!({ "validation_method": "acme-dns-01", "key_authorization_hash": DIGEST });
    let http = json!({
        "validation_method": "acme-http-01",
        "token": "token-1",
        "key_authorization": KEY_AUTHORIZATION,
    });
    for parameters in [dns.clone(), http] {
        let answered = ask(&client, SITE, &[("dcv_check_parameters", parameters)]).await;
        assert_eq!(answered.at("/is_valid"), true, "{answered:?}");
    }

    // A mailbox, an address and a wildcard are no domain of mailboxes.
    for target in ["user@honest.example", "127.0.3.1", "*.honest.example"] {
        for more in [of("s-mime"), ("dcv_check_parameters", dns.clone())] {
            let answered = ask(&client, target, &[more]).await;
            assert_eq!(answered.at("/is_valid"), false, "{answered:?}");
            assert_eq!(answered.header("mpic-refused"), "identifier_syntax");
            assert_eq!(answered.header("mpic-job"), "", "nobody is asked");
        }
    }
    cluster.verified().await;
}
