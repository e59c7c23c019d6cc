//! Takes each job from question to answer. The order is the safety argument: recorded before
//! answered, so a crash between two steps repeats work and never loses or invents a decision.

mod answer;
mod late;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::job::{self, PrimaryMode};
use mpic_common::limits::{BUDGET, JOB_OCTETS_MAX, PUBLISH_AGE_MAX};
use mpic_common::octets::Hash;
use mpic_common::record::{DecisionRecord, RefusalCode};
use mpic_common::selection::{seed, select};
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::Envelope;
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::Clock;
use mpic_runtime::nats::BusError;
use mpic_runtime::queue::Queue;
use mpic_runtime::trace;

use crate::admission::{Admitted, Refusal, admit};
use crate::attempt::Plan;
use crate::corroboration::{Asked, Asker, Corroboration, Stragglers, corroborate};
use crate::decision::{self, Signed};
use crate::directory::Directories;
use crate::figures::{Jobs, REPEAT};
use crate::known::{InFlight, Known, Met};
use crate::perspectives::Perspectives;
use crate::recorder::{Publication, RecordError, Recorder, Standing};
use crate::refusals::Refusals;

/// Everything that a job needs of its coordinator.
pub struct Intake<P, C> {
    /// Asks the perspectives.
    pub asker: Asker<P, C>,
    /// The directory document in force.
    pub directories: Directories,
    /// Who makes the primary determination.
    pub primary: PerspectiveId,
    /// Relaxations that a reply may state.
    pub allowed: Arc<[String]>,
    /// Of the selection of cohorts.
    pub secret: [u8; 32],
    /// The way to the stream.
    pub recorder: Recorder,
    /// The way to the CAs.
    pub bus: Arc<dyn Bus>,
    /// Jobs that were met.
    pub known: Known,
    /// Refusals that were counted.
    pub refusals: Refusals,
    /// One a job in flight.
    pub permits: Arc<Semaphore>,
    /// Jobs of one CA in flight.
    pub jobs_per_ca_max: usize,
    /// What became of jobs.
    pub figures: Jobs,
}

/// A job as it came, and where its answer goes.
#[derive(Debug)]
struct Request {
    ca: CaId,
    reply: async_nats::Subject,
    payload: Bytes,
    arrived: Instant,
    /// All that is done for the job.
    span: Span,
}

/// A job that is performed here: every way out of it lets the job be asked again.
#[derive(Debug)]
struct Begun {
    request: Request,
    admitted: Admitted,
    in_flight: InFlight,
}

/// What `run` waits for.
enum Event {
    Stop,
    Ended(Result<(), JoinError>),
    Count,
    Job(Option<Message>),
}

/// How often what was only counted goes on record.
const COUNTED_EVERY: Duration = Duration::from_secs(60);
/// How long a refusal may take to be recorded.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// The secret stays where it is.
impl<P, C> fmt::Debug for Intake<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("primary", &self.primary).finish_non_exhaustive()
    }
}

