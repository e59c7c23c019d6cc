//! Whoever can reach the bus without belonging to the system: what he publishes into the stream is
//! kept as evidence and never believed, and what he tells a CA is no answer.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use futures_util::StreamExt;
use mpic_audit::finding::Severity;
use mpic_cli::command::Exit;
use mpic_common::job::Job;
use mpic_common::limits::{BUDGET_MIN, JOB_LIFETIME};
use mpic_common::octets::{Hash, Octets};
use mpic_common::proof::{ProofAnswer, ProofStatus};
use mpic_common::record::{Answer, DecisionRecord, RefusalCode, leaf_hash};
use mpic_common::signature::SigningKey;
use mpic_common::subject;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::ca_client::{CaClient, Recorded, SubmitError, Submitted, open};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, id_made_at};
use mpic_tests::cluster::{COORDINATOR, Cluster};
use mpic_tests::command_line::mpic;
use mpic_tests::internet::Content;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_outsider_publishes_is_logged_and_never_believed() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let decided = ca.decision(&dns_01("honest.example")).await;
    let before = cluster.audited(&ca).await.entries.len();
    let forged = forgeries(&decided);
    publish(&cluster, &forged).await;
    let log = cluster.verified().await;
    assert_eq!(log.entries[before..], forged, "evidence of the attempt, octet by octet");
    let report = cluster.replay(&ca.kept());
    assert!(!report.has_passed(Severity::Error), "replay finds them");
    for index in before..log.entries.len() {
        let index = u64::try_from(index).unwrap();
        let found = report.findings.iter().any(|finding| finding.index == Some(index));
        assert!(found, "nothing is said of entry {index}: {:#?}", report.findings);
    }
    assert!(
        report.findings.iter().all(|finding| finding.index.is_none_or(|at| at >= before as u64))
    );
    // A directory document that nobody signed disturbs no start either.
    cluster.kill(COORDINATOR).await;
    cluster.start_process(COORDINATOR).await;
    ca.decision(&dns_01("honest.example")).await;
    let log = cluster.verified().await;
    log.holds(&ca.kept());
}

/// Octets that a thief of stream rights would leave there.
fn forgeries(decided: &Recorded) -> Vec<Vec<u8>> {
    let stranger = SigningKey::from_seed(&[9; 32]);
    let body = Envelope::parse(&decided.octets, usize::MAX).unwrap().body.to_vec();
    let mut altered = decided.octets.clone();
    *altered.last_mut().unwrap() ^= 1;
    let other_job = DecisionRecord {
        job: dns_01("other.example").id,
        ..decode_body(Kind::Decision, &body).unwrap()
    };
    let other_job = encode_body(Kind::Decision, &other_job);
    vec![
        b"not even MessagePack".to_vec(),
        vec![],
        altered,
        envelope::unsigned(Kind::Decision, &other_job),
        envelope::seal(Kind::Decision, &other_job, &stranger, Some(Hash::ZERO)),
        envelope::seal(Kind::Directory, &body, &stranger, Some(Hash::ZERO)),
    ]
}

