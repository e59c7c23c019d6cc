//! The real processes, wired as their `main` does, on the played bus.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpic_agent::check::{Checker, Rules};
use mpic_agent::health::EngineHealth;
use mpic_agent::responder::{Drops, Identity, Parts, Responder};
use mpic_audit::appender::{Appender, Stream};
use mpic_audit::consumer::{self, Limits};
use mpic_audit::log::memory::Memory;
use mpic_audit::log::{Shard, ShardOptions, Steps};
use mpic_audit::startup;
use mpic_common::octets::Hash;
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::reply::PerspectiveRole;
use mpic_common::subject;
use mpic_common::testing::Fleet;
use mpic_coordinator::corroboration::Asker;
use mpic_coordinator::directory::Directories;
use mpic_coordinator::figures::{Exchanges, Jobs};
use mpic_coordinator::hearing::{Hearing, reload};
use mpic_coordinator::intake::Intake;
use mpic_coordinator::known::Known;
use mpic_coordinator::multiplexer::Multiplexer;
use mpic_coordinator::perspectives::NatsPerspectives;
use mpic_coordinator::recorder::Recorder;
use mpic_coordinator::refusals::Refusals;
use mpic_runtime::bus::Bus;
use mpic_runtime::clock::Clock;
use mpic_runtime::queue::Queue;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::SkewedClock;
use crate::fixture::Fixture;
use crate::internet::{Engine, Internet, resolver};
use crate::link::Link;
use crate::op::AGENTS;
use crate::stream::Reader;

/// Why a process ended though nobody asked it to.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many jobs a coordinator takes at a time.
const JOBS_MAX: usize = 100;

/// Where a coordinator finds its directory document, and when it is told to read it again.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) file: PathBuf,
    pub(crate) hangups: watch::Receiver<()>,
}

pub(crate) async fn coordinator(
    listing: Listing,
    link: Link,
    number: usize,
    clock: SkewedClock,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let code = format!("c{number}");
    let key = Fleet::key(&code);
    let code: mpic_common::code::CoordinatorId = code.parse().unwrap();
    let bus: Arc<dyn Bus> = Arc::new(link.clone());
    let (acks, replies) = (Multiplexer::default(), Multiplexer::default());
    let read_acks = CancellationToken::new();
    let acked = bus.subscribe(subject::pubacks(&code), None).await?;
    let mut readers = JoinSet::new();
    readers.spawn(acks.clone().run(acked, subject::parse_puback, |_| {}, read_acks.clone()));
    let candidates = Fixture::candidates(listing.file, &code, &key);
    let document = candidates.load(clock.now())?;
    link.network().lock().witness.reads(&code, clock.now());
    let exchanges = Exchanges::default();
    let mut hearing =
        Hearing::new(Arc::clone(&bus), code.clone(), replies.clone(), exchanges.clone());
    hearing.follow(&document.directory).await?;
    let records = Arc::new(Reader(link.clone()));
    let recorder = Recorder::new(Arc::clone(&bus), code.clone(), acks.clone(), records);
    let directories = Directories::hold(candidates, document, &recorder).await?;
    let permits = Arc::new(Semaphore::new(JOBS_MAX));
    let intake = Arc::new(Intake {
        asker: Asker {
            coordinator: code.clone(),
            key,
            perspectives: NatsPerspectives {
                bus: Arc::clone(&bus),
                coordinator: code.clone(),
                replies: replies.clone(),
                exchanges,
                clock,
            },
            clock,
            straggler_wait: Duration::from_secs(1),
        },
        directories,
        primary: "p0".parse().unwrap(),
        allowed: Arc::from([]),
        secret: [7; 32],
        recorder,
        bus: Arc::clone(&bus),
        known: Known::default(),
        refusals: Refusals::default(),
        permits: Arc::clone(&permits),
        jobs_per_ca_max: JOBS_MAX,
        figures: Jobs::default(),
    });
    let (following, network) = (Arc::clone(&intake), Arc::clone(link.network()));
    let (mut hangups, stopped) = (listing.hangups, stop.clone());
    let following = JoinSet::from_iter([async move {
        while let Some(Ok(())) = stopped.run_until_cancelled(hangups.changed()).await {
            network.lock().witness.reads(&code, clock.now());
            reload(&following, &mut hearing, &stopped).await;
        }
        hearing
    }]);
    let group = subject::COORDINATORS.to_owned();
    let jobs = Queue::subscribe(Arc::clone(&bus), subject::JOBS.to_owned(), group);
    intake.run(jobs.await?, stop).await?;
    let left = (acks.len(), replies.len(), JOBS_MAX - permits.available_permits());
    if left != (0, 0, 0) {
        let text = format!("nothing_is_left_of_a_job_that_has_ended: {left:?}");
        link.network().lock().witness.violations.push(text);
    }
    drop(following);
    read_acks.cancel();
    Ok(())
}

