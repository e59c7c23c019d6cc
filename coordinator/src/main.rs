//! One coordinator process: wiring only.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use mpic_common::directory::Owner;
use mpic_common::subject;
use mpic_coordinator::census::Census;
use mpic_coordinator::config::Config;
use mpic_coordinator::corroboration::Asker;
use mpic_coordinator::directory::{Candidates, Directories};
use mpic_coordinator::figures::{Exchanges, Jobs};
use mpic_coordinator::hearing::{Hearing, follow_directory};
use mpic_coordinator::intake::Intake;
use mpic_coordinator::multiplexer::Multiplexer;
use mpic_coordinator::perspectives::NatsPerspectives;
use mpic_coordinator::recorder::Recorder;
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::directory::{Document, Source};
use mpic_runtime::discovery::{self, Discovery, Endpoint, Service, Stats, process_id};
use mpic_runtime::health_server::{self, Health};
use mpic_runtime::metrics::Metric;
use mpic_runtime::nats::{self, BusHealth, Own, Role};
use mpic_runtime::process::{self, Arguments, Failure};
use mpic_runtime::queue::Queue;
use mpic_runtime::supervisor::Supervisor;
use mpic_runtime::{keys, readiness, stream, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the coordinator has before it connects.
struct Prepared {
    config: Config,
    candidates: Candidates,
    document: Document,
    key: mpic_common::signature::SigningKey,
    secret: [u8; 32],
}

/// How long the last answers may take to leave.
const FLUSH: Duration = Duration::from_secs(2);
/// How long jobs in flight may take to end.
const DRAIN: Duration = Duration::from_secs(75);

fn main() -> ExitCode {
    process::main(prepare, |prepared| prepared.config.threads, run)
}

fn prepare(arguments: &Arguments) -> Result<Prepared, Failure> {
    let config = Config::load(&arguments.config)?;
    nats::check(&config.bus)?;
    let key = keys::load(&config.key_file)?;
    let secret = keys::load_seed(&config.seed_file)?;
    let source = Source {
        file: config.directory_file.clone(),
        root: config.directory_root.clone(),
        owner: Owner::Coordinator(config.code.clone()),
        key: key.public(),
    };
    let candidates = Candidates { source, primary: config.primary.clone() };
    telemetry::init(&config.log, config.traces.as_ref(), "mpic-coordinator")?;
    let document = candidates.load(SystemClock.now())?;
    Ok(Prepared { config, candidates, document, key, secret })
}

async fn run(prepared: Prepared) -> Result<(), Failure> {
    let Prepared { config, candidates, document, key, secret } = prepared;
    let (client, events) = nats::connect(&config.bus, role(&config)).await?;
    let context = jetstream::new(client.clone());
    stream::check_audit(&context).await?;
    let records = context.get_stream_no_info(subject::AUDIT_STREAM).await?;

    let mut supervisor = Supervisor::new()?;
    let own = Own { role: "coordinator", code: config.code.to_string() };
    let connected = Arc::new(BusHealth::default());
    let watching = nats::watch(client.clone(), events, Arc::clone(&connected), supervisor.stop());
    supervisor.spawn("bus", watching);

    let (acks, replies) = (Multiplexer::default(), Multiplexer::default());
    // Replies and acknowledgements are read until the last job has ended.
    let read_acks = CancellationToken::new();
    let bus: Arc<dyn Bus> = Arc::new(client.clone());
    let acked = bus.subscribe(subject::pubacks(&config.code), None).await?;
    let mut readers = tokio::task::JoinSet::new();
    readers.spawn(acks.clone().run(acked, subject::parse_puback, |_| {}, read_acks.clone()));
    let exchanges = Exchanges::default();
    let mut hearing =
        Hearing::new(Arc::clone(&bus), config.code.clone(), replies.clone(), exchanges.clone());
    hearing.follow(&document.directory).await?;
    let recorder = Recorder::new(Arc::clone(&bus), config.code.clone(), acks, Arc::new(records));
    nats::settle(&client, &own, &connected).await?;
    let directories = Directories::hold(candidates, document, &recorder).await?;

    let intake = Arc::new(Intake {
        asker: Asker {
            coordinator: config.code.clone(),
            key,
            perspectives: NatsPerspectives {
                bus: Arc::clone(&bus),
                coordinator: config.code.clone(),
                replies,
                exchanges,
                clock: SystemClock,
            },
            clock: SystemClock,
            straggler_wait: config.straggler_wait(),
        },
        directories,
        primary: config.primary.clone(),
        allowed: config.relaxations.clone().into(),
        secret,
        recorder,
        bus: Arc::clone(&bus),
        known: mpic_coordinator::known::Known::default(),
        refusals: mpic_coordinator::refusals::Refusals::default(),
        permits: Arc::new(Semaphore::new(config.jobs_max.get())),
        jobs_per_ca_max: config.jobs_per_ca_max.get(),
        figures: Jobs::default(),
    });
    let (subject, group) = (subject::JOBS.to_owned(), subject::COORDINATORS.to_owned());
    let jobs = Queue::subscribe(Arc::clone(&bus), subject, group).await?;
    tell(&mut supervisor, &config, Arc::clone(&connected), &intake);
    let discovery = discovery(&client, &config, &intake).await?;
    supervisor.spawn("discovery", discovery.run(supervisor.stop()));
    let hangups = signal(SignalKind::hangup())?;
    let following = follow_directory(Arc::clone(&intake), hearing, hangups, supervisor.stop());
    // The subscriptions end with the task, and the task after the jobs in flight.
    let hearing = tokio::task::JoinSet::from_iter([following]);
    supervisor.spawn("intake", intake.run(jobs.renewed_with(connected.epoch()), supervisor.stop()));
    nats::settle(&client, &own, &connected).await?;
    supervisor.spawn("echo", nats::beat(client.clone(), own, connected, supervisor.stop()));
    readiness::notify();
    tracing::info!(coordinator = %config.code, "ready");

    let ended = supervisor.run(DRAIN).await;
    hearing.join_all().await;
    read_acks.cancel();
    readers.join_all().await;
    // A bus that is away must not keep the process from ending.
    let _ = tokio::time::timeout(FLUSH, client.flush()).await;
    Ok(ended?)
}

type Running = Intake<NatsPerspectives<SystemClock>, SystemClock>;

/// Tells by HTTP how the coordinator is, and which agents it sees.
fn tell(supervisor: &mut Supervisor, config: &Config, bus: Arc<BusHealth>, intake: &Arc<Running>) {
    let census = Census::default();
    supervisor.spawn("census", count_agents(&census, intake, supervisor.stop()));
    let figures = figures(config, bus, census, intake);
    let telling = health_server::run(config.health_listen, figures, supervisor.stop());
    supervisor.spawn("http", telling);
}

/// Asks agents who they are, for the figures.
fn count_agents(
    census: &Census,
    intake: &Arc<Running>,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Infallible>> + 'static {
    let (bus, coordinator) = (Arc::clone(&intake.bus), intake.asker.coordinator.clone());
    let intake = Arc::clone(intake);
    let current = move || (intake.directories.current(), SystemClock.now());
    census.clone().run(bus, coordinator, current, stop)
}

/// How the coordinator is; it is not ready while the stream takes nothing.
fn figures(
    config: &Config,
    bus: Arc<BusHealth>,
    census: Census,
    intake: &Arc<Running>,
) -> impl Fn() -> Health + Send + Sync + 'static {
    let (capacity, intake) = (config.jobs_max.get(), Arc::clone(intake));
    move || {
        let Health { unready, metrics } = health_server::of_bus(&bus);
        let inflight = capacity.saturating_sub(intake.permits.available_permits());
        let listed = intake.directories.current().listed().cloned().collect();
        let metrics = [
            metrics,
            vec![
                Metric::count("mpic_jobs_inflight", inflight as u64),
                Metric::count("mpic_jobs_capacity", capacity as u64),
            ],
            intake.figures.metrics(),
            intake.asker.perspectives.exchanges.metrics(&listed),
            intake.recorder.metrics(),
            census.metrics(&listed),
        ];
        let stream = intake.recorder.is_broken().then_some("the stream takes no records");
        Health { unready: unready.or(stream), metrics: metrics.concat() }
    }
}

