use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use mpic_common::limits::MERGE_DELAY;
use mpic_common::octets::Octets;
use mpic_common::proof::{ProofAnswer, ProofOf, ProofStatus};
use mpic_common::record::RefusalCode;
use mpic_common::testing::{Fleet, dns_01_job, job_id};
use mpic_common::wire::encode_body;
use tokio::time::sleep_until;

use super::*;
use crate::bus::{Closed, SendError, Subscription};

/// What comes to the inbox, and how long after the beginning.
type Script = Vec<(Duration, Said)>;

#[derive(Debug, Clone)]
enum Said {
    Octets(Vec<u8>),
    /// Of the server.
    NobodyServes,
}

/// A bus on which one inbox is listened to.
#[derive(Debug)]
struct Played {
    script: Script,
    sent: Mutex<Vec<OutboundMessage>>,
}

struct Heard(BoxStream<'static, Message>);

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heard")
    }
}

impl Stream for Heard {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Subscription for Heard {
    fn unsubscribe(&mut self) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async { Ok(()) })
    }

    fn unsubscribe_after(&mut self, _: u64) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(async { Ok(()) })
    }
}

impl Bus for Played {
    fn publish(&self, message: OutboundMessage) -> BoxFuture<'_, Result<(), SendError>> {
        self.sent.lock().unwrap().push(message);
        Box::pin(async { Ok(()) })
    }

    fn subscribe(
        &self,
        subject: String,
        _: Option<String>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BusError>> {
        let began = Instant::now();
        let said = stream::iter(self.script.clone()).then(move |(after, said)| {
            let subject = subject.clone();
            async move {
                sleep_until(began + after).await;
                message(&subject, said)
            }
        });
        Box::pin(async { Ok(Box::new(Heard(said.boxed())) as Box<dyn Subscription>) })
    }

    fn is_connected(&self) -> bool {
        true
    }

    fn connects(&self) -> u64 {
        1
    }

    fn random(&self) -> Result<[u8; 16], getrandom::Error> {
        Ok([128; 16])
    }
}

fn message(subject: &str, said: Said) -> Message {
    let (payload, status) = match said {
        Said::Octets(octets) => (octets, None),
        Said::NobodyServes => (Vec::new(), Some(StatusCode::NO_RESPONDERS)),
    };
    Message {
        subject: subject.into(),
        reply: None,
        length: payload.len(),
        payload: payload.into(),
        headers: None,
        status,
        description: None,
    }
}

/// Goes with the runtime's time, from the moment at which the job was made.
struct JobClock(Instant);

impl Clock for JobClock {
    fn now(&self) -> UnixMs {
        job_id(0).time().plus(self.0.elapsed())
    }
}

/// What a CA makes of a job to which this comes, after how long, and how often it sent it.
async fn submit(script: Script) -> (Result<Submitted, SubmitError>, Duration, usize) {
    let bus = Arc::new(Played { script, sent: Mutex::default() });
    let client = CaClient::over(Arc::clone(&bus) as Arc<dyn Bus>, "ca1".parse().unwrap());
    let began = Instant::now();
    let submission = submission();
    let told = client.submit(&submission, &Fleet::new(6).directory(), &JobClock(began)).await;
    let sent = bus.sent.lock().unwrap();
    assert!(sent.iter().all(|sent| sent.payload == submission.octets), "the same octets");
    (told, began.elapsed(), sent.len())
}

fn submission() -> Submission {
    let body = dns_01_job("a.example").to_body();
    Submission::new(job_id(0), &body, Duration::from_secs(5), None)
}

/// An answer that refuses the job, signed by whoever has that name.
fn refusal(code: RefusalCode, signer: &str) -> Said {
    let refusal = RefusalRecord {
        ca: "ca1".parse().unwrap(),
        job: Some(job_id(0)),
        job_digest: submission().digest,
        coordinator: "c0".parse().unwrap(),
        code,
        errors: Vec::new(),
        cohort: None,
        retry_after_ms: code.retry_after_ms(),
        at_ms: job_id(0).time(),
        count: 1,
    };
    let body = encode_body(Kind::Refusal, &refusal);
    let digest = Some(submission().digest);
    let sealed = envelope::seal(Kind::Refusal, &body, &Fleet::key(signer), digest);
    let answer =
        Answer { record: None, stream: None, seq: None, leaf: None, refusal: Some(Octets(sealed)) };
    Said::Octets(envelope::unsigned(Kind::Answer, &encode_body(Kind::Answer, &answer)))
}