/// What the agents share.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) internet: Arc<Internet>,
    pub(crate) rules: Rules,
    pub(crate) clock: SkewedClock,
}

pub(crate) async fn agent(
    fixture: Arc<Fixture>,
    link: Link,
    number: usize,
    place: Place,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let code = AGENTS[number];
    let perspective: mpic_common::code::PerspectiveId = code.parse().unwrap();
    let directories = fixture.directories_of(code);
    let registry = directories.own(place.clock_now())?.egress.registry;
    let engine = Engine {
        internet: place.internet,
        agent: number,
        perspective: code.to_owned(),
        identity: resolver(registry),
    };
    let health = Arc::new(EngineHealth::default());
    health.test(&engine).await;
    let responder = Arc::new(Responder::new(Parts {
        identity: identity(&perspective, number, registry),
        checker: Checker::new(engine, place.clock, place.rules),
        health,
        key: Fleet::key(code),
        directories,
        permits: Arc::new(Semaphore::new(3)),
        job_max: Duration::from_secs(25),
        clock_skew_max: Duration::from_secs(300),
        drops: Arc::new(Drops::default()),
    }));
    let bus: Arc<dyn Bus> = Arc::new(link);
    let (check, group) = (subject::check(&perspective), perspective.to_string());
    let assignments = Queue::subscribe(Arc::clone(&bus), check, group).await?;
    Ok(responder.run(bus, assignments, stop).await?)
}

impl Place {
    fn clock_now(&self) -> mpic_common::time::UnixMs {
        self.clock.now()
    }
}

fn identity(
    perspective: &mpic_common::code::PerspectiveId,
    number: usize,
    registry: RegionalInternetRegistry,
) -> Identity {
    let is_primary = perspective.as_str() == "p0";
    Identity {
        perspective: perspective.clone(),
        role: if is_primary { PerspectiveRole::Primary } else { PerspectiveRole::Remote },
        registry,
        agent: format!("agent-{number}"),
        software: mpic_runtime::SOFTWARE.to_owned(),
        config_digest: Hash::ZERO,
        resolvers: vec![resolver(registry)],
        relaxations: Vec::new(),
    }
}

/// A kept disk outlives the process.
pub(crate) type SharedDisk = Arc<Mutex<Memory>>;

pub(crate) async fn audit(
    fixture: Arc<Fixture>,
    link: Link,
    disk: SharedDisk,
    clock: SkewedClock,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let config = &fixture.audit;
    let source = Reader(link);
    let disk = disk.lock().unwrap().clone();
    let options =
        ShardOptions { key: config.key()?, io_threads: config.io_threads, steps: Steps::default() };
    let shard = Shard::open(disk, options)?;
    let state = source.state().await;
    let log = startup::recover(config, shard, &source, state, source.clone()).await?;
    let stream = Stream {
        source: source.clone(),
        base_seq: config.base_seq.get(),
        accept_gaps: BTreeSet::new(),
        steps: Steps::default(),
        clock,
    };
    let (appender, appending, _) = Appender::new(log, stream);
    let limits = Limits {
        messages_max: config.batch_messages_max,
        octets_max: config.batch_bytes_max,
        interval: config.commit_interval(),
    };
    let pulling = consumer::run(source, appender, limits, stop);
    // Whichever fails first ends the process.
    tokio::try_join!(async { appending.await.map_err(Failure::from) }, async {
        pulling.await.map_err(Failure::from)
    },)?;
    Ok(())
}
