use proptest::prelude::*;

use super::*;
use crate::testing::{dns_01_job, http_01_job, job_id};

fn errors(job: &Job) -> Vec<String> {
    Job::parse(&job.to_body()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_job_is_parsed_as_it_is_encoded() {
    for job in [dns_01_job("honest.example"), http_01_job("honest.example")] {
        assert_eq!(Job::parse(&job.to_body()), Ok(job));
    }
}

#[test]
fn an_id_tells_when_it_was_made() {
    assert_eq!(job_id(7).time(), UnixMs(1_800_000_000_007));
    assert_eq!(JobId::try_from(Fixed([0; 16])), Err(JobIdError));
    assert_eq!(job_id(1).to_string().parse(), Ok(job_id(1)));
}

#[test]
fn http_01_does_not_validate_a_wildcard() {
    let mut job = http_01_job("honest.example");
    job.identifier = Identifier::parse("*.honest.example").unwrap();
    assert_eq!(errors(&job), ["dcv.method `acme-http-01`: 3.2.2.4.19 does not validate wildcards"]);
}

#[test]
fn every_error_is_listed_at_once() {
    #[derive(Serialize)]
    struct Bad {
        ca: &'static str,
        certificate_type: &'static str,
        identifier: IdentifierPart,
        dcv: DcvPart,
        budget_ms: u64,
        surprise: bool,
    }
    #[derive(Serialize)]
    struct IdentifierPart {
        kind: &'static str,
        value: &'static str,
    }
    #[derive(Serialize)]
    struct DcvPart {
        method: &'static str,
    }
    let bad = Bad {
        ca: "Not A Code",
        certificate_type: "code-signing",
        identifier: IdentifierPart { kind: "dns", value: "no name" },
        dcv: DcvPart { method: "carrier-pigeon" },
        budget_ms: 1,
        surprise: true,
    };
    let errors = Job::parse(&encode_body(Kind::Job, &bad)).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "ca",
            "job",
            "certificate_type",
            "identifier.value",
            "dcv.method",
            "budget_ms",
            "surprise"
        ]
    );
}

#[test]
fn an_authorization_domain_name_is_the_name_or_above_it() {
    let mut job = dns_01_job("a.honest.example");
    let mut with = |adn: &str| {
        job.dcv.as_mut().unwrap().adn = Some(adn.parse().unwrap());
        Job::parse(&job.to_body())
    };
    assert!(with("honest.example").is_ok());
    assert!(with("other.example").is_err());
    let mut job = http_01_job("a.honest.example");
    job.dcv.as_mut().unwrap().adn = Some("honest.example".parse().unwrap());
    assert_eq!(errors(&job), ["dcv.adn `honest.example`: this method validates the name itself"]);
}

#[test]
fn a_mailbox_needs_an_s_mime_certificate() {
    let mut job = dns_01_job("honest.example");
    job.identifier = Identifier::parse("u@honest.example").unwrap();
    assert_eq!(
        errors(&job),
        ["identifier `@honest.example`: no identifier of a tls-server certificate"]
    );
    job.certificate_type = CertificateType::SMime;
    assert_eq!(Job::parse(&job.to_body()), Ok(job));
}

#[test]
fn a_caa_check_names_an_issuer() {
    let mut job = dns_01_job("honest.example");
    job.issuer_domains.clear();
    assert_eq!(errors(&job), ["issuer_domains `[]`: a CAA check needs a name to look for"]);
}

#[test]
fn the_label_of_rfc_8657_follows_from_the_method() {
    let mut job = dns_01_job("honest.example");
    job.caa = Some(Caa::default());
    let parsed = Job::parse(&job.to_body()).unwrap();
    assert_eq!(parsed.caa.unwrap().method_label.as_deref(), Some("dns-01"));
}

proptest! {
    #[test]
    fn a_changed_octet_never_panics(at in 0usize..600, to in any::<u8>()) {
        let mut body = http_01_job("honest.example").to_body();
        let at = at % body.len();
        body[at] = to;
        let _ = Job::parse(&body);
    }
}
