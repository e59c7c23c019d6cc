//! Octets that are no job, jobs that nobody may perform, and the refusal that each is owed.

use std::time::Duration;

use futures_util::StreamExt;
use mpic_common::job::{Job, JobId};
use mpic_common::limits::JOB_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_common::signature::SigningKey;
use mpic_common::subject;
use mpic_common::wire::envelope;
use mpic_common::wire::strict::Value;
use mpic_common::wire::{Envelope, Kind};
use mpic_runtime::ca_client::Submission;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_tests::cases;
use mpic_tests::cases::all_hold;
use mpic_tests::certification_authority::{
    CertificationAuthority, caa, carried, dns_01, http_01, id_made_at, octets,
};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::{Content, identifier};
use mpic_tests::messagepack::Message;

#[tokio::test(flavor = "multi_thread")]
async fn bad_jobs_are_refused_by_name_and_recorded() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let told = a_refusal_is_told(&ca).await;
    all_hold(cases!((&ca) =>
        octets_that_are_no_message_are_malformed,
        an_envelope_has_its_five_fields_in_order_and_no_other,
        a_message_of_another_type_is_malformed,
        another_version_is_named,
        the_largest_job_is_taken_and_one_octet_more_is_malformed,
        a_body_that_is_no_strict_map_is_refused,
        an_unknown_field_may_restrict_so_it_is_refused,
        every_error_of_a_job_is_listed,
        the_jobs_of_the_quickstart_are_refused_with_every_error,
        a_job_of_another_ca_is_forbidden,
        an_issuer_that_is_not_this_cas_is_forbidden,
        a_signature_that_does_not_hold_is_forbidden,
        a_job_from_the_past_or_the_future_is_expired,
        a_job_whose_deadline_has_passed_is_expired,
        a_job_id_is_a_uuid_of_version_7,
    ))
    .await;
    an_answer_goes_to_an_inbox_of_the_asking_ca_alone(&cluster, &ca).await;
    let log = cluster.audited(&ca).await;
    assert!(log.entries.contains(&told), "it is on record as it was told");
    let recorded = log.refusals().len();
    assert!(recorded >= 10, "beyond ten a second they are only counted, not {recorded}");
}

/// The refusal of octets that are no job, as it was told.
async fn a_refusal_is_told(ca: &CertificationAuthority) -> Vec<u8> {
    carried(&ca.ask_once(&octets("no job")).await)
}

/// The code of a refusal of octets that hold no job: signed over zeros.
async fn code_of(ca: &CertificationAuthority, sent: &[u8]) -> RefusalCode {
    let refusal = ca.refusal(&octets(sent)).await;
    assert_eq!((refusal.retry_after_ms, refusal.count), (None, 1), "{refusal:?}");
    assert!(!refusal.errors.is_empty(), "{refusal:?}");
    refusal.code
}

/// The envelope of a good job, as octets.
fn good() -> Vec<u8> {
    envelope::unsigned(Kind::Job, &dns_01("honest.example").to_body())
}

/// The submission of a body, whatever it is, unsigned.
fn body(job: JobId, body: &[u8]) -> Submission {
    let octets = envelope::unsigned(Kind::Job, body);
    Submission { job, octets, digest: Hash::of(body), budget: Duration::from_secs(30) }
}

