use proptest::prelude::*;

use super::*;
use crate::challenge::Challenge;
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

/// One job of each method, all inputs given.
fn every_challenge() -> Vec<(&'static str, Challenge)> {
    use crate::challenge::{
        ChangeRecord, Contact, ContactKind, ContactRecord, DnsChange, Matching, RequestHeaders,
        Scheme, WebsiteChange,
    };
    use crate::octets::Hash;
    fn text<T: TryFrom<String>>(text: &str) -> T
    where
        T::Error: fmt::Debug,
    {
        text.to_owned().try_into().unwrap()
    }
    let name = "honest.example";
    let contact = |record: ContactRecord, kind, text: &[u8]| Challenge::Contact {
        record,
        contact: Contact::parse(kind, text).unwrap(),
    };
    let website = |path: &str| {
        Challenge::WebsiteChange(WebsiteChange {
            challenge: text("a-request-token"),
            path: text(path),
            scheme: Scheme::Https,
            headers: RequestHeaders::default(),
            match_regex: Some("^a".to_owned()),
            case_sensitive: false,
        })
    };
    vec![
        (name, Challenge::AcmeTlsAlpn01 { digest: Hash([9; 32]) }),
        ("2600::1", Challenge::AcmeTlsAlpn01 { digest: Hash([9; 32]) }),
        (
            "*.honest.example",
            Challenge::DnsAccount01 {
                digest: text("digest"),
                account_url: text("https://ca.example/acct/1"),
            },
        ),
        (
            "8.8.8.8",
            Challenge::DnsPersistent { account_uris: vec![text("https://ca.example/acct/1")] },
        ),
        (
            name,
            Challenge::DnsChange(DnsChange {
                challenge: text("a-random-value-of-some-length"),
                record_type: ChangeRecord::Cname,
                prefix: Some(text("_dnsauth")),
                matching: Matching::Contains,
                case_sensitive: true,
            }),
        ),
        (name, website("a/b.txt")),
        ("8.8.8.8", website("")),
        (name, contact(ContactRecord::EmailCaa, ContactKind::Email, b"a@b.example")),
        (name, contact(ContactRecord::PhoneTxt, ContactKind::Phone, b"+15551234567")),
        (name, Challenge::IpAddress { address: "8.8.8.8".parse().unwrap() }),
        (
            "2600::1",
            Challenge::ReverseAddressLookup { expected_fqdn: "a.example".parse().unwrap() },
        ),
    ]
}

#[test]
fn a_job_of_every_method_is_parsed_as_it_is_encoded() {
    for (name, challenge) in every_challenge() {
        let mut job = dns_01_job("honest.example");
        job.identifier = Identifier::parse(name).unwrap();
        let method = challenge.method_id();
        job.dcv = Some(Dcv { adn: None, challenge });
        let label = job.method().map(|row| row.caa_label.to_owned());
        job.caa = Some(Caa {
            account_uris: vec![],
            method_label: label.filter(|label| !label.is_empty()),
        });
        assert_eq!(Job::parse(&job.to_body()), Ok(job), "{method}");
    }
}

#[test]
fn who_would_be_asked_can_be_told_of_a_job_whose_checks_are_wrong() {
    let mut job = http_01_job("honest.example");
    job.identifier = Identifier::parse("*.honest.example").unwrap();
    let body = job.to_body();
    assert!(Job::parse(&body).is_err());
    let known = without_checks(&body).unwrap();
    assert_eq!((known.dcv, known.caa), (None, None));
    let told = (known.id, &known.ca, &known.identifier, known.primary, known.stricter);
    assert_eq!(told, (job.id, &job.ca, &job.identifier, job.primary, job.stricter));
    assert_eq!(without_checks(b"no job"), None);
}

#[test]
fn several_accounts_need_a_primary_that_is_asked() {
    let uri = |text: &str| text.to_owned().try_into().unwrap();
    let account_uris = vec![uri("https://ca.example/acct/1"), uri("https://ca.example/acct/2")];
    let mut job = dns_01_job("honest.example");
    job.dcv = Some(Dcv { adn: None, challenge: Challenge::DnsPersistent { account_uris } });
    assert!(Job::parse(&job.to_body()).is_ok());
    job.primary = PrimaryMode::External;
    assert_eq!(
        errors(&job),
        ["dcv.account_uris `several`: with an external primary, name the one that it saw"]
    );
}

#[test]
fn a_request_does_not_show_the_site_its_challenge() {
    use crate::challenge::{Scheme, WebsiteChange};
    let mut job = http_01_job("honest.example");
    let mut with = |path: &str| {
        let challenge = Challenge::WebsiteChange(WebsiteChange {
            challenge: "abcdefghijklmnopqrst".to_owned().try_into().unwrap(),
            path: path.to_owned().try_into().unwrap(),
            scheme: Scheme::Http,
            headers: crate::challenge::RequestHeaders::default(),
            match_regex: None,
            case_sensitive: true,
        });
        job.dcv = Some(Dcv { adn: None, challenge });
        job.caa = None;
        Job::parse(&job.to_body())
    };
    assert!(with("file.txt").is_ok());
    assert!(with("x/ABCDEFGHIJKLMNOPQRST").is_err());
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