async fn publish(cluster: &Cluster, forged: &[Vec<u8>]) {
    let (jetstream, ca) = (cluster.jetstream().await, "ca1".parse().unwrap());
    for octets in forged {
        let is_directory = Envelope::parse(octets, usize::MAX)
            .is_ok_and(|envelope| envelope.kind == Kind::Directory);
        let decisions = subject::audit_decision(&ca);
        let subject = if is_directory { subject::AUDIT_DIRECTORY } else { &decisions };
        jetstream.publish(subject.to_owned(), octets.clone().into()).await.unwrap().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_squatted_in_the_stream_never_becomes_a_decision() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let decided = ca.decision(&dns_01("honest.example")).await;
    let code = "ca1".parse().unwrap();
    for squatter in [b"mine".to_vec(), decided.octets] {
        let job = dns_01("honest.example");
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, subject::decision_id(&code, &job.id).as_str());
        let jetstream = cluster.jetstream().await;
        let subject = subject::audit_decision(&code);
        let sent = jetstream.publish_with_headers(subject, headers, squatter.into()).await;
        sent.unwrap().await.unwrap();
        let refusal = ca.refusal(&ca.submission(&job)).await;
        assert_eq!((refusal.code, refusal.job), (RefusalCode::Conflict, Some(job.id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_believes_no_answer_that_no_coordinator_signed_over_its_job() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let earlier = ca.decision(&dns_01("honest.example")).await;
    let job = dns_01("honest.example");
    let submission = ca.submission(&job);
    let lies = lies(&cluster, &earlier, submission.digest);
    for (what, lie) in &lies {
        let opened = open(lie, &submission, &cluster.directory(), SystemClock.now());
        assert!(opened.is_err(), "{what}: {opened:?}");
    }
    let told = told(&cluster, &lies, &ca, &job).await;
    assert!(matches!(told, Ok(Submitted::Decided(_))), "what else came ends nothing: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_hears_nothing_but_lies_says_so_when_its_job_is_too_old() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let earlier = ca.decision(&dns_01("honest.example")).await;
    cluster.terminate(COORDINATOR).await;
    let made = SystemClock.now().minus(JOB_LIFETIME.saturating_sub(BUDGET_MIN));
    let job = dns_01("honest.example");
    let job = Job { id: id_made_at(made), budget: Some(BUDGET_MIN), ..job };
    let lies = lies(&cluster, &earlier, ca.submission(&job).digest);
    let told = told(&cluster, &lies, &ca, &job).await;
    let Err(SubmitError::Unbelievable { answers, .. }) = told else { panic!("{told:?}") };
    assert_eq!(answers, lies.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_denies_a_ca_its_proof_or_sends_it_another_keeps_it_from_nothing() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let client = cluster.client().await;
    let mut questions = client.subscribe(subject::proof(&"ca1".parse().unwrap())).await.unwrap();
    client.flush().await.unwrap();
    let lie = |status, proof: Option<&str>| {
        let answer = ProofAnswer { status, proof: proof.map(str::to_owned) };
        envelope::unsigned(Kind::Proof, &encode_body(Kind::Proof, &answer))
    };
    let lying = async {
        let asked = questions.next().await.unwrap().reply.unwrap();
        for lie in [
            b"+OK".to_vec(),
            lie(ProofStatus::Ok, Some("c2sp.org/tlog-proof@v1\nindex 0\n\nforged")),
            lie(ProofStatus::NotFound, None),
            lie(ProofStatus::Mismatch, None),
        ] {
            client.publish(asked.clone(), lie.into()).await.unwrap();
        }
    };
    let dir = cluster.layout().dir().display().to_string();
    let words = ["check", "honest.example", "--dir", &dir, "--wait-for", "checkpoint"];
    let ((exit, text), ()) = tokio::join!(mpic(&words), lying);
    assert_eq!(exit, Exit::Fine, "{text}");
    assert!(text.contains("proven   entry "), "{text}");
    cluster.audited(&ca).await;
}

/// What the CA makes of these answers to the first send of its job, and of what else comes.
async fn told(
    cluster: &Cluster,
    answers: &[(&str, Vec<u8>)],
    ca: &CertificationAuthority,
    job: &Job,
) -> Result<Submitted, SubmitError> {
    let client = cluster.client().await;
    let mut jobs = client.subscribe(subject::JOBS).await.unwrap();
    client.flush().await.unwrap();
    let answering = async {
        let asked = jobs.next().await.unwrap().reply.unwrap();
        for (_, answer) in answers {
            client.publish(asked.clone(), answer.clone().into()).await.unwrap();
        }
    };
    tokio::join!(ca.submit(job), answering).0
}

/// Answers that say the job may be issued for.
fn lies(cluster: &Cluster, earlier: &Recorded, digest: Hash) -> Vec<(&'static str, Vec<u8>)> {
    let answer = |record: Vec<u8>, leaf: Hash| {
        let answer = Answer {
            stream: Some(earlier.stream.clone()),
            seq: Some(earlier.seq),
            leaf: Some(leaf),
            record: Some(Octets(record)),
            refusal: None,
        };
        envelope::unsigned(Kind::Answer, &encode_body(Kind::Answer, &answer))
    };
    let honest = |record: Vec<u8>| {
        let leaf = leaf_hash(&record);
        answer(record, leaf)
    };
    let body = Envelope::parse(&earlier.octets, usize::MAX).unwrap().body.to_vec();
    let sealed = |key: &SigningKey| envelope::seal(Kind::Decision, &body, key, Some(digest));
    let agents = cluster.agent_key(&cluster.primary());
    let coordinator = cluster.coordinator_key(&COORDINATOR.parse().unwrap());
    vec![
        ("nothing", vec![]),
        ("no answer", b"+OK".to_vec()),
        ("the record itself", earlier.octets.clone()),
        ("another job's decision", honest(earlier.octets.clone())),
        ("unsigned", honest(envelope::unsigned(Kind::Decision, &body))),
        ("signed by a stranger", honest(sealed(&SigningKey::from_seed(&[9; 32])))),
        ("signed by an agent", honest(sealed(&agents))),
        ("a body of another job", honest(sealed(&coordinator))),
        ("another leaf", answer(sealed(&coordinator), Hash::ZERO)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_the_directory_does_not_know_is_forbidden() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let unknown: mpic_common::code::CaId = "ca2".parse().unwrap();
    let client = CaClient::connect(cluster.bus(), unknown.clone()).await.unwrap();
    let job = Job { ca: unknown, ..dns_01("honest.example") };
    let body = job.to_body();
    let budget = mpic_common::limits::BUDGET;
    let submission = mpic_runtime::ca_client::Submission::new(job.id, &body, budget, None);
    let told = client.submit(&submission, &cluster.directory(), &SystemClock).await.unwrap();
    let Submitted::Refused(refusal) = told else { panic!("{told:?}") };
    assert_eq!((refusal.code, refusal.ca.as_str()), (RefusalCode::Forbidden, "ca2"));
}