fn after(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_believed_ends_nothing() {
    let stranger = refusal(RefusalCode::Invalid, "a stranger");
    let agent = refusal(RefusalCode::Busy, "r0");
    let truth = refusal(RefusalCode::Expired, "c0");
    let noise = Said::Octets(b"+OK".to_vec());
    let script =
        vec![(after(1), noise), (after(2), stranger), (after(3), agent), (after(9), truth)];
    let (told, elapsed, sent) = submit(script).await;
    let Ok(Submitted::Refused(refusal)) = told else { panic!("{told:?}") };
    assert_eq!((refusal.code, elapsed, sent), (RefusalCode::Expired, after(9), 1));
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_could_believe_nothing_says_how_much_came_and_why() {
    let script = (0..50).map(|second| (after(second * 1_000), refusal(RefusalCode::Busy, "r0")));
    let (told, elapsed, sent) = submit(script.collect()).await;
    let Err(SubmitError::Unbelievable { answers, reason }) = told else { panic!("{told:?}") };
    assert_eq!((answers, reason.as_str()), (50, "no coordinator signed it"));
    assert!(elapsed > after(100_000), "it repeats while the job lives, here {elapsed:?}");
    assert_eq!(sent, 12, "every 7 s and a pause");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_answers_is_unanswered() {
    let (told, ..) = submit(vec![(after(0), Said::NobodyServes)]).await;
    assert!(matches!(told, Err(SubmitError::Unanswered(_))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_an_earlier_send_counts_in_the_pause_too() {
    let busy = refusal(RefusalCode::Busy, "c0");
    let (told, elapsed, sent) =
        submit(vec![(after(0), busy), (after(700), refusal(RefusalCode::Invalid, "c0"))]).await;
    assert!(matches!(told, Ok(Submitted::Refused(_))), "{told:?}");
    assert_eq!((elapsed, sent), (after(700), 1));
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_nobody_serves_asks_again_after_half_a_second() {
    let script =
        vec![(after(0), Said::NobodyServes), (after(800), refusal(RefusalCode::Invalid, "c0"))];
    let (told, elapsed, sent) = submit(script).await;
    assert!(matches!(told, Ok(Submitted::Refused(_))), "{told:?}");
    assert_eq!((elapsed, sent), (after(800), 2));
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_is_up_is_not_kept_waiting() {
    let bus = Arc::new(Played { script: Vec::new(), sent: Mutex::default() });
    let client = CaClient::over(bus, "ca1".parse().unwrap());
    let (began, directory) = (Instant::now(), Fleet::new(6).directory());
    let until = began + after(1_000);
    let told = client.submit_until(&submission(), &directory, &JobClock(began), until).await;
    assert!(matches!(told, Err(SubmitError::Late)), "{told:?}");
    assert_eq!(began.elapsed(), after(1_000));
}

/// What a CA makes of a question for a proof to which this comes, after how long, and how often
/// it asked. A text verifies if it is "true".
async fn prove(script: Script) -> (Result<String, NoProof>, Duration, usize) {
    let bus = Arc::new(Played { script, sent: Mutex::default() });
    let client = CaClient::over(Arc::clone(&bus) as Arc<dyn Bus>, "ca1".parse().unwrap());
    let began = Instant::now();
    let verified = |text: &str| match text {
        "true" => Ok(text.to_owned()),
        other => Err(format!("`{other}` does not verify")),
    };
    let told = client.prove(&ProofOf::Job(job_id(0)), verified).await;
    let sent = bus.sent.lock().unwrap().len();
    (told, began.elapsed(), sent)
}

fn proof(status: ProofStatus, text: Option<&str>) -> Said {
    let answer = ProofAnswer { status, proof: text.map(str::to_owned) };
    Said::Octets(envelope::unsigned(Kind::Proof, &encode_body(Kind::Proof, &answer)))
}

#[tokio::test(start_paused = true)]
async fn who_denies_a_proof_or_sends_another_keeps_none_from_who_asked_for_it() {
    let lies = [
        Said::Octets(b"+OK".to_vec()),
        proof(ProofStatus::Ok, Some("another")),
        proof(ProofStatus::Ok, None),
        proof(ProofStatus::NotFound, None),
        proof(ProofStatus::Mismatch, None),
        proof(ProofStatus::Malformed, None),
        proof(ProofStatus::Pending, None),
        Said::NobodyServes,
    ];
    let mut script: Script = lies.into_iter().map(|lie| (after(1), lie)).collect();
    script.push((after(9), proof(ProofStatus::Ok, Some("true"))));
    let (told, elapsed, sent) = prove(script).await;
    assert_eq!((told.unwrap().as_str(), elapsed, sent), ("true", after(9), 1));
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_is_denied_to_the_end_is_told_with_what_was_said() {
    let denied = (0..100).map(|second| (after(second * 1_000), ProofStatus::NotFound));
    let script = denied.map(|(after, status)| (after, proof(status, None))).collect();
    let (told, elapsed, sent) = prove(script).await;
    let Err(NoProof::Denied(ProofStatus::NotFound)) = told else { panic!("{told:?}") };
    assert_eq!(elapsed, MERGE_DELAY);
    assert!((10..25).contains(&sent), "every few seconds, here {sent} times");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_says_nothing_has_no_proof_after_the_merge_delay() {
    let (told, elapsed, sent) = prove(Vec::new()).await;
    let Err(NoProof::Late(why)) = told else { panic!("{told:?}") };
    assert_eq!((elapsed, sent, why.as_str()), (MERGE_DELAY, 2, "no answer came in time"));
}
