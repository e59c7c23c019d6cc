//! `mpic up`: a whole system on this machine, until it is told to stop.

mod reach;

use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use async_nats::jetstream;
use clap::{Args, ValueEnum};
use mpic_common::policy::{Policy, Profile};
use mpic_common::subject;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config::{BusConfig, TracesConfig};
use mpic_runtime::nats::{self, Role};
use mpic_runtime::stream;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Dir, Exit, Failure};
use crate::fleet::party::Party;
use crate::fleet::{Fleet, Internet, InternetAddresses, Network, Options, demo};
use crate::system::{Programs, Started, System};
use reach::{Reach, ReachError};

/// Starts a whole system on this machine, and ends it on Ctrl-C.
///
/// nats-server, a small Internet, the audit consumer, an agent for each perspective and a
/// coordinator run as processes of their own, with generated keys. Each prints a line here when it
/// is ready; what else they say goes to DIR/logs. If one of them ends, all do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    #[command(flatten)]
    dir: Dir,
    /// Remote perspectives, at most 20; there is one primary besides
    #[arg(long, value_name = "N", default_value = "6")]
    remotes: NonZeroUsize,
    /// The Internet that the perspectives look at: the project's own small one, or whichever DNS
    /// leads to [default: loopback; real with any flag that says how to reach it]
    #[arg(long, value_enum)]
    internet: Option<Kind>,
    #[command(flatten)]
    reach: Reach,
    /// Where a collector takes the traces of all processes, by OTLP over HTTP
    #[arg(long, value_name = "URL")]
    traces: Option<String>,
    /// Where a gateway for clients of the Open MPIC API listens, on loopback; none by default
    #[arg(long, value_name = "ADDR")]
    gateway: Option<SocketAddr>,
}

const EXAMPLES: &str = "\
Then, in another terminal:
  mpic check honest.example --caa
  mpic check honest.example --caa --method dns-01 \\
      --key-authorization-hash 6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM
  mpic check honest.example --caa --method http-01 \\
      --token honest-token --key-authorization honest-token.honest-thumbprint
  mpic check hijacked.example --caa --method dns-01 \\
      --key-authorization-hash NKm4SsnlfQRlK8H7EglhmDmhSnc8ZsdBjW2d-7cmLyI
  mpic check forbidden.example --caa
  mpic status
With --gateway 127.0.0.1:8000:
  curl http://127.0.0.1:8000/mpic -H \"x-api-key: $(cat DIR/keys/api.key)\" \\
      -d '{\"check_type\": \"caa\", \"domain_or_ip_target\": \"honest.example\"}'

The public Internet, as this machine sees it from one place:
  mpic up --internet real
  mpic up --dns forwarder:127.0.0.1:53
  mpic up --dns embedded
A laboratory with a root of its own on loopback, whose servers listen at port 5300:
  mpic up --dns embedded --root-hints lab.hints --trust-anchor lab.key \\
      --allow-address 127.0.0.0/8 --map-port 53=5300";

/// Which Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Loopback,
    Real,
}

/// What the stream of records may hold.
const STREAM_OCTETS_MAX: i64 = 1 << 30;

