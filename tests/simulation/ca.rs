//! A CA: repeats the same octets as the real client does, believes what the real client believes,
//! and goes on listening when it has its answer.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode};
use futures_util::StreamExt;
use mpic_common::directory::Directory;
use mpic_common::job::{Dispatch, Job, JobId, PrimaryMode};
use mpic_common::limits::JOB_LIFETIME;
use mpic_common::record::{RefusalCode, leaf_hash};
use mpic_common::subject;
use mpic_common::testing::{Fleet, dns_01_job};
use mpic_runtime::bus::{Bus, Subscription, message};
use mpic_runtime::ca_client::{Submission, Submitted, open};
use mpic_runtime::clock::Clock;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::SkewedClock;
use crate::internet::site_name;
use crate::link::Link;
use crate::op::{Primary, Rng, Site};

/// What the CA has of its jobs, in the order in which it submitted them.
pub(crate) type Jobs = Arc<Mutex<Vec<Submitting>>>;

/// One job of the CA.
#[derive(Debug)]
pub(crate) struct Submitting {
    pub(crate) job: Job,
    /// Whether another job has its id, so that only one of them can be decided.
    pub(crate) is_contested: bool,
    pub(crate) believed: Option<Believed>,
}

/// What the CA believes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Believed {
    Decided { record: Vec<u8>, seq: u64 },
    Refused(RefusalCode),
}

impl fmt::Debug for Believed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided { record, seq } => write!(f, "{} at {seq}", leaf_hash(record)),
            Self::Refused(code) => write!(f, "refused as {}", code.as_str()),
        }
    }
}

/// Between repeats.
const PAUSES_MS: [u64; 4] = [500, 1_000, 2_000, 4_000];

/// The job that an operation asks for.
pub(crate) fn job(
    site: Site,
    primary: Primary,
    budget_ms: u64,
    place: usize,
    clock: &SkewedClock,
    rng: &mut Rng,
) -> Job {
    let mut random = [0; 10];
    random.copy_from_slice(&[rng.next().to_be_bytes(), rng.next().to_be_bytes()].concat()[..10]);
    let mut job = dns_01_job(&site_name(site == Site::Victim, place));
    job.id = JobId::new(clock.now(), &random);
    job.budget = Some(Duration::from_millis(budget_ms));
    match primary {
        Primary::First => job.dispatch = Dispatch::PrimaryFirst,
        Primary::Together => job.dispatch = Dispatch::Together,
        Primary::External => job.primary = PrimaryMode::External,
    }
    job
}

/// The octets of a job's message, signed.
pub(crate) fn sealed(job: &Job) -> Submission {
    let budget = job.budget.unwrap();
    Submission::new(job.id, &job.to_body(), budget, Some(&Fleet::key("ca1")))
}

/// Asks until something can be believed or the job is too old, then listens for ever.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) link: Link,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: SkewedClock,
    pub(crate) jobs: Jobs,
    /// Which of them.
    pub(crate) place: usize,
    /// Of this asking of the job: inboxes are not shared.
    pub(crate) round: u64,
}

/// What one message on the inbox comes to.
enum Heard {
    Nothing,
    Again(Option<Duration>),
    End,
}

impl Asking {
    pub(crate) async fn run(self) {
        let submission = sealed(&self.jobs.lock().unwrap()[self.place].job);
        let ca = "ca1".parse().unwrap();
        let inbox = format!("{}.{}.{}", subject::answer_inbox(&ca), self.place, self.round);
        let Ok(mut answers) = self.link.subscribe(inbox.clone(), None).await else { return };
        let mut pauses = PAUSES_MS.into_iter().chain(std::iter::repeat(4_000));
        loop {
            let _ = self
                .link
                .publish(OutboundMessage {
                    reply: Some(inbox.clone().into()),
                    ..message(subject::job(&ca), submission.octets.clone().into())
                })
                .await;
            let until = Instant::now() + submission.budget + Duration::from_secs(2);
            let Some(wait) = self.hear(&submission, &mut *answers, until).await else { break };
            let pause = wait
                .unwrap_or_else(|| Duration::from_millis(pauses.next().unwrap()))
                .mul_f64([0.9, 1.0, 1.1][crate::op::index(self.round % 3)]);
            if self.clock.now().plus(pause).since(submission.job.time()) >= JOB_LIFETIME {
                break;
            }
            sleep(pause).await;
        }
        while let Some(message) = answers.next().await {
            self.read(&submission, &message);
        }
    }

    /// Listens until there is an end (`None`), or a reason to ask again.
    async fn hear(
        &self,
        submission: &Submission,
        answers: &mut dyn Subscription,
        until: Instant,
    ) -> Option<Option<Duration>> {
        while let Ok(Some(message)) = timeout_at(until, answers.next()).await {
            match self.read(submission, &message) {
                Heard::Nothing => {}
                Heard::Again(wait) => return Some(wait),
                Heard::End => return None,
            }
        }
        Some(None)
    }

    fn read(&self, submission: &Submission, message: &Message) -> Heard {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Heard::Again(None);
        }
        match open(&message.payload, submission, &self.directory, self.clock.now()) {
            // Whoever sent it: it is no answer.
            Err(_) => Heard::Nothing,
            Ok(Submitted::Decided(recorded)) => {
                self.believe(Believed::Decided { record: recorded.octets, seq: recorded.seq });
                Heard::End
            }
            Ok(Submitted::Refused(refusal)) => match refusal.code {
                RefusalCode::Busy | RefusalCode::Unrecorded => {
                    Heard::Again(refusal.retry_after_ms.map(Duration::from_millis))
                }
                code => {
                    self.believe(Believed::Refused(code));
                    Heard::End
                }
            },
        }
    }

    /// A job has one decision for ever. A repeat that comes too late is refused as expired, and
    /// one whose id another job has may be refused before its decision is looked for.
    fn believe(&self, believed: Believed) {
        let mut jobs = self.jobs.lock().unwrap();
        let Submitting { believed: known, is_contested, .. } = &mut jobs[self.place];
        let text = match (&*known, &believed) {
            (Some(Believed::Decided { .. }), Believed::Refused(RefusalCode::Expired)) => return,
            (Some(Believed::Decided { .. }), Believed::Refused(RefusalCode::Conflict))
                if *is_contested =>
            {
                return;
            }
            (Some(Believed::Refused(RefusalCode::Conflict)), Believed::Decided { .. }) => {
                *known = Some(believed);
                return;
            }
            (Some(other), _) if *other != believed => {
                format!("a_job_has_at_most_one_decision: {other:?}, then {believed:?}")
            }
            _ => {
                *known = Some(believed);
                return;
            }
        };
        drop(jobs);
        self.link.network().lock().witness.violations.push(text);
    }
}
