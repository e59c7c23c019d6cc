//! What comes over HTTP.

use std::time::Duration;

use mpic_common::directory::Ca;
use mpic_common::job::{Job, JobId};
use mpic_common::octets::Hash;
use mpic_common::policy::{CertificateType, Stricter};
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_common::time::UnixMs;
use mpic_gateway::refusal::{Meaning, meaning};
use mpic_gateway::request;
use mpic_gateway::translate::{Question, Terms, certificate_type};

use super::Entry;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// The body of a request to the gateway.
pub(super) const GATEWAY_REQUEST: Entry =
    Entry { name: "gateway_request", seeds: || SEEDS.map(Vec::from).into(), run: read_request };

const SEEDS: [&[u8]; 8] = [
    br#"{"check_type":"caa","domain_or_ip_target":"*.example.com","caa_check_parameters":{"certificate_type":"s-mime","caa_domains":["CA.example"],"allow_lookup_failure":"true"},"orchestration_parameters":{"perspective_count":6.0,"quorum_count":"4","max_attempts":3}}"#,
    br#"{"domain_or_ip_target":"a.example.com","trace_identifier":"o-1","dcv_check_parameters":{"validation_method":"acme-http-01","token":"t","key_authorization":"t.k","http_headers":{"X-A":1}}}"#,
    br#"{"domain_or_ip_target":"8.8.8.8","dcv_check_parameters":{"validation_method":"website-change","http_token_path":"/a/b","challenge_value":"a-random-value","match_regex":"^a.*$","url_scheme":"https"}}"#,
    br#"{"domain_or_ip_target":"a.example.com","dcv_check_parameters":{"validation_method":"dns-change","dns_record_type":"CAA","dns_name_prefix":"_p","challenge_value":"a-random-value","require_exact_match":true}}"#,
    br#"{"domain_or_ip_target":"[2600::1]","dcv_check_parameters":{"validation_method":"acme-tls-alpn-01","key_authorization_hash":"50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"}}"#,
    br#"{"domain_or_ip_target":"a.example.com","dcv_check_parameters":{"validation_method":"contact-phone-caa","challenge_value":"+1-555-123-4567","dns_record_type":"CAA"}}"#,
    br#"{"domain_or_ip_target":"8.8.8.8.in-addr.arpa","dcv_check_parameters":{"validation_method":"reverse-address-lookup","challenge_value":"a.example.com."}}"#,
    br#"{"domain_or_ip_target":"a.example.com","dcv_check_parameters":{"validation_method":"dns-persistent","issuer_domain_names":["ca.example"],"expected_account_uri":"https://ca.example/acct/1"}}"#,
];

/// Whatever is sent, it is not our fault: issues are listed, and what the native parser refuses of
/// a job is the client's to mend, or the subject's.
fn read_request(octets: &[u8]) {
    let ca = Ca {
        issuer_domains: vec!["ca.example".to_owned()],
        account_uris: vec!["https://ca.example/acct/".to_owned()],
        sign_jobs: false,
        primary: None,
    };
    let request = match request::read(octets, &ca) {
        Ok(request) => request,
        Err(issues) => return assert!(!issues.is_empty()),
    };
    let code = "ca1".parse().expect("a code");
    let certificates = certificate_type(&request, CertificateType::TlsServer);
    let Ok(question) = Question::new(&request, &code, &ca, certificates) else { return };
    let job = question.job(&Terms {
        id: JobId::new(NOW, &[1; 10]),
        stricter: Stricter::default(),
        straggler_wait: Duration::from_millis(300),
        budget: Duration::from_secs(26),
        deadline: NOW,
    });
    match Job::parse(&job.to_body()) {
        Ok(parsed) => assert_eq!(parsed, job),
        Err(errors) => {
            let refusal = RefusalRecord {
                ca: code,
                job: Some(job.id),
                job_digest: Hash::ZERO,
                coordinator: "c0".parse().expect("a code"),
                code: RefusalCode::Invalid,
                errors,
                cohort: None,
                retry_after_ms: None,
                at_ms: NOW,
                count: 1,
            };
            let meant = meaning(&refusal, &job, 4, NOW);
            assert_ne!(meant, Meaning::Ours, "{:?}", refusal.errors);
        }
    }
}
