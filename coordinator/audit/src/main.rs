//! `mpic-audit`, the audit consumer: wiring only.

mod arguments;
mod ending;
mod exit;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, jetstream};
use mpic_audit::appender::{Appender, Progress, Stream};
use mpic_audit::background;
use mpic_audit::config::Config;
use mpic_audit::consumer::{self, Limits};
use mpic_audit::log::Log as _;
use mpic_audit::metrics::{self, Observed};
use mpic_audit::prover::{Desk, Prover};
use mpic_audit::startup::{self, StartError, Started};
use mpic_audit::status::{self, Reporter, Status};
use mpic_common::subject;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::discovery::{Discovery, Endpoint, Service, Stats, process_id};
use mpic_runtime::health_server::{self, Health};
use mpic_runtime::nats::{self, BusError, BusEvent, BusHealth, Own, Role};
use mpic_runtime::supervisor::Supervisor;
use mpic_runtime::{config, process, readiness, telemetry};
use tokio::sync::{mpsc, watch};

use self::arguments::{Arguments, Command};
use self::exit::Exit;

fn main() -> ExitCode {
    let (arguments, config) = match configure() {
        Ok(configured) => configured,
        Err(error) => return process::fail(&*error, process::EXIT_CONFIG),
    };
    if arguments.command == Command::CheckConfig {
        return ExitCode::SUCCESS;
    }
    let runtime = match process::runtime(config.threads) {
        Ok(runtime) => runtime,
        Err(error) => return process::fail(&error, 1),
    };
    match runtime.block_on(telemetry::during(serve(arguments, config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => process::fail(&error, error.code()),
    }
}

/// Everything that can be wrong before anything connects.
fn configure() -> Result<(Arguments, Config), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let config: Config = config::load(&arguments.config)?;
    config.key()?;
    nats::check(&config.bus)?;
    telemetry::init(&config.log, config.traces.as_ref(), "mpic-audit")?;
    Ok((arguments, config))
}

async fn serve(arguments: Arguments, config: Config) -> Result<(), Exit> {
    let listen = config.health_listen;
    let ended = work(arguments, config).await;
    if let Err(exit) = &ended
        && let Some(conflict) = exit.conflict()
    {
        ending::tell(conflict, exit, listen).await;
    }
    ended
}

async fn work(arguments: Arguments, config: Config) -> Result<(), Exit> {
    let steps = arguments.steps.clone();
    let (client, events) = connect(&config).await.map_err(StartError::from)?;
    let mut context = jetstream::new(client.clone());
    context.set_timeout(Duration::from_secs(5));
    let started = startup::start(&config, steps, context).await?;
    match arguments.command {
        Command::Init => {
            tracing::info!(size = started.log.size(), "initialised");
            Ok(())
        }
        _ => Box::pin(run(arguments, config, client, events, started)).await,
    }
}

async fn connect(config: &Config) -> Result<(Client, mpsc::Receiver<BusEvent>), BusError> {
    let role = Role {
        name: "audit".to_owned(),
        inbox_prefix: subject::AUDIT_INBOX.to_owned(),
        subscription_capacity: 8_192,
        client_capacity: 2_048,
    };
    nats::connect(&config.bus, role).await
}

/// Follows the stream until a signal comes.
async fn run(
    arguments: Arguments,
    config: Config,
    client: Client,
    events: mpsc::Receiver<BusEvent>,
    started: Started,
) -> Result<(), Exit> {
    let Started { log, stream } = started;
    let pulled = stream.consumer(&config.consumer).await.map_err(StartError::from)?;
    let key = config.key().map_err(StartError::from)?.public().clone();
    let head = log.shard().map(|shard| (shard.size(), shard.root()));
    let source = Stream {
        source: stream.clone(),
        base_seq: config.base_seq.get(),
        accept_gaps: arguments.accept_gaps,
        steps: arguments.steps,
        clock: SystemClock,
    };
    let (appender, appending, progress) = Appender::new(log, source);
    let desk = Desk::new(
        config.directory(),
        key.clone(),
        config.stream.clone(),
        config.base_seq.get(),
        progress.clone(),
    );
    let desk = Arc::new(desk);
    let prover = Prover::subscribe(client.clone(), Arc::clone(&desk)).await;
    let prover = prover.map_err(StartError::from)?;
    let (tell, told) = watch::channel(None);
    let damage = background::verify_once(config.directory(), key);
    let seen = Seen { progress: progress.clone(), told: told.clone(), damage };
    let asked = Asked { desk, progress: progress.clone(), told };
    let discovery = discovery(&client, &config, asked).await.map_err(StartError::from)?;
    let reporter = Reporter {
        client: client.clone(),
        stream,
        origin: config.origin.clone(),
        base_seq: config.base_seq.get(),
        progress,
        path: config.directory().join(".state/status.json"),
        told: tell,
        clock: SystemClock,
    };
    let limits = Limits {
        messages_max: config.batch_messages_max,
        octets_max: config.batch_bytes_max,
        interval: config.commit_interval(),
    };
    let mut supervisor = Supervisor::new()?;
    let stop = supervisor.stop();
    supervisor.spawn("appender", appending);
    supervisor.spawn("consumer", consumer::run(pulled, appender, limits, stop.clone()));
    supervisor.spawn("status", reporter.run(stop.clone()));
    supervisor.spawn("prover", prover.run(stop.clone()));
    supervisor.spawn("discovery", discovery.run(stop.clone()));
    let own = Own { role: "audit", code: String::new() };
    let bus = Arc::new(BusHealth::default());
    supervisor.spawn("bus", nats::watch(client.clone(), events, Arc::clone(&bus), stop.clone()));
    let health = health(Arc::clone(&bus), seen);
    supervisor.spawn("http", health_server::run(config.health_listen, health, stop.clone()));
    nats::settle(&client, &own, &bus).await.map_err(StartError::from)?;
    supervisor.spawn("echo", nats::beat(client, own, bus, stop));
    let (size, root) = head.unzip();
    readiness::notify();
    let root = root.map(tracing::field::display);
    tracing::info!(origin = config.origin, size, root, "ready");
    Ok(supervisor.run(DRAIN_MAX).await?)
}

/// What discovery tells.
struct Asked {
    desk: Arc<Desk>,
    progress: watch::Receiver<Progress>,
    told: watch::Receiver<Option<Status>>,
}

/// The audit consumer as a service that proves.
async fn discovery(
    client: &Client,
    config: &Config,
    asked: Asked,
) -> Result<Discovery<impl Fn() -> Stats + Send + 'static>, BusError> {
    let service = Service {
        name: "mpic-audit".to_owned(),
        id: process_id()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        metadata: [("code".to_owned(), config.shard.clone())].into(),
    };
    let endpoint = Endpoint {
        name: "proof".to_owned(),
        subject: subject::PROOFS.to_owned(),
        queue_group: subject::AUDITORS.to_owned(),
    };
    let stats = move || Stats {
        num_requests: asked.desk.figures().requests(),
        num_errors: asked.desk.figures().unproven(),
        data: status::figures(
            asked.told.borrow().as_ref(),
            &asked.progress.borrow(),
            SystemClock.now(),
        ),
    };
    Discovery::subscribe(client.clone(), service, endpoint, SystemClock.now(), stats).await
}

/// What metrics tell.
struct Seen {
    progress: watch::Receiver<Progress>,
    told: watch::Receiver<Option<Status>>,
    damage: Arc<AtomicU64>,
}

fn health(bus: Arc<BusHealth>, seen: Seen) -> impl Fn() -> Health + Send + Sync + 'static {
    let started = SystemClock.now();
    move || {
        let Health { unready, metrics: mut all } = health_server::of_bus(&bus);
        all.extend(metrics::metrics(Observed {
            told: seen.told.borrow().as_ref(),
            progress: &seen.progress.borrow(),
            started,
            damage: seen.damage.load(Ordering::Relaxed),
            now: SystemClock.now(),
        }));
        Health { unready, metrics: all }
    }
}

/// What the stream delivers again where it does not suffice; the service manager waits longer.
const DRAIN_MAX: Duration = Duration::from_secs(25);