/// The refusal of a good job in whose body something is changed.
async fn refused(
    ca: &CertificationAuthority,
    change: impl FnOnce(Message<'_>) -> Message<'_>,
) -> RefusalRecord {
    let job = dns_01("honest.example");
    let good = job.to_body();
    let changed = change(Message::read(&good)).octets();
    ca.refusal(&body(job.id, &changed)).await
}

fn fields(refusal: &RefusalRecord) -> Vec<&str> {
    refusal.errors.iter().map(|error| error.field.as_str()).collect()
}

async fn octets_that_are_no_message_are_malformed(ca: &CertificationAuthority) {
    let trailing = [good(), vec![0xC0]].concat();
    let half = &good()[..40];
    let deep = [[0x81, 0xA1, b'v'].repeat(2_000), vec![0x80]].concat();
    let lying = b"\xdf\xff\xff\xff\xff".to_vec();
    for sent in [b"".as_slice(), b"\xc1", b"\x90", b"job", half, &trailing, &deep, &lying] {
        assert_eq!(code_of(ca, sent).await, RefusalCode::Malformed, "{sent:02x?}");
    }
}

async fn an_envelope_has_its_five_fields_in_order_and_no_other(ca: &CertificationAuthority) {
    let good = good();
    let read = || Message::read(&good);
    let Value::Bin(body) = read().field("body").clone() else { panic!("a body is bin") };
    let as_array: Vec<_> = body.iter().map(|octet| Value::Uint((*octet).into())).collect();
    let text = String::from_utf8_lossy(body).into_owned();
    let late_type = read().without("type").with("type", Value::Str("job"));
    for (what, changed) in [
        ("one more field", read().with("note", Value::Nil)),
        ("a field less", read().without("sig")),
        ("another order", late_type),
        ("a body that is an array of integers", read().with("body", Value::Array(as_array))),
        ("a body that is text", read().with("body", Value::Str(&text))),
        ("a key without a signature", read().with("key", Value::Bin(&[1; 8]))),
        (
            "a short signature",
            read().with("key", Value::Bin(&[1; 8])).with("sig", Value::Bin(&[1; 63])),
        ),
        ("a negative version", read().with("v", Value::Negative(-1))),
    ] {
        assert_eq!(code_of(ca, &changed.octets()).await, RefusalCode::Malformed, "{what}");
    }
    let (before, after) = good.split_at(1);
    let twice = [&[before[0] + 1], b"\xa1v\x01".as_slice(), after].concat();
    assert_eq!(code_of(ca, &twice).await, RefusalCode::Malformed, "a field twice");
}

async fn a_message_of_another_type_is_malformed(ca: &CertificationAuthority) {
    let body = dns_01("honest.example").to_body();
    for kind in [Kind::Assignment, Kind::Decision, Kind::Answer, Kind::Directory] {
        let sent = envelope::unsigned(kind, &body);
        assert_eq!(code_of(ca, &sent).await, RefusalCode::Malformed, "{kind}");
    }
    let good = good();
    let unknown = Message::read(&good).with("type", Value::Str("question")).octets();
    assert_eq!(code_of(ca, &unknown).await, RefusalCode::Malformed);
}

async fn another_version_is_named(ca: &CertificationAuthority) {
    let good = good();
    for version in [0, 2, u64::MAX] {
        let sent = Message::read(&good).with("v", Value::Uint(version)).octets();
        let refusal = ca.refusal(&octets(sent)).await;
        assert_eq!(refusal.code, RefusalCode::UnsupportedVersion);
        let said = format!("v {version} is not supported, this process speaks v 1");
        assert_eq!(refusal.errors[0].reason, said);
    }
}

async fn the_largest_job_is_taken_and_one_octet_more_is_malformed(ca: &CertificationAuthority) {
    // A header of the CA's own fills the job up to any size.
    let filled = |octets: usize| {
        let mut job = http_01("honest.example");
        let uri = |length: usize| format!("https://ca.example/acct/{}", "x".repeat(length));
        let asked = job.caa.as_mut().unwrap();
        asked.account_uris = (0..6).map(|_| uri(990)).collect();
        let size = |job: &Job| ca.submission(job).octets.len();
        let left = octets - size(&job) - uri(0).len() - 2;
        job.caa.as_mut().unwrap().account_uris.push(uri(left.min(900)));
        let left = octets - size(&job) - uri(0).len() - 2;
        job.caa.as_mut().unwrap().account_uris.push(uri(left));
        let difference = size(&job).abs_diff(octets);
        let last = job.caa.as_mut().unwrap().account_uris.last_mut().unwrap();
        *last = uri(left - difference);
        assert_eq!(size(&job), octets);
        job
    };
    let decision = ca.decision(&filled(JOB_OCTETS_MAX)).await.decision;
    assert_eq!(decision.replies.len() + decision.missing.len(), 7);
    let refusal = ca.refusal(&ca.submission(&filled(JOB_OCTETS_MAX + 1))).await;
    assert_eq!((refusal.code, refusal.job), (RefusalCode::Malformed, None));
    let huge = ca.refusal(&octets(vec![0xC4; 200_000])).await;
    assert_eq!(huge.code, RefusalCode::Malformed);
}

async fn a_body_that_is_no_strict_map_is_refused(ca: &CertificationAuthority) {
    let job = dns_01("honest.example");
    let good = job.to_body();
    let read = || Message::read(&good);
    let id = *job.id.octets();
    let items: Vec<_> = id.iter().map(|octet| Value::Uint((*octet).into())).collect();
    for (what, changed) in [
        ("octets after the end", [good.clone(), vec![0x80]].concat()),
        ("an array", b"\x91\x01".to_vec()),
        ("nothing", Vec::new()),
        ("an id that is an array", read().with("job", Value::Array(items)).octets()),
        ("another type inside", read().with("type", Value::Str("assignment")).octets()),
    ] {
        let refusal = ca.refusal(&body(job.id, &changed)).await;
        assert_eq!(refusal.code, RefusalCode::Invalid, "{what}: {refusal:?}");
        assert!(!refusal.errors.is_empty(), "{what}");
    }
}

async fn an_unknown_field_may_restrict_so_it_is_refused(ca: &CertificationAuthority) {
    let refusal = refused(ca, |job| job.with("only_from", Value::Str("eu-central"))).await;
    assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Invalid, vec!["only_from"]));
    let refusal = refused(ca, |job| {
        let Value::Map(mut dcv) = job.field("dcv").clone() else { panic!("dcv is a map") };
        dcv.push(("port", Value::Uint(8_080)));
        job.with("dcv", Value::Map(dcv))
    })
    .await;
    assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Invalid, vec!["dcv.port"]));
}

