//! Which agents answer to discovery: for figures alone. What discovery says is not signed, so it
//! never enters a decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::message::OutboundMessage;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::{Directory, Owner};
use mpic_common::octets::Fixed;
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_runtime::bus::Bus;
use mpic_runtime::discovery::{AGENT, CODE, KEY, Service};
use mpic_runtime::metrics::Metric;

/// The agents that answered last.
#[derive(Debug, Clone, Default)]
pub struct Census(Arc<Mutex<Option<Counted>>>);

/// Agents by whether the directory knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// With a key that is in force for their perspective.
    pub seen: BTreeMap<PerspectiveId, u64>,
    /// All others.
    pub foreign: u64,
}

/// Between two questions; up to this much more is random.
const EVERY: Duration = Duration::from_secs(25);
const SPREAD: Duration = Duration::from_secs(10);
/// How long answers may take.
const ANSWERS_WAIT: Duration = Duration::from_secs(2);
/// Agents that are counted; more of them can only be made up.
const ANSWERS_MAX: usize = 4_096;

impl Census {
    /// Asks again and again until `stop`, under the directory that `current` gives.
    pub async fn run(
        self,
        bus: Arc<dyn Bus>,
        coordinator: CoordinatorId,
        current: impl Fn() -> (Arc<Directory>, UnixMs) + Send,
        stop: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        loop {
            match stop.run_until_cancelled(ask(&*bus, &coordinator)).await {
                None => return Ok(()),
                Some(Some(answers)) => {
                    let (directory, now) = current();
                    let counted = count(&answers, &directory, now);
                    if counted.foreign > 0 {
                        let foreign = counted.foreign;
                        tracing::error!(foreign, "agents answer whom the directory does not list");
                    }
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
                }
                Some(None) => tracing::warn!("the agents cannot be asked who they are"),
            }
            let random = bus.random().map_or(0.5, |[octet, ..]| f64::from(octet) / 255.0);
            let pause = EVERY + SPREAD.mul_f64(random);
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// How many answered, by each of the `listed` perspectives; nothing before anybody was asked.
    pub fn metrics(&self, listed: &BTreeSet<PerspectiveId>) -> Vec<Metric> {
        let Some(counted) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Vec::new();
        };
        let seen = listed.iter().map(|perspective| {
            let count = counted.seen.get(perspective).copied().unwrap_or(0);
            Metric::count("mpic_agents_seen", count).of("perspective", perspective)
        });
        seen.chain([Metric::count("mpic_agents_foreign", counted.foreign)]).collect()
    }
}

/// Everyone's answers, as they came; nothing where the question cannot be sent.
async fn ask(bus: &dyn Bus, coordinator: &CoordinatorId) -> Option<Vec<Bytes>> {
    let inbox = subject::discovery_inbox(coordinator, &bus.random().ok()?);
    let mut answers = bus.subscribe(inbox.clone(), None).await.ok()?;
    let question = OutboundMessage {
        subject: subject::discovery("INFO", Some(AGENT), None).into(),
        reply: Some(inbox.into()),
        payload: Bytes::new(),
        headers: None,
    };
    bus.publish(question).await.ok()?;
    let (until, mut heard) = (Instant::now() + ANSWERS_WAIT, Vec::new());
    while heard.len() < ANSWERS_MAX {
        match timeout_at(until, answers.next()).await {
            Ok(Some(answer)) if answer.status.is_none() => heard.push(answer.payload),
            // Nobody is there at all.
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    let _ = answers.unsubscribe().await;
    Some(heard)
}

/// Who answered, each process once.
fn count(answers: &[Bytes], directory: &Directory, now: UnixMs) -> Counted {
    let (mut counted, mut met) = (Counted::default(), BTreeSet::new());
    for answer in answers {
        let agent = serde_json::from_slice::<Service>(answer).ok();
        if agent.as_ref().is_some_and(|agent| !met.insert(agent.id.clone())) {
            continue;
        }
        match agent.and_then(|agent| perspective(&agent, directory, now)) {
            Some(perspective) => *counted.seen.entry(perspective).or_default() += 1,
            None => counted.foreign += 1,
        }
    }
    counted
}

/// The perspective that an agent names, if the key that it names is in force for it.
fn perspective(agent: &Service, directory: &Directory, now: UnixMs) -> Option<PerspectiveId> {
    let said = |name: &str| agent.metadata.get(name);
    let id = data_encoding::HEXLOWER.decode(said(KEY)?.as_bytes()).ok()?;
    let key = directory.key(Fixed(id.try_into().ok()?), now)?;
    match &key.owner {
        Owner::Agent(perspective) if said(CODE)? == perspective.as_str() => {
            Some(perspective.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpic_common::testing::Fleet;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn agent(id: &str, code: &str, key: &str) -> Bytes {
        let key = Fleet::key(key).public().id().to_string();
        let service = Service {
            name: AGENT.to_owned(),
            id: id.to_owned(),
            version: "1.0.0".to_owned(),
            metadata: [(CODE, code), (KEY, &key)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        serde_json::to_vec(&service).unwrap().into()
    }

    #[test]
    fn only_agents_with_a_key_in_force_for_their_perspective_are_seen() {
        let directory = Fleet::new(6).directory();
        let answers = [
            agent("1", "r0", "r0"),
            agent("2", "r0", "r0"),
            agent("2", "r0", "r0"),
            agent("3", "p0", "p0"),
            agent("4", "r1", "r0"),
            agent("5", "nowhere", "nobody"),
            Bytes::from_static(b"noise"),
        ];
        let seen = [("p0", 1), ("r0", 2)].map(|(code, count)| (code.parse().unwrap(), count));
        assert_eq!(count(&answers, &directory, NOW), Counted { seen: seen.into(), foreign: 3 });
    }

    #[test]
    fn a_perspective_that_nobody_lists_is_no_label() {
        let census = Census::default();
        let listed = ["p0", "r0"].map(|code| code.parse().unwrap()).into();
        assert!(census.metrics(&listed).is_empty());
        let seen = [("elsewhere".parse().unwrap(), 3), ("r0".parse().unwrap(), 2)].into();
        *census.0.lock().unwrap() = Some(Counted { seen, foreign: 1 });
        let told = mpic_runtime::metrics::text(&census.metrics(&listed));
        assert!(told.contains("mpic_agents_seen{perspective=\"p0\"} 0\n"), "{told}");
        assert!(told.contains("mpic_agents_seen{perspective=\"r0\"} 2\n"), "{told}");
        assert!(told.contains("\nmpic_agents_foreign 1\n") && !told.contains("elsewhere"));
    }
}
