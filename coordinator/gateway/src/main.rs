//! `mpic-gateway`: wiring only.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::signature::SigningKey;
use mpic_gateway::auth::{Credentials, Failures};
use mpic_gateway::config::Config;
use mpic_gateway::directory::Directories;
use mpic_gateway::figures::{self, Figures};
use mpic_gateway::handler::CaSide;
use mpic_gateway::limits::Places;
use mpic_gateway::server::Server;
use mpic_gateway::service::Service;
use mpic_gateway::{openapi, tls};
use mpic_runtime::ca_client::CaClient;
use mpic_runtime::clock::SystemClock;
use mpic_runtime::health_server::{self, Health};
use mpic_runtime::metrics::Metric;
use mpic_runtime::nats::{self, BusHealth};
use mpic_runtime::process::{self, Arguments, Failure};
use mpic_runtime::supervisor::Supervisor;
use mpic_runtime::{keys, readiness, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What the gateway has before it connects.
struct Prepared {
    config: Config,
    directories: Directories,
    keys: Vec<Option<SigningKey>>,
    tls: Option<TlsAcceptor>,
}

/// Beyond the time of a request, for what is left to do.
const DRAIN_ALLOWANCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        // Where standard output is gone there is nobody to tell.
        let _ = writeln!(std::io::stdout(), "{}", openapi::version());
        return ExitCode::SUCCESS;
    }
    process::main(prepare, |prepared| prepared.config.threads, run)
}

fn prepare(arguments: &Arguments) -> Result<Prepared, Failure> {
    let config = Config::load(&arguments.config)?;
    for ca in &config.ca {
        nats::check(&ca.bus)?;
    }
    let keys = config.ca.iter().map(|ca| ca.key_file.as_deref().map(keys::load).transpose());
    let keys = keys.collect::<Result<_, _>>()?;
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    telemetry::init(&config.log, config.traces.as_ref(), "mpic-gateway")?;
    let cas = config.ca.iter().map(|ca| ca.code.clone()).collect();
    let directories =
        Directories::load(config.directory_file.clone(), &config.directory_root, cas)?;
    Ok(Prepared { config, directories, keys, tls })
}

async fn run(prepared: Prepared) -> Result<(), Failure> {
    let Prepared { config, directories, keys, tls } = prepared;
    let mut supervisor = Supervisor::new()?;
    let mut cas = Vec::new();
    for (ca, key) in config.ca.iter().zip(keys) {
        let (client, connection, events) =
            CaClient::connect_observed(&ca.bus, ca.code.clone()).await?;
        let bus = Arc::new(BusHealth::default());
        let watching = nats::watch(connection, events, Arc::clone(&bus), supervisor.stop());
        supervisor.spawn("bus", watching);
        let (code, certificate_type) = (ca.code.clone(), ca.certificate_type);
        cas.push(CaSide { code, certificate_type, key, client, bus });
    }
    let listener = TcpListener::bind(config.listen).await?;
    let listening = listener.local_addr()?;
    let limits = config.limits.clone();
    let service = Arc::new(Service {
        credentials: Credentials::new(&config.ca),
        failures: Failures::default(),
        directories,
        places: Places::new(&limits, cas.len(), Instant::now()),
        cas,
        figures: Figures::default(),
        description: openapi::document(&config.base_paths)?.to_string().into(),
        base_paths: config.base_paths,
        clock: SystemClock,
        stop: supervisor.stop(),
        limits: limits.clone(),
    });
    let telling = health(Arc::clone(&service));
    supervisor
        .spawn("health", health_server::run(config.health_listen, telling, supervisor.stop()));
    let hangups = signal(SignalKind::hangup())?;
    supervisor.spawn("directory", follow(Arc::clone(&service), hangups, supervisor.stop()));
    let server = Server { service, tls, listener };
    supervisor.spawn("http", server.run(supervisor.stop()));
    // Whoever started it on a free port reads where it is.
    let _ = writeln!(std::io::stdout(), "{listening}");
    readiness::notify();
    tracing::info!(%listening, "ready");
    Ok(supervisor.run(limits.request() + DRAIN_ALLOWANCE).await?)
}

/// Reads the directory document again whenever SIGHUP comes.
async fn follow(
    service: Arc<Service<SystemClock>>,
    mut hangups: Signal,
    stop: CancellationToken,
) -> Result<(), Failure> {
    while stop.run_until_cancelled(hangups.recv()).await.is_some() {
        match service.directories.reload() {
            Ok(serial) => tracing::info!(serial, "the directory document is in force"),
            Err(error) => {
                let error = process::chain(&error);
                tracing::error!(error, "the directory document is not taken");
            }
        }
    }
    Ok(())
}

/// How the gateway is.
fn health(service: Arc<Service<SystemClock>>) -> impl Fn() -> Health + Send + Sync + 'static {
    move || {
        let taken = service.places.taken(service.limits.in_flight);
        let taken = u64::try_from(taken).unwrap_or(u64::MAX);
        let in_flight = Metric::count("mpic_gateway_inflight", taken);
        let connected = service.cas.iter().map(|ca| {
            let up = u64::from(ca.client.is_connected());
            Metric::count("mpic_gateway_bus_connected", up).of("ca", &ca.code)
        });
        let events = figures::bus_events(service.cas.iter().map(|ca| ca.bus.events()));
        let own = service.figures.metrics().into_iter().chain([in_flight]);
        let metrics = own.chain(connected).chain(events);
        Health { unready: service.unready(), metrics: metrics.collect() }
    }
}
