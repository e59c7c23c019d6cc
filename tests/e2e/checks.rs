//! What the primary perspective determines, through real DNS and web servers: rows of the
//! behaviour table, each by its number.

use domain::base::Rtype;
use mpic_common::challenge::{Challenge, RequestHeaders};
use mpic_common::evidence::{CaaSeen, Parameter};
use mpic_common::job::{Dcv, Job};
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::reason::Reason;
use mpic_internet::config::{Fault, FaultRcode, Page, PageFault, Record};
use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::certification_authority::{
    CertificationAuthority, caa, dns_01, http_01, validation_alone,
};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::{
    CHALLENGE_PATH, Content, DIGEST, KEY_AUTHORIZATION, challenge_name, identifier,
};
use mpic_tests::log::observation;

/// Properties at a name, and why it may not be issued for; nil where it may.
type CaaRow = (&'static str, &'static [&'static str], Option<Reason>);

const PROHIBITED: Option<Reason> = Some(Reason::CaaProhibited);
const CRITICAL: Option<Reason> = Some(Reason::CaaCriticalUnknown);

const CAA_ROWS: &[CaaRow] = &[
    ("c1", &[], None),
    ("c2a", &["0 issue \"ca.example\""], None),
    ("c2b", &["0 ISSUE \"CA.EXAMPLE\""], None),
    ("c2c", &["0 issue \"other.example\""], PROHIBITED),
    ("c2d", &["0 issue \"notca.example\""], PROHIBITED),
    ("c2e", &["0 issue \"x.ca.example\""], PROHIBITED),
    ("c3a", &["0 issue \";\""], PROHIBITED),
    ("c3b", &["0 issue \"\""], PROHIBITED),
    ("c3c", &["0 issue \";\"", "0 issue \"ca.example\""], None),
    ("c4a", &["0 issue \"ca.example;\""], None),
    ("c4b", &["0 issue \"ca.example; foo=1\""], None),
    ("c4c", &["0 issue \"; accounturi=x\""], PROHIBITED),
    ("c5a", &["0 issue \"ca.example; foo=1;\""], PROHIBITED),
    ("c5b", &["0 issue \"ca.example; foo\""], PROHIBITED),
    ("c5c", &["0 issue \"ca.example; a_b=1\""], PROHIBITED),
    ("c6a", &["0 issue \"<script>\""], PROHIBITED),
    ("c6b", &["0 issue \"ca.example.\""], PROHIBITED),
    ("c6c", &["0 issue \"ca.example other.example\""], PROHIBITED),
    ("c6d", &["0 issue \"ca.example.\"", "0 issue \"ca.example\""], None),
    ("c7a", &["0 iodef \"mailto:a@c7.example\""], None),
    ("c7b", &["0 contactemail \"a@c7.example\""], None),
    ("c7c", &["0 unknown \"x\""], None),
    ("c7d", &["0 issuewild \"other.example\""], None),
    ("c8a", &["128 unknown \"x\""], CRITICAL),
    ("c8b", &["129 unknown \"x\""], CRITICAL),
    ("c8c", &["128 unknown \"x\"", "0 issue \"ca.example\""], CRITICAL),
    ("c9a", &["1 unknown \"x\""], None),
    ("c9b", &["127 unknown \"x\""], None),
    ("c10a", &["128 issue \"ca.example\""], None),
    ("c10b", &["128 iodef \"mailto:a@c10.example\""], None),
    ("c10c", &["128 issue \"other.example\""], PROHIBITED),
    ("c12a", &["0 issue \"ca.example\"", "0 issuewild \";\""], None),
    ("c12b", &["0 issue \"other.example\"", "0 issuewild \"ca.example\""], PROHIBITED),
    ("c12c", &["0 issuemail \";\""], None),
    ("c31a", &["0 issue \"ca.example; validationmethods=dns-01,http-01\""], None),
    ("c31b", &["0 issue \"ca.example; validationmethods=http-01\""], PROHIBITED),
    ("c31c", &["0 issue \"ca.example; validationmethods=DNS-01\""], PROHIBITED),
    ("c31d", &["0 issue \"ca.example; validationmethods=\""], PROHIBITED),
    ("c31e", &["0 issue \"ca.example; validationmethods=http-01,,dns-01\""], PROHIBITED),
];

/// Of a wildcard, C11.
const WILDCARD_ROWS: &[CaaRow] = &[
    ("c11a", &["0 issue \"ca.example\""], None),
    ("c11b", &["0 issue \"ca.example\"", "0 issuewild \"other.example\""], PROHIBITED),
    ("c11c", &["0 issue \"other.example\"", "0 issuewild \"ca.example\""], None),
    ("c11d", &["0 issuewild \";\""], PROHIBITED),
];

/// Of a mailbox, C13.
const MAILBOX_ROWS: &[CaaRow] = &[
    ("c13a", &["0 issue \";\""], None),
    ("c13b", &["0 issuemail \"ca.example\""], None),
    ("c13c", &["0 issuemail \"other.example\""], PROHIBITED),
    ("c13d", &["0 issuemail \"%%%\""], PROHIBITED),
    ("c13e", &["0 issuemail \";\"", "0 issuemail \"ca.example\""], None),
    ("c13f", &["128 unknown \"x\""], CRITICAL),
];

fn site(row: &str) -> String {
    format!("{row}.example")
}

fn internet() -> Content {
    let rows = CAA_ROWS.iter().chain(WILDCARD_ROWS).chain(MAILBOX_ROWS);
    let content = rows.fold(Content::new(), |content, (row, properties, _)| {
        properties
            .iter()
            .fold(content.site(&site(row)), |content, property| content.caa(&site(row), property))
    });
    with_pages(with_texts(with_climbs(content)))
}

fn with_climbs(content: Content) -> Content {
    let prohibits = "0 issue \"other.example\"";
    let permits = "0 issue \"ca.example\"";
    let rdata = |name: &str, hex: &str| Record {
        rdata_hex: Some(hex.to_owned()),
        data: None,
        ..Record::new(name, Rtype::CAA, "")
    };
    content
        .site("below.example")
        .caa("below.example", prohibits)
        .site("www.below.example")
        .caa("permits.below.example", permits)
        .caa("iodef.below.example", "0 iodef \"mailto:a@below.example\"")
        .cname("alias.below.example", "target.example")
        .site("target.example")
        .caa("target.example", permits)
        .cname("bare.below.example", "nothing.prohibits.example")
        .zone("prohibits.example", false)
        .caa("prohibits.example", prohibits)
        .record(Record::txt("nothing.prohibits.example", "no CAA here"))
        .site("above.example")
        .cname("alias.above.example", "nothing.prohibits.example")
        .site("servfail.example")
        .caa("servfail.example", permits)
        .site("www.servfail.example")
        .caa_fails("www.servfail.example", FaultRcode::ServFail)
        .site("refused.example")
        .caa_fails("refused.example", FaultRcode::Refused)
        .site("bogus.example")
        .fault(Fault {
            name: "bogus.example".to_owned(),
            rcode: Some(FaultRcode::ServFail),
            ede: Some(6),
            ..Fault::default()
        })
        .caa("c29.example", "0 issue \"ca.example; accounturi=https://ca.example/acct/1\"")
        .record(rdata("c27a.example", "00"))
        .record(rdata("c27b.example", "000061"))
        .record(rdata("c27c.example", "000961"))
}

fn with_texts(content: Content) -> Content {
    let text = |name: &str, text: &str| Record::txt(&challenge_name(name), text);
    let many = |mut content: Content| {
        for number in 0..200 {
            content = content.record(text("t1b.example", &format!("other {number}")));
        }
        content
    };
    let pieces = |name: &str, pieces: &[&str]| Record {
        data: Some(mpic_internet::config::Data::Several(
            pieces.iter().map(|&piece| piece.to_owned()).collect(),
        )),
        ..text(name, "")
    };
    let (one, other) = DIGEST.split_at(6);
    let content = content
        .record(text("t1a.example", DIGEST))
        .record(text("t1b.example", DIGEST))
        .cname("_acme-challenge.t1c.example", "challenges.example")
        .record(Record::txt("challenges.example", DIGEST))
        .record(Record::txt("*.t1d.example", DIGEST))
        .record(pieces("t2a.example", &[one, other]))
        .record(text("t2b.example", one))
        .record(text("t2b.example", other))
        .record(text("t3a.example", &format!("{DIGEST} ")))
        .record(text("t3b.example", &format!("\"{DIGEST}\"")))
        .record(text("t3c.example", &DIGEST.to_uppercase()))
        .record(text("t3d.example", &format!("{DIGEST}=")))
        .record(text("t5a.example", "another value"))
        .site("t5b.example")
        .record(Record::address(&challenge_name("t5c.example"), mpic_tests::internet::WEB))
        .record(Record::txt("t5d.example", DIGEST));
    many(content)
}

fn with_pages(content: Content) -> Content {
    let page = |row: &str| Page::new(&site(row), CHALLENGE_PATH, KEY_AUTHORIZATION);
    let body = |row: &str, body: &str| Page { body: body.to_owned(), ..page(row) };
    let status = |row: &str, status: u16| Page { status: Some(status), ..page(row) };
    let to = |row: &str, location: &str| Page {
        status: Some(302),
        location: Some(location.to_owned()),
        body: String::new(),
        ..page(row)
    };
    let faulty = |row: &str, fault: PageFault| Page { fault: Some(fault), ..page(row) };
    let pages = [
        page("h1a"),
        body("h1b", &format!("{KEY_AUTHORIZATION}\r\n\t ")),
        body("h2a", &format!(" {KEY_AUTHORIZATION}")),
        body("h2b", &format!("{KEY_AUTHORIZATION}x")),
        body("h3", &format!("{KEY_AUTHORIZATION}{}", " ".repeat(600))),
        status("h5a", 203),
        status("h5b", 206),
        status("h6a", 404),
        status("h6b", 500),
        faulty("h7", PageFault::Short),
        to("h11a", "http://h1a.example/.well-known/acme-challenge/token-1"),
        Page { status: Some(303), ..to("h11b", "http://h1a.example/") },
        status("h11c", 304),
        to("h12", CHALLENGE_PATH),
        Page { location: None, ..to("h13", "") },
        to("h14", "//h1a.example/.well-known/acme-challenge/token-1#fragment"),
        to("h15", "ftp://h1a.example/"),
        to("h16a", "http://h1a.example:8080/"),
        to("h16b", "https://h1a.example/.well-known/acme-challenge/token-1"),
        to("h19a", "http://169.254.169.254/latest/meta-data"),
        to("h19b", "http://10.10.10.10/"),
        to("h19c", "http://[::ffff:a0a:a0a]/"),
        to("h22", "http://localhost/"),
        faulty("h25", PageFault::Close),
    ];
    let content = pages.into_iter().fold(content, |content, page| {
        let host = page.host.clone();
        content.site(&host).page(page)
    });
    content
        .zone("h21.example", false)
        .record(Record::address("h21.example", "10.10.10.10".parse().unwrap()))
        .zone("h24.example", false)
        .record(Record::txt("h24.example", "no address"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_determines_what_the_behaviour_table_says() {
    let cluster = Cluster::start(internet()).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let world = World { cluster, ca };
    all_hold(cases!((&world) =>
        caa_of_a_name_is_judged,
        caa_of_a_wildcard_is_judged,
        caa_of_a_mailbox_is_judged,
        caa_is_climbed_to_and_aliases_are_followed,
        a_lookup_that_fails_prohibits_and_says_why,
        caa_binds_an_account_where_the_job_names_one,
        caa_does_not_apply_to_an_address,
        txt_records_are_compared_whole,
        pages_are_compared_and_redirects_followed,
        an_address_that_is_not_allowed_is_not_contacted,
        a_name_under_no_suffix_is_refused_without_traffic,
    ))
    .await;
    world.cluster.audited(&world.ca).await;
}

struct World {
    cluster: Cluster,
    ca: CertificationAuthority,
}

impl World {
    /// What the primary observed.
    async fn observed(&self, job: &Job, check: CheckKind) -> Observation {
        let decision = self.ca.decision(job).await.decision;
        observation(&decision, &self.cluster.primary(), check)
    }

    /// That each row comes out as it must.
    async fn holds(&self, rows: &[CaaRow], job: impl Fn(&str) -> Job) {
        let mut wrong = Vec::new();
        for (row, properties, expected) in rows {
            let seen = self.observed(&job(&site(row)), CheckKind::Caa).await;
            if seen.reason != *expected {
                wrong.push((row, properties, seen.reason, seen.detail));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// That the validation of each site comes out as it must.
    async fn validates(&self, rows: &[(&str, Option<Reason>)], job: impl Fn(&str) -> Job) {
        let mut wrong = Vec::new();
        for (row, expected) in rows {
            let (reason, seen) = self.dcv(job(&site(row))).await;
            if reason != *expected || seen.observed.is_some() != expected.is_none() {
                wrong.push((row, reason, seen.observed, seen.detail));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// What the primary found of CAA, and why it may not be issued for.
    async fn caa(&self, name: &str) -> (Option<Reason>, CaaSeen) {
        let seen = self.observed(&caa(name), CheckKind::Caa).await;
        (seen.reason, seen.caa.unwrap())
    }

    async fn dcv(&self, job: Job) -> (Option<Reason>, Observation) {
        let seen = self.observed(&validation_alone(job), CheckKind::Dcv).await;
        (seen.reason, seen)
    }
}

async fn caa_of_a_name_is_judged(world: &World) {
    world.holds(CAA_ROWS, caa).await;
}

async fn caa_of_a_wildcard_is_judged(world: &World) {
    world.holds(WILDCARD_ROWS, |name| caa(&format!("*.{name}"))).await;
}

async fn caa_of_a_mailbox_is_judged(world: &World) {
    let mailbox = |name: &str| Job {
        certificate_type: mpic_common::policy::CertificateType::SMime,
        identifier: identifier(&format!("someone@{name}")),
        ..caa(name)
    };
    world.holds(MAILBOX_ROWS, mailbox).await;
}

async fn caa_is_climbed_to_and_aliases_are_followed(world: &World) {
    for (row, name, expected, found_at) in [
        ("C14", "www.below.example", PROHIBITED, Some("below.example")),
        ("C14", "absent.below.example", PROHIBITED, Some("below.example")),
        ("C14", "a.b.below.example", PROHIBITED, Some("below.example")),
        ("C15", "permits.below.example", None, Some("permits.below.example")),
        ("C15", "iodef.below.example", None, Some("iodef.below.example")),
        ("C16", "alias.below.example", None, Some("alias.below.example")),
        ("C17", "bare.below.example", PROHIBITED, Some("below.example")),
        ("C17", "alias.above.example", None, None),
    ] {
        let (reason, seen) = world.caa(name).await;
        assert_eq!((reason, seen.found_at.as_deref()), (expected, found_at), "{row} {name}");
    }
    let (_, seen) = world.caa("alias.below.example").await;
    assert_eq!(seen.answer_owner.as_deref(), Some("target.example"));
}

async fn a_lookup_that_fails_prohibits_and_says_why(world: &World) {
    let failed = Some(Reason::CaaLookupFailed);
    let malformed = Some(Reason::CaaMalformedRdata);
    for (row, name, expected, cause) in [
        ("C19", "www.servfail.example", failed, Some(Reason::DnsServfail)),
        ("C19", "refused.example", failed, Some(Reason::DnsRefused)),
        ("C19", "bogus.example", failed, Some(Reason::DnssecBogus)),
        ("C27", "c27a.example", malformed, malformed),
        ("C27", "c27b.example", malformed, malformed),
        ("C27", "c27c.example", malformed, malformed),
    ] {
        let (reason, seen) = world.caa(name).await;
        assert_eq!((reason, seen.cause), (expected, cause), "{row} {name}");
    }
    let (reason, _) = world.dcv(dns_01("bogus.example")).await;
    assert_eq!(reason, Some(Reason::DnsNxdomain), "the fault is of the name itself alone");
}

async fn caa_binds_an_account_where_the_job_names_one(world: &World) {
    for (account, expected, evaluated) in [
        (Some("https://ca.example/acct/1"), None, Parameter::Evaluated),
        (Some("https://ca.example/acct/11"), PROHIBITED, Parameter::Evaluated),
        (None, None, Parameter::NotEvaluated),
    ] {
        let mut job = caa("c29.example");
        job.caa.as_mut().unwrap().account_uris = account.map(str::to_owned).into_iter().collect();
        let seen = world.observed(&job, CheckKind::Caa).await;
        assert_eq!(seen.reason, expected, "{account:?}");
        assert_eq!(seen.caa.unwrap().accounturi, evaluated, "{account:?}");
    }
}

async fn caa_does_not_apply_to_an_address(world: &World) {
    let mut job = caa("c1.example");
    job.identifier = identifier("127.0.3.1");
    let seen = world.observed(&job, CheckKind::Caa).await;
    assert_eq!((seen.reason, seen.dns.len()), (None, 0), "{}", seen.detail);
}

async fn txt_records_are_compared_whole(world: &World) {
    let mismatch = Some(Reason::RecordMismatch);
    let rows = [
        ("t1a", None),
        ("t1b", None),
        ("t1c", None),
        ("t1d", None),
        ("t2a", None),
        ("t2b", mismatch),
        ("t3a", mismatch),
        ("t3b", mismatch),
        ("t3c", mismatch),
        ("t3d", mismatch),
        ("t5a", mismatch),
        ("t5b", Some(Reason::DnsNxdomain)),
        ("t5c", Some(Reason::DnsNodata)),
        ("t5d", Some(Reason::DnsNxdomain)),
    ];
    world.validates(&rows, dns_01).await;
    let (_, seen) = world.dcv(dns_01("t1c.example")).await;
    assert_eq!(seen.dns[0].chain[0].target, "challenges.example", "the alias is evidence");
    let mut below = dns_01("www.t1a.example");
    let adn = "t1a.example".parse().unwrap();
    below.dcv = below.dcv.map(|dcv| Dcv { adn: Some(adn), ..dcv });
    let (reason, seen) = world.dcv(below).await;
    assert_eq!((reason, seen.adn.as_deref()), (None, Some("t1a.example")));
}

async fn pages_are_compared_and_redirects_followed(world: &World) {
    let mismatch = Some(Reason::HttpBodyMismatch);
    let rows = [
        ("h1a", None),
        ("h1b", None),
        ("h2a", mismatch),
        ("h2b", mismatch),
        ("h3", Some(Reason::HttpBodyTooLarge)),
        ("h5a", None),
        ("h5b", Some(Reason::HttpStatus)),
        ("h6a", Some(Reason::HttpStatus)),
        ("h6b", Some(Reason::HttpStatus)),
        ("h7", Some(Reason::HttpBodyIncomplete)),
        ("h11a", None),
        ("h11b", Some(Reason::RedirectStatus)),
        ("h11c", Some(Reason::HttpStatus)),
        ("h12", Some(Reason::RedirectLoop)),
        ("h13", Some(Reason::RedirectLocation)),
        ("h14", None),
        ("h15", Some(Reason::RedirectScheme)),
        ("h16a", Some(Reason::RedirectPort)),
        ("h16b", None),
        ("h19a", Some(Reason::AddrBlocked)),
        ("h19b", Some(Reason::AddrBlocked)),
        ("h19c", Some(Reason::AddrBlocked)),
        ("h21", Some(Reason::AddrBlocked)),
        ("h22", Some(Reason::RedirectHost)),
        ("h24", Some(Reason::DnsNoAddress)),
        ("h25", Some(Reason::ConnectReset)),
    ];
    world.validates(&rows, http_01).await;
    let (_, seen) = world.dcv(http_01("h16b.example")).await;
    assert_eq!(seen.http.len(), 2);
    assert!(seen.http[1].leaf_digest.is_some(), "the certificate is evidence, whoever signed it");
    let challenge = Challenge::AcmeHttp01 {
        token: "token-1".to_owned().try_into().unwrap(),
        key_authorization: "another".to_owned().try_into().unwrap(),
        headers: RequestHeaders::default(),
    };
    let job = Job { dcv: Some(Dcv { adn: None, challenge }), ..http_01("h1a.example") };
    assert_eq!(world.dcv(job).await.0, mismatch);
}

async fn an_address_that_is_not_allowed_is_not_contacted(world: &World) {
    for row in ["h19a", "h19b", "h19c"] {
        let (_, seen) = world.dcv(http_01(&site(row))).await;
        assert_eq!(seen.http.len(), 1, "{row}: the redirect alone");
        assert!(seen.http[0].location.is_some(), "{row}: where it led is on record");
        assert_eq!(seen.used.connects, 1, "{row}");
    }
    let mut job = http_01("h1a.example");
    job.identifier = identifier("10.10.10.10");
    let (reason, seen) = world.dcv(job).await;
    assert_eq!((reason, seen.used.connects), (Some(Reason::IdentifierReservedIp), 0));
}

async fn a_name_under_no_suffix_is_refused_without_traffic(world: &World) {
    for (name, expected) in [
        ("host.local", Reason::IdentifierReservedName),
        ("www.internal", Reason::IdentifierReservedName),
        ("a.onion", Reason::IdentifierOnion),
        ("1.0.0.127.in-addr.arpa", Reason::IdentifierReservedName),
        ("*.co.uk", Reason::IdentifierPublicSuffix),
    ] {
        for check in [CheckKind::Dcv, CheckKind::Caa] {
            let seen = world.observed(&dns_01(name), check).await;
            assert_eq!((seen.reason, seen.dns.len()), (Some(expected), 0), "{name} {check:?}");
            assert_eq!(seen.used.dns_packets, 0, "{name}");
        }
    }
}
