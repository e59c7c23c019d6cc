//! One agent process: wiring only.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use mpic_agent::check::{Checker, Rules};
use mpic_agent::config::{Config, Effective};
use mpic_agent::directory::Directories;
use mpic_agent::health::EngineHealth;
use mpic_agent::resolver::DnsEngine;
use mpic_agent::resolver::backend::Backend;
use mpic_agent::responder::{Dropped, Drops, Identity, Parts, Responder};
use mpic_common::directory::Owner;
use mpic_common::perspective::Perspective;
use mpic_common::signature::{KeyId, SigningKey};
use mpic_common::subject;
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::directory::Source;
use mpic_runtime::discovery::{self, Discovery, Endpoint, Service, Stats, process_id};
use mpic_runtime::health_server::{self, Health};
use mpic_runtime::metrics::Metric;
use mpic_runtime::nats::{self, BusError, BusHealth, Own, Role};
use mpic_runtime::process::{self, Arguments, Failure};
use mpic_runtime::queue::Queue;
use mpic_runtime::supervisor::Supervisor;
use mpic_runtime::{keys, readiness, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the agent has before it connects.
struct Prepared {
    config: Config,
    key: SigningKey,
    directories: Directories,
    own: Perspective,
    rules: Rules,
    engine: Backend,
    effective: Effective,
}

/// How long checks at work may take to end; the service manager waits 25 s.
const DRAIN: Duration = Duration::from_secs(24);

fn main() -> ExitCode {
    process::main(prepare, |prepared| prepared.config.threads, run)
}

fn prepare(arguments: &Arguments) -> Result<Prepared, Failure> {
    let config = Config::load(&arguments.config)?;
    nats::check(&config.bus)?;
    let key = keys::load(&config.key_file)?;
    let source = Source {
        file: config.directory_file.clone(),
        root: config.directory_root.clone(),
        owner: Owner::Agent(config.perspective.clone()),
        key: key.public(),
    };
    let directories = Directories::load(source, config.perspective.clone(), SystemClock.now())?;
    let own = directories.own(SystemClock.now())?;
    let rules = config.rules()?;
    let engine = config.engine(&own)?;
    let effective = Effective::new(&config)?;
    telemetry::init(&config.log, config.traces.as_ref(), "mpic-agent")?;
    Ok(Prepared { config, key, directories, own, rules, engine, effective })
}

async fn run(prepared: Prepared) -> Result<(), Failure> {
    let Prepared { config, key, directories, own, rules, engine, effective } = prepared;
    let (agent, key_id) = (process_id()?, key.public().id());
    let health = Arc::new(EngineHealth::default());
    health.test(&engine).await;

    let (client, events) = nats::connect(&config.bus, role(&config)).await?;
    let mut supervisor = Supervisor::new()?;
    let (own_echo, connected) = (own_echo(&config), Arc::new(BusHealth::default()));
    let watching = nats::watch(client.clone(), events, Arc::clone(&connected), supervisor.stop());
    supervisor.spawn("bus", watching);
    supervisor.spawn("health", Arc::clone(&health).run(engine.clone(), supervisor.stop()));

    let directories = Arc::new(directories);
    supervisor
        .spawn("directory", reload(Arc::clone(&directories), engine.clone(), supervisor.stop()));
    let permits = Arc::new(Semaphore::new(config.limits.concurrent_jobs.get()));
    let drops = Arc::new(Drops::default());
    let responder = Arc::new(Responder::new(Parts {
        identity: Identity {
            perspective: config.perspective.clone(),
            role: config.role,
            registry: own.egress.registry,
            agent: agent.clone(),
            software: mpic_runtime::SOFTWARE.to_owned(),
            config_digest: effective.digest(rules.names.digest()),
            resolvers: vec![engine.identity().clone()],
            relaxations: effective.relaxations(),
        },
        checker: Checker::new(engine, SystemClock, rules),
        health,
        key,
        directories,
        permits: Arc::clone(&permits),
        job_max: Duration::from_millis(config.limits.job_ms),
        clock_skew_max: Duration::from_millis(config.limits.clock_skew_ms),
        drops: Arc::clone(&drops),
    }));
    let stats = Arc::new(stats(Arc::clone(&responder), permits, drops, &config));
    let telling = figures(&config, Arc::clone(&connected), Arc::clone(&stats));
    let telling = health_server::run(config.health_listen, telling, supervisor.stop());
    supervisor.spawn("http", telling);
    let stats = move || stats();
    let discovery = discovery(&client, &config, &own, (agent, key_id), stats).await?;
    supervisor.spawn("discovery", discovery.run(supervisor.stop()));
    let bus: Arc<dyn Bus> = Arc::new(client.clone());
    let (check, group) = (subject::check(&config.perspective), config.perspective.to_string());
    let assignments = Queue::subscribe(Arc::clone(&bus), check, group).await?;
    let assignments = assignments.renewed_with(connected.epoch());
    supervisor.spawn("responder", responder.run(bus, assignments, supervisor.stop()));
    nats::settle(&client, &own_echo, &connected).await?;
    let beating = nats::beat(client.clone(), own_echo.clone(), connected, supervisor.stop());
    supervisor.spawn("echo", beating);
    readiness::notify();
    tracing::info!(perspective = %config.perspective, "ready");

    let ended = supervisor.run(DRAIN).await;
    // Every reply leaves; where none can, why the process ends is told all the same.
    let left = nats::farewell(&client, &own_echo).await;
    ended?;
    Ok(left?)
}

/// How the agent is, by the figures that discovery gives too.
fn figures(
    config: &Config,
    bus: Arc<BusHealth>,
    stats: Arc<impl Fn() -> Stats + Send + Sync + 'static>,
) -> impl Fn() -> Health + Send + Sync + 'static {
    let perspective = config.perspective.to_string();
    move || {
        let (Health { unready, mut metrics }, data) = (health_server::of_bus(&bus), stats().data);
        let metric = |name, figure: &str| {
            let value = data.get(figure).copied().unwrap_or(0);
            Metric::count(name, value).of("perspective", &perspective)
        };
        metrics.push(metric("mpic_agent_inflight", "inflight"));
        metrics.push(metric("mpic_agent_capacity", "capacity"));
        metrics.extend(Dropped::ALL.map(|dropped| {
            let reason = dropped.as_str();
            let figure = format!("dropped.{reason}");
            metric("mpic_agent_dropped_total", &figure).of("reason", reason)
        }));
        let is_alarming = data.get("clock_alarm").is_some_and(|alarm| *alarm > 0);
        let clock = is_alarming.then_some("its clock, or that of the coordinators, is wrong");
        Health { unready: unready.or(clock), metrics }
    }
}