impl<P: Perspectives, C: Clock> Intake<P, C> {
    /// Takes jobs until `stop`, then those that are on their way, and ends those in flight.
    pub async fn run(
        self: Arc<Self>,
        mut jobs: Queue,
        stop: CancellationToken,
    ) -> Result<(), BusError> {
        let mut tasks = JoinSet::new();
        let mut counting = tokio::time::interval(COUNTED_EVERY);
        let (mut is_draining, mut drained) = (false, Ok(()));
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled(), if !is_draining => Event::Stop,
                Some(ended) = tasks.join_next() => Event::Ended(ended),
                _ = counting.tick() => Event::Count,
                message = jobs.next() => Event::Job(message),
            };
            match event {
                Event::Stop => {
                    is_draining = true;
                    drained = jobs.drain().await;
                    // Those on their way cannot be told from those that will never come.
                    if drained.is_err() {
                        break;
                    }
                }
                Event::Ended(ended) => log_panic(ended),
                Event::Count => {
                    let recording = Arc::clone(&self).record_counted(Instant::now() + BUDGET);
                    tasks.spawn(recording);
                }
                Event::Job(Some(message)) => self.begin(message, &mut tasks),
                Event::Job(None) => break,
            }
        }
        while let Some(ended) = tasks.join_next().await {
            log_panic(ended);
        }
        self.record_counted(Instant::now() + REFUSAL_WAIT).await;
        drained
    }

    /// Handles one message in a task of its own.
    fn begin(self: &Arc<Self>, message: Message, tasks: &mut JoinSet<()>) {
        let Some(request) = Request::read(message) else { return };
        let span = request.span.clone();
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => {
                tasks.spawn(Arc::clone(self).handle(request, permit).instrument(span));
            }
            Err(_) => {
                tasks.spawn(Arc::clone(self).turn_away(request).instrument(span));
            }
        }
    }

    fn admit(&self, request: &Request, now: UnixMs) -> Result<Admitted, Refusal> {
        let directory = self.directories.current();
        admit(&request.payload, &request.ca, &directory, &self.allowed, now).map_err(|refusal| {
            let cohort = self.would_be_asked(request, &refusal, &directory, now);
            Refusal { cohort, ..refusal }
        })
    }

    /// Whom the job would have been asked of, where it is invalid and says for which identifier.
    fn would_be_asked(
        &self,
        request: &Request,
        refusal: &Refusal,
        directory: &Directory,
        at: UnixMs,
    ) -> Option<Vec<PerspectiveId>> {
        if refusal.code != RefusalCode::Invalid {
            return None;
        }
        let envelope = Envelope::parse(&request.payload, JOB_OCTETS_MAX).ok()?;
        let job = job::without_checks(envelope.body).filter(|job| job.ca == request.ca)?;
        let seed = seed(&self.secret, &job.id);
        let cohort = select(&job, directory, &self.primary, at, seed).ok()?;
        Some(cohort.remotes().keys().cloned().collect())
    }

    /// One job, from admission to what comes late.
    ///
    /// What comes before and after the waiting is boxed, so that a job in flight holds no room
    /// for it.
    async fn handle(self: Arc<Self>, request: Request, permit: OwnedSemaphorePermit) {
        let Some(begun) = Box::pin(self.begin_new(request)).await else { return };
        let admitted = &begun.admitted;
        let seed = seed(&self.secret, &admitted.job.id);
        let plan = match self.plan(admitted, seed) {
            Ok(plan) => plan,
            Err(refusal) => return Box::pin(self.give_up(&begun, refusal)).await,
        };
        let asked = Asked {
            job_envelope: admitted.envelope.clone(),
            job_digest: admitted.digest,
            answer_by: begun.request.arrived + answer_within(admitted),
        };
        let heard = corroborate(&self.asker, plan, &asked).await;
        let stands = Box::pin(self.conclude(&begun, heard, seed, asked.answer_by)).await;
        drop(permit);
        if let Some((decision, stragglers)) = stands {
            Box::pin(self.collect_late(&begun, decision, stragglers)).await;
        }
    }

    /// The job where it is to be performed; else it is looked after here.
    async fn begin_new(&self, request: Request) -> Option<Begun> {
        let now = self.asker.clock.now();
        let admitted = match self.admit(&request, now) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.end_without(&request, refusal).await;
                return None;
            }
        };
        let job = &admitted.job;
        request.span.record("job", display(job.id));
        request.span.record("identifier", display(&job.identifier));
        match self.known.meet(&job.ca, job.id, admitted.digest, &request.reply, now) {
            Met::New(in_flight) => {
                let begun = Begun { request, admitted, in_flight };
                let code = self.turned_away(&begun.admitted.job.ca, now);
                let Some(code) = code else { return Some(begun) };
                let refusal = Refusal::of(&begun.admitted, code, Vec::new());
                self.give_up(&begun, refusal).await;
            }
            Met::Joined => self.figures.ended(REPEAT, request.arrived.elapsed()),
            Met::Recorded(seq) => {
                self.answer_again(&request, &admitted, seq).await;
                self.figures.ended(REPEAT, request.arrived.elapsed());
            }
            Met::Conflict => self.end_without(&request, conflict(&admitted)).await,
        }
        None
    }

    /// Why no further job of this CA is begun now.
    fn turned_away(&self, ca: &CaId, now: UnixMs) -> Option<RefusalCode> {
        if self.known.in_flight(ca) > self.jobs_per_ca_max {
            Some(RefusalCode::Busy)
        } else if !self.recorder.takes(now) {
            Some(RefusalCode::Unrecorded)
        } else {
            None
        }
    }

    /// Who is asked; or why nobody can be.
    fn plan(&self, admitted: &Admitted, seed: u64) -> Result<Plan, Refusal> {
        let directory = &admitted.directory;
        let at = admitted.requested_ms;
        let cohort =
            select(&admitted.job, directory, &self.primary, at, seed).map_err(|error| {
                Refusal::of(admitted, RefusalCode::NoCohort, vec![error.field_error()])
            })?;
        let primary = match admitted.job.primary {
            PrimaryMode::Ask => Some(self.primary.clone()),
            PrimaryMode::External => None,
        };
        Ok(Plan {
            job: Arc::clone(&admitted.job),
            directory: Arc::clone(directory),
            requested_ms: at,
            primary,
            cohort,
            allowed: Arc::clone(&self.allowed),
        })
    }

    /// Decides, puts that on record and answers. Where the decision stands: its leaf hash, and who
    /// is still out.
    async fn conclude(
        &self,
        begun: &Begun,
        heard: Corroboration,
        seed: u64,
        answer_by: Instant,
    ) -> Option<(Hash, Stragglers)> {
        let (coordinator, key) = (&self.asker.coordinator, &self.asker.key);
        let (decided, signed) = decision::sign(&begun.admitted, &heard, coordinator, seed, key);
        let stands = self.record(begun, &signed, answer_by).await;
        log_decision(&decided, stands);
        if !stands {
            return None;
        }
        self.figures.ended(decided.outcome.as_str(), begun.request.arrived.elapsed());
        Some((signed.leaf, heard.stragglers))
    }

    /// Puts the decision on record and answers with what stands there. Whether it is ours.
    ///
    /// Past `answer_by` the CA is told `unrecorded`; the same octets are published on, since the
    /// CA may repeat its question.
    async fn record(&self, begun: &Begun, signed: &Signed, answer_by: Instant) -> bool {
        let Begun { request, admitted, .. } = begun;
        let publication = Publication {
            subject: subject::audit_decision(&request.ca),
            id: subject::decision_id(&request.ca, &admitted.job.id),
            octets: signed.octets.clone(),
            after: None,
        };
        let refusal = |code| Refusal::of(admitted, code, Vec::new());
        if !signed.fits() {
            tracing::error!(octets = signed.octets.len(), "a decision does not fit its record");
            self.give_up(begun, refusal(RefusalCode::Internal)).await;
            return false;
        }
        let (clock, made) = (&self.asker.clock, admitted.job.id.time());
        let left = PUBLISH_AGE_MAX.saturating_sub(clock.now().since(made));
        // A process that stood still, or a machine that slept, may wake up when another decision
        // was recorded and its id is forgotten; the monotonic clock sleeps with the machine.
        let is_young = || clock.now().since(made) < PUBLISH_AGE_MAX;
        let recording = self.recorder.record_while(&publication, Instant::now() + left, is_young);
        let mut recording = std::pin::pin!(recording);
        let recorded = match tokio::time::timeout_at(answer_by, &mut recording).await {
            Ok(recorded) => recorded,
            Err(_) => {
                self.refuse(request, refusal(RefusalCode::Unrecorded)).await;
                recording.await
            }
        };
        self.answer_recorded(begun, signed, recorded).await
    }

    async fn answer_recorded(
        &self,
        begun: &Begun,
        signed: &Signed,
        recorded: Result<Standing, RecordError>,
    ) -> bool {
        match recorded {
            Ok(Standing::Ours(seq)) => {
                self.answer(begun, &signed.octets, seq).await;
                true
            }
            Ok(Standing::Other(seq, octets)) => {
                self.answer_with_other(begun, signed, seq, octets).await;
                false
            }
            Err(error) => {
                tracing::error!(job = %begun.admitted.job.id, %error, "a decision is not recorded");
                let refusal = Refusal::of(&begun.admitted, told(&error), Vec::new());
                self.give_up(begun, refusal).await;
                false
            }
        }
    }

    /// Puts on record what comes in the late window, which changes nothing.
    async fn collect_late(&self, begun: &Begun, decision: Hash, stragglers: Stragglers) {
        let Admitted { job, digest, .. } = &begun.admitted;
        let late = late::collect(stragglers, job, *digest, decision, &self.asker);
        let Some(late) = late.await else { return };
        let publication = Publication {
            subject: subject::audit_late(&job.ca),
            id: subject::late_id(&job.ca, &job.id),
            octets: late.octets,
            after: None,
        };
        if let Err(error) = self.recorder.record(&publication, Instant::now() + BUDGET).await {
            tracing::error!(job = %job.id, %error, "late replies are not recorded");
        }
    }

    /// No permit left: the CA repeats, and another coordinator may have one.
    async fn turn_away(self: Arc<Self>, request: Request) {
        let now = self.asker.clock.now();
        let refusal = match self.admit(&request, now) {
            Ok(admitted) => Refusal::of(&admitted, RefusalCode::Busy, Vec::new()),
            Err(refusal) => refusal,
        };
        self.end_without(&request, refusal).await;
    }
}