async fn every_error_of_a_job_is_listed(ca: &CertificationAuthority) {
    let refusal = refused(ca, |job| {
        job.with("certificate_type", Value::Str("code-signing"))
            .with("primary", Value::Str("nobody"))
            .with("dispatch", Value::Uint(1))
            .with("budget_ms", Value::Uint(4_999))
            .with("straggler_wait_ms", Value::Uint(5_001))
            .with("remotes", Value::Uint(21))
            .with("ca_request", Value::Str("a\u{7}b"))
    })
    .await;
    assert_eq!(refusal.code, RefusalCode::Invalid);
    let expected = [
        "ca_request",
        "certificate_type",
        "primary",
        "dispatch",
        "remotes",
        "straggler_wait_ms",
        "budget_ms",
    ];
    assert_eq!(fields(&refusal), expected);
    let shown = refusal.errors.iter().find(|error| error.field == "ca_request").unwrap();
    assert_eq!(shown.value, "a\\x07b", "control characters are escaped");
}

async fn the_jobs_of_the_quickstart_are_refused_with_every_error(ca: &CertificationAuthority) {
    let map = |fields: &[(&'static str, Value<'static>)]| Value::Map(fields.to_vec());
    let refusal =
        refused(ca, |job| job.with("dcv", map(&[("method", Value::Str("acme-dns-02"))]))).await;
    assert_eq!(fields(&refusal), ["dcv.method"], "an unknown method");
    let wildcard = Job { identifier: identifier("*.honest.example"), ..http_01("honest.example") };
    let refusal = ca.refusal(&ca.submission(&wildcard)).await;
    assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Invalid, vec!["dcv.method"]));
    assert_eq!(refusal.job, Some(wildcard.id));
    for name in ["not a name", "UPPER.example", "xn--0.example", "a..example", "honest.example."] {
        let kind = [("kind", Value::Str("dns")), ("wildcard", Value::Bool(false))];
        let owned = name.to_owned();
        let refusal = refused(ca, |job| {
            let named = [kind.as_slice(), &[("value", Value::Str(leak(owned)))]].concat();
            job.with("identifier", Value::Map(named)).with("primary", Value::Uint(0))
        })
        .await;
        assert_eq!(fields(&refusal), ["identifier.value", "primary"], "{name}");
    }
}

/// A test's text outlives it.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

async fn a_job_of_another_ca_is_forbidden(ca: &CertificationAuthority) {
    let job = Job { ca: "ca2".parse().unwrap(), ..dns_01("honest.example") };
    let refusal = ca.refusal(&body(job.id, &job.to_body())).await;
    assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Forbidden, vec!["ca"]));
    assert_eq!(refusal.ca.as_str(), "ca1", "it is recorded under the CA whose subject it was");
}