fn role(config: &Config) -> Role {
    Role {
        name: format!("coordinator/{}", config.code),
        inbox_prefix: subject::coordinator_inbox(&config.code),
        subscription_capacity: 65_536,
        client_capacity: 16_384,
    }
}

async fn discovery(
    client: &async_nats::Client,
    config: &Config,
    intake: &Running,
) -> Result<Discovery<impl Fn() -> Stats + Send + 'static>, Failure> {
    let metadata = [
        (discovery::CODE, config.code.to_string()),
        (discovery::KEY, intake.asker.key.public().id().to_string()),
        (discovery::SOFTWARE, mpic_runtime::SOFTWARE.to_owned()),
    ];
    let service = Service {
        name: discovery::COORDINATOR.to_owned(),
        id: process_id()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
    };
    let endpoint = Endpoint {
        name: "job".to_owned(),
        subject: subject::JOBS.to_owned(),
        queue_group: subject::COORDINATORS.to_owned(),
    };
    let (capacity, permits) = (config.jobs_max.get(), Arc::clone(&intake.permits));
    let stats = move || {
        let inflight = capacity.saturating_sub(permits.available_permits());
        let figure = |name: &str, value: usize| (name.to_owned(), value as u64);
        Stats {
            data: [figure("capacity", capacity), figure("inflight", inflight)].into(),
            ..Stats::default()
        }
    };
    let started = SystemClock.now();
    Ok(Discovery::subscribe(client.clone(), service, endpoint, started, stats).await?)
}