impl Request {
    /// A job whose subject names a CA and whose answer goes to an inbox of that CA.
    fn read(message: Message) -> Option<Self> {
        let ca = subject::ca_of_job(&message.subject)?;
        let reply = message.reply.filter(|reply| subject::is_answer_inbox(reply, &ca));
        if reply.is_none() {
            tracing::warn!(%ca, "a job without an inbox of its CA is dropped");
        }
        let span = tracing::info_span!("job", job = Empty, identifier = Empty);
        trace::follow(&span, message.headers.as_ref());
        // What came is a part of all that was read from the socket with it.
        let payload = Bytes::copy_from_slice(&message.payload);
        Some(Self { ca, reply: reply?, payload, arrived: Instant::now(), span })
    }
}

/// What the CA is told where its decision is not recorded.
fn told(error: &RecordError) -> RefusalCode {
    match error {
        RecordError::Refused(_) | RecordError::TooLarge(_) | RecordError::Overtaken(_) => {
            RefusalCode::Internal
        }
        RecordError::Full(_) | RecordError::Unacknowledged => RefusalCode::Unrecorded,
    }
}

fn conflict(admitted: &Admitted) -> Refusal {
    use mpic_common::job::FieldError;
    let error = FieldError::new("job", admitted.job.id, "the id was used for another job");
    Refusal::of(admitted, RefusalCode::Conflict, vec![error])
}

/// The job's budget, or less where it says when the CA no longer waits.
fn answer_within(admitted: &Admitted) -> Duration {
    let budget = admitted.job.budget.unwrap_or(BUDGET);
    let left = |deadline: UnixMs| deadline.since(admitted.requested_ms);
    admitted.job.deadline_ms.map_or(budget, |deadline| budget.min(left(deadline)))
}

fn log_decision(decided: &DecisionRecord, stands: bool) {
    let elapsed_ms = decided.decided_ms.since(decided.requested_ms).as_millis();
    tracing::info!(
        job = %decided.job,
        identifier = %decided.identifier,
        outcome = decided.outcome.as_str(),
        replies = decided.replies.len(),
        elapsed_ms,
        stands,
        "decided"
    );
}

/// A panic inside one job ends that job only; the CA repeats it.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job panicked");
    }
}