async fn an_issuer_that_is_not_this_cas_is_forbidden(ca: &CertificationAuthority) {
    let mut job = dns_01("honest.example");
    job.issuer_domains.push("other-ca.example".to_owned());
    let refusal = ca.refusal(&ca.submission(&job)).await;
    assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Forbidden, vec!["issuer_domains"]));
}

async fn a_signature_that_does_not_hold_is_forbidden(ca: &CertificationAuthority) {
    let job = dns_01("honest.example");
    let sealed = |key: &SigningKey| envelope::seal(Kind::Job, &job.to_body(), key, None);
    let stranger = sealed(&SigningKey::from_seed(&[9; 32]));
    let mut altered = sealed(ca.key());
    *altered.last_mut().unwrap() ^= 1;
    let over_zeros = envelope::seal(Kind::Job, &job.to_body(), ca.key(), Some(Hash::ZERO));
    for (what, sent) in [
        ("a key that the directory does not know", stranger),
        ("an altered signature", altered),
        ("a signature over a digest", over_zeros),
    ] {
        let digest = Envelope::parse(&sent, usize::MAX).unwrap().digest();
        let refusal = ca.refusal(&Submission { job: job.id, digest, ..octets(sent) }).await;
        assert_eq!(refusal.code, RefusalCode::Forbidden, "{what}");
    }
}

async fn a_job_from_the_past_or_the_future_is_expired(ca: &CertificationAuthority) {
    let now = SystemClock.now();
    let (past, future) = (Duration::from_secs(180), Duration::from_secs(30));
    for id in [id_made_at(now.minus(past)), id_made_at(now.plus(future))] {
        let job = Job { id, ..dns_01("honest.example") };
        let refusal = ca.refusal(&ca.submission(&job)).await;
        assert_eq!((refusal.code, refusal.job), (RefusalCode::Expired, Some(id)));
    }
}

async fn a_job_whose_deadline_has_passed_is_expired(ca: &CertificationAuthority) {
    let deadline = SystemClock.now().minus(Duration::from_secs(3));
    let job = Job { deadline_ms: Some(deadline), ..dns_01("honest.example") };
    assert_eq!(ca.refusal(&ca.submission(&job)).await.code, RefusalCode::Expired);
}

async fn a_job_id_is_a_uuid_of_version_7(ca: &CertificationAuthority) {
    for id in [vec![0x40; 16], vec![1; 15], vec![]] {
        let refusal = refused(ca, |job| job.with("job", Value::Bin(id.clone().leak()))).await;
        assert_eq!((refusal.code, fields(&refusal)), (RefusalCode::Invalid, vec!["job"]));
        assert_eq!(refusal.job, None);
    }
}

async fn an_answer_goes_to_an_inbox_of_the_asking_ca_alone(
    cluster: &Cluster,
    ca: &CertificationAuthority,
) {
    let client = cluster.client().await;
    let mut anything = client.subscribe("victim.>").await.unwrap();
    let other = subject::answer_inbox(&"ca2".parse().unwrap());
    let mut others = client.subscribe(format!("{other}.>")).await.unwrap();
    let own = "ca1".parse().unwrap();
    let job = ca.submission(&caa("honest.example"));
    for aim in ["victim.1", &format!("{other}.1")] {
        let sent = client.publish_with_reply(
            subject::job(&own),
            aim.to_owned(),
            job.octets.clone().into(),
        );
        sent.await.unwrap();
    }
    client.publish(subject::job(&own), job.octets.clone().into()).await.unwrap();
    client.flush().await.unwrap();
    // The same job, well asked, is new to the coordinator, which reads its jobs in order.
    ca.submit_octets(&job).await.unwrap();
    client.publish("victim.end", "".into()).await.unwrap();
    client.publish(format!("{other}.end"), "".into()).await.unwrap();
    assert_eq!(anything.next().await.unwrap().subject.as_str(), "victim.end");
    assert!(others.next().await.unwrap().subject.ends_with(".end"));
}