impl Up {
    /// Runs the system until a signal, or until one of its processes ends.
    pub async fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let mut signals = Signals::new()?;
        let real = match self.kind().map_err(Failure::malformed)? {
            Kind::Loopback => None,
            Kind::Real => Some(self.reach.network(out).await.map_err(Failure::malformed)?),
        };
        let fleet = self.plan(real.is_some()).map_err(Failure::malformed)?;
        writeln!(out, "directory {}", fleet.layout().dir().display())?;
        let mut system = System::open(fleet.layout().clone(), Programs::from_environment())?;
        let ended = tokio::select! {
            ended = self.start_and_watch(&fleet, real, &mut system, out) => ended,
            () = signals.next() => Ok(()),
        };
        // Whoever listened may be gone; the children still end in order.
        let _ = writeln!(out, "stopping");
        tokio::select! {
            () = system.stop() => {}
            () = signals.next() => system.kill().await,
        }
        ended.map(|()| Exit::Fine)
    }

    fn kind(&self) -> Result<Kind, ReachError> {
        match (self.internet, self.reach.given()) {
            (Some(Kind::Loopback), Some(flag)) => Err(ReachError::Small(flag)),
            (Some(kind), _) => Ok(kind),
            (None, Some(_)) => Ok(Kind::Real),
            (None, None) => Ok(Kind::Loopback),
        }
    }

    fn plan(&self, is_real: bool) -> Result<Fleet, Box<dyn std::error::Error + Send + Sync>> {
        let collected = |endpoint| TracesConfig { endpoint, ratio: 1.0 };
        let traces = self.traces.clone().map(collected);
        let options = |internet| Options {
            remotes: self.remotes,
            coordinators: NonZeroUsize::MIN,
            internet,
            policy: Policy::of(Profile::Strict),
            bus_port: None,
            traces: traces.clone(),
            gateway: self.gateway,
        };
        let dir = self.dir.path();
        let fleet = Fleet::plan(&dir, options(Internet::Real))?;
        if is_real {
            return Ok(fleet);
        }
        let content = demo::content(fleet.primary(), fleet.remotes())?;
        Ok(Fleet::plan(&dir, options(Internet::Loopback(content)))?)
    }

    async fn start_and_watch(
        &self,
        fleet: &Fleet,
        real: Option<Network>,
        system: &mut System,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let bus = start(fleet, real, system, out).await?;
        writeln!(out, "ready {bus}")?;
        out.flush()?;
        Err(system.watch().await.into())
    }
}

/// Starts everything in order, and gives where the bus is.
async fn start(
    fleet: &Fleet,
    real: Option<Network>,
    system: &mut System,
    out: &mut dyn Write,
) -> Result<String, Failure> {
    fleet.write(SystemClock.now())?;
    if let Some(network) = &real {
        check(fleet, network, system).await?;
    }
    let mut say = |started: &Started| {
        writeln!(out, "{:<22} ready  pid {}", started.name, started.pid)?;
        out.flush()
    };
    let bus = only(system.start(vec![fleet.bus()], &mut say).await?);
    let network = match (real, fleet.internet()) {
        (None, Some(internet)) => {
            let said = only(system.start(vec![internet], &mut say).await?);
            Network::Loopback(serde_json::from_str::<InternetAddresses>(&said)?)
        }
        (real, _) => real.ok_or("there is no Internet to look at")?,
    };
    let admin = Party::Provisioning.name();
    provision(&fleet.layout().bus(&admin, vec![bus.clone()])).await?;
    fleet.connect(&bus, &network)?;
    if let Some(init) = fleet.audit_init() {
        system.run(init).await?;
    }
    system.start(vec![fleet.audit()], &mut say).await?;
    system.start(fleet.agents(), &mut say).await?;
    system.start(fleet.coordinator_processes(), &mut say).await?;
    if let Some(gateway) = fleet.gateway() {
        let listening = only(system.start(vec![gateway], &mut say).await?);
        let key = fleet.layout().api_key();
        writeln!(out, "gateway http://{listening}  API key in {}", key.display())?;
    }
    Ok(bus)
}

/// Has an agent judge what the flags say, before anything is started for it.
async fn check(fleet: &Fleet, network: &Network, system: &mut System) -> Result<(), Failure> {
    fleet.connect(SOME_BUS, network)?;
    match system.run(fleet.agent_check()).await {
        Ok(()) => Ok(()),
        Err(error) => match reach::refused(error) {
            Ok(refused) => Err(Failure::malformed(refused)),
            Err(error) => Err(error.into()),
        },
    }
}

/// Stands for the bus in a configuration that is only checked.
const SOME_BUS: &str = "tls://127.0.0.1:4222";

/// What the one process of a stage said.
fn only(started: Vec<Started>) -> String {
    started.into_iter().map(|started| started.said).collect()
}

/// Makes the stream of records and what belongs to it, or compares it where it is there.
async fn provision(bus: &BusConfig) -> Result<(), Failure> {
    let role = Role {
        name: "provision".to_owned(),
        inbox_prefix: subject::ADMIN_INBOX.to_owned(),
        subscription_capacity: 64,
        client_capacity: 64,
    };
    let (client, _) = nats::connect(bus, role).await?;
    stream::provision(&jetstream::new(client), STREAM_OCTETS_MAX, 1).await?;
    Ok(())
}

/// What people and service managers send to end a process.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