fn own_echo(config: &Config) -> Own {
    Own { role: "agent", code: config.perspective.to_string() }
}

fn role(config: &Config) -> Role {
    Role {
        name: format!("agent/{}", config.perspective),
        inbox_prefix: subject::NO_INBOX.to_owned(),
        subscription_capacity: config.limits.concurrent_jobs.get() * 2,
        client_capacity: 2_048,
    }
}

/// Takes a higher directory document on SIGHUP, and lets the engine forget what it keeps.
async fn reload(
    directories: Arc<Directories>,
    engine: Backend,
    stop: CancellationToken,
) -> Result<(), std::io::Error> {
    let mut hangups = signal(SignalKind::hangup())?;
    while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
        engine.forget();
        match directories.reload(SystemClock.now()) {
            Ok(serial) => tracing::info!(serial, "the directory document in force"),
            Err(error) => tracing::error!(%error, "cannot take the directory document"),
        }
    }
    Ok(())
}

fn stats(
    responder: Arc<Responder<Backend, SystemClock>>,
    permits: Arc<Semaphore>,
    drops: Arc<Drops>,
    config: &Config,
) -> impl Fn() -> Stats + Send + Sync + 'static {
    let capacity = config.limits.concurrent_jobs.get();
    move || {
        let figure = |name: &str, value: u64| (name.to_owned(), value);
        let inflight = capacity.saturating_sub(permits.available_permits());
        let dropped = drops.by_reason();
        let by_reason =
            dropped.iter().map(|(reason, count)| (format!("dropped.{}", reason.as_str()), *count));
        let data = [
            figure("capacity", capacity as u64),
            figure("inflight", inflight as u64),
            figure("draining", responder.is_draining().into()),
            figure("clock_alarm", drops.is_alarming(SystemClock.now()).into()),
        ];
        Stats {
            num_requests: responder.answered(),
            num_errors: dropped.values().sum(),
            data: data.into_iter().chain(by_reason).collect(),
        }
    }
}

async fn discovery<F: Fn() -> Stats + Send + 'static>(
    client: &Client,
    config: &Config,
    own: &Perspective,
    (agent, key): (String, KeyId),
    stats: F,
) -> Result<Discovery<F>, BusError> {
    let metadata = [
        (discovery::CODE, config.perspective.to_string()),
        (discovery::KEY, key.to_string()),
        (discovery::SOFTWARE, mpic_runtime::SOFTWARE.to_owned()),
        ("registry", own.egress.registry.to_string()),
        ("region", own.region.clone()),
    ];
    let service = Service {
        name: discovery::AGENT.to_owned(),
        id: agent,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
    };
    let endpoint = Endpoint {
        name: "check".to_owned(),
        subject: subject::check(&config.perspective),
        queue_group: config.perspective.to_string(),
    };
    Discovery::subscribe(client.clone(), service, endpoint, SystemClock.now(), stats).await
}
