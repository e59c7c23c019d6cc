//! A played NATS server and the network around it: queue groups, 503, the stream; and everything that a
//! network may do to a message. What befalls a message depends on the seed and on the message
//! alone, not on the order in which tasks ran, so a seed gives the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode};
use bytes::Bytes;
use mpic_common::subject;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::attacker::Attacker;
use crate::link::Link;
use crate::op::{Process, mix};
use crate::stream::PlayedStream;
use crate::witness::Witness;

/// The network and the server.
#[derive(Debug)]
pub(crate) struct Network {
    server: Mutex<Server>,
    pub(crate) changed: Notify,
    started: Instant,
}

#[derive(Debug)]
pub(crate) struct Server {
    seed: u64,
    now_ms: u64,
    /// By time, by a number drawn for each, by order.
    events: BTreeMap<(u64, u64, u64), Event>,
    pub(crate) subscriptions: BTreeMap<u64, Routed>,
    pub(crate) connections: BTreeMap<u64, Process>,
    /// How often each connection was made; it lives as long as the process.
    connects: BTreeMap<u64, Arc<AtomicU64>>,
    pub(crate) cut: BTreeSet<Process>,
    pub(crate) next: u64,
    drawn: BTreeMap<u64, u64>,
    /// What each token stands for: the question that named it first.
    tokens: BTreeMap<String, u64>,
    pub(crate) weather: Weather,
    pub(crate) stream: PlayedStream,
    pub(crate) attacker: Attacker,
    pub(crate) witness: Witness,
}

/// What the network does to messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Per thousand.
    pub(crate) lost: u64,
    /// Per thousand.
    pub(crate) doubled: u64,
    pub(crate) delay_ms: u64,
}

impl Weather {
    pub(crate) const CALM: Self = Self { lost: 0, doubled: 0, delay_ms: 3 };
}

#[derive(Debug)]
pub(crate) enum Event {
    /// At the server.
    Arrives { from: u64, message: OutboundMessage },
    /// At a subscriber.
    Delivered { to: u64, message: Message },
}

#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) connection: u64,
    pub(crate) pattern: String,
    pub(crate) group: Option<String>,
    pub(crate) sender: mpsc::Sender<Message>,
    /// Sent to it since it was made, or since the connection was.
    pub(crate) sent: u64,
    pub(crate) until: Option<u64>,
}

impl Network {
    pub(crate) fn new(seed: u64, stream: PlayedStream, attacker: Attacker) -> Arc<Self> {
        Arc::new(Self {
            server: Mutex::new(Server {
                seed,
                now_ms: 0,
                events: BTreeMap::new(),
                subscriptions: BTreeMap::new(),
                connections: BTreeMap::new(),
                connects: BTreeMap::new(),
                cut: BTreeSet::new(),
                next: 0,
                drawn: BTreeMap::new(),
                tokens: BTreeMap::new(),
                weather: Weather::CALM,
                stream,
                attacker,
                witness: Witness::default(),
            }),
            changed: Notify::new(),
            started: Instant::now(),
        })
    }

    /// The server at this moment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Server> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        server
    }

    /// Carries messages for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let next = self.lock().carry();
            match next {
                Some(due_ms) => {
                    let due = self.started + Duration::from_millis(due_ms);
                    tokio::select! {
                        biased;
                        () = self.changed.notified() => {}
                        () = sleep_until(due) => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// A new connection of a process, whose earlier ones are gone.
    pub(crate) fn connect(self: &Arc<Self>, process: Process) -> Link {
        let mut server = self.lock();
        server.disconnect(process);
        server.next += 1;
        let id = server.next;
        let connects = Arc::new(AtomicU64::new(1));
        server.connections.insert(id, process);
        server.connects.insert(id, Arc::clone(&connects));
        let random = AtomicU64::new(mix(server.seed ^ id.wrapping_mul(0x5851_f42d)));
        drop(server);
        Link::new(Arc::clone(self), id, process, connects, random)
    }
}

impl Server {
    /// Everything that is due; gives when the next is.
    fn carry(&mut self) -> Option<u64> {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > self.now_ms {
                return Some(entry.key().0);
            }
            match entry.remove() {
                Event::Arrives { from, message } => self.route(from, &message),
                Event::Delivered { to, message } => self.deliver(to, message),
            }
        }
        None
    }

    /// The process is gone, and what is subscribed with it.
    pub(crate) fn disconnect(&mut self, process: Process) {
        let gone: Vec<_> = self.connections.iter().filter(|(_, of)| **of == process).collect();
        let gone: BTreeSet<_> = gone.into_iter().map(|(id, _)| *id).collect();
        self.connections.retain(|id, _| !gone.contains(id));
        self.connects.retain(|id, _| !gone.contains(id));
        self.subscriptions.retain(|_, routed| !gone.contains(&routed.connection));
    }

    pub(crate) fn cut(&mut self, process: Process) {
        self.cut.insert(process);
    }

    /// The client connects again and subscribes again, and the server counts anew.
    pub(crate) fn mend(&mut self, process: Process) {
        if !self.cut.remove(&process) {
            return;
        }
        let own: Vec<_> = self.connections.iter().filter(|(_, of)| **of == process).collect();
        for (id, _) in own {
            self.connects[id].fetch_add(1, Ordering::Relaxed);
            let own = self.subscriptions.values_mut().filter(|routed| routed.connection == *id);
            own.for_each(|routed| routed.sent = 0);
        }
    }

    pub(crate) fn mend_all(&mut self) {
        for process in self.cut.clone() {
            self.mend(process);
        }
    }

    /// Of all that a message says, whatever its tokens are: tasks that run in one millisecond may
    /// draw them in either order.
    pub(crate) fn digest(&mut self, message: &OutboundMessage, salt: impl Hash) -> u64 {
        if let Some((head, token)) = message.reply.as_deref().and_then(token_of)
            && !self.tokens.contains_key(token)
        {
            let question = hashed((head, message.subject.as_str(), &message.payload));
            let named = self.draw(question);
            self.tokens.insert(token.to_owned(), named);
        }
        let reply = message.reply.as_deref().map(|reply| self.canonical(reply));
        hashed((salt, self.canonical(&message.subject), reply, &message.payload))
    }

    /// A subject, with what its token stands for.
    fn canonical(&self, subject: &str) -> u64 {
        match token_of(subject) {
            Some((head, token)) => hashed((head, self.tokens.get(token))),
            None => hashed(subject),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Which of the messages that wait the consumer delivers now.
    pub(crate) fn draw_delivery(&self) -> u64 {
        mix(self.seed ^ (self.now_ms << 16) ^ self.stream.acked)
    }

    /// A number for this thing, another for its next time.
    pub(crate) fn draw(&mut self, thing: impl Hash) -> u64 {
        let thing = hashed(thing);
        let times = self.drawn.entry(thing).or_default();
        *times += 1;
        mix(self.seed ^ thing ^ times.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Puts an event on its way, perhaps late, perhaps twice, perhaps never.
    pub(crate) fn send(&mut self, thing: u64, event: impl Fn() -> Event) {
        let mut drawn = self.draw(thing);
        let mut next = || {
            drawn = mix(drawn.wrapping_add(1));
            drawn
        };
        let Weather { lost, doubled, delay_ms } = self.weather;
        if next() % 1_000 < lost {
            return;
        }
        for _ in 0..=u64::from(next() % 1_000 < doubled) {
            self.next += 1;
            let due = self.now_ms + 1 + next() % delay_ms;
            self.events.insert((due, next(), self.next), event());
        }
        self.witness.carried += 1;
    }

    /// What the server does with a message.
    fn route(&mut self, from: u64, message: &OutboundMessage) {
        let process = self.connections.get(&from).copied();
        // Of a process that is gone, what it has sent still comes.
        if process.is_some_and(|process| self.cut.contains(&process)) {
            return;
        }
        let thing = self.digest(message, 5);
        self.witness.trace(self.now_ms, thing);
        for forged in self.attacker.on_message(message) {
            let thing = self.digest(&forged, 1);
            self.send(thing, || Event::Arrives { from: 0, message: forged.clone() });
        }
        if message.subject.starts_with(subject::AUDIT_SUBJECTS.trim_end_matches('>')) {
            let before = self.stream.messages.len();
            let taken = self.stream.take(message, self.now_ms);
            if from == 0 {
                self.witness.junk.extend(before as u64 + 1..=self.stream.messages.len() as u64);
            }
            match taken {
                Ok(Some(ack)) => self.answer(message, ack, None),
                Ok(None) => {}
                Err(_) => self.answer(message, Bytes::new(), Some(StatusCode::NO_RESPONDERS)),
            }
            return;
        }
        let to = self.subscribers(message);
        if to.is_empty() {
            if let (Some(reply), false) = (&message.reply, from == 0) {
                let nobody = no_responders(reply.as_str());
                for to in self.subscribers_of(from, reply) {
                    self.hand(to, &nobody);
                }
            }
            return;
        }
        for to in to {
            self.hand(to, &inbound(message));
        }
    }

    /// An answer of the server itself.
    fn answer(&mut self, to: &OutboundMessage, payload: Bytes, status: Option<StatusCode>) {
        let Some(reply) = &to.reply else { return };
        let message =
            OutboundMessage { subject: reply.clone(), reply: None, payload, headers: None };
        for subscriber in self.subscribers(&message) {
            self.hand(subscriber, &Message { status, ..inbound(&message) });
        }
    }

    /// Everyone without a group, and one of each group.
    fn subscribers(&mut self, message: &OutboundMessage) -> Vec<u64> {
        let matching = |routed: &&Routed| matches(&routed.pattern, &message.subject);
        let mut all = Vec::new();
        let mut groups: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (id, routed) in &self.subscriptions {
            match &routed.group {
                _ if !matching(&routed) => {}
                None => all.push(*id),
                Some(group) => groups.entry(group.clone()).or_default().push(*id),
            }
        }
        for (_, members) in groups {
            let thing = self.digest(message, 2);
            let member = self.draw(thing) % members.len() as u64;
            all.push(members[usize::try_from(member).unwrap()]);
        }
        all
    }

    fn subscribers_of(&self, connection: u64, subject: &str) -> Vec<u64> {
        let own = self.subscriptions.iter().filter(|(_, routed)| routed.connection == connection);
        own.filter(|(_, routed)| matches(&routed.pattern, subject)).map(|(id, _)| *id).collect()
    }

    /// From the server to a subscriber.
    fn hand(&mut self, to: u64, message: &Message) {
        let subject = self.canonical(&message.subject);
        let Some(routed) = self.subscriptions.get_mut(&to) else { return };
        let process = self.connections.get(&routed.connection).copied();
        routed.sent += 1;
        let is_last = routed.until == Some(routed.sent);
        let thing = hashed((3, process, subject, &message.payload));
        if process.is_none_or(|process| !self.cut.contains(&process)) {
            let message = message.clone();
            self.send(thing, || Event::Delivered { to, message: message.clone() });
        }
        if is_last && let Some(routed) = self.subscriptions.get_mut(&to) {
            routed.pattern.clear();
        }
    }

    fn deliver(&mut self, to: u64, message: Message) {
        let Some(routed) = self.subscriptions.get(&to) else { return };
        let process = self.connections.get(&routed.connection).copied();
        if process.is_some_and(|process| self.cut.contains(&process)) {
            return;
        }
        // Full means a reader that is too slow.
        let _ = routed.sender.try_send(message);
    }
}

fn inbound(message: &OutboundMessage) -> Message {
    let OutboundMessage { subject, reply, payload, headers } = message.clone();
    Message { subject, reply, payload, headers, status: None, description: None, length: 0 }
}

fn no_responders(subject: &str) -> Message {
    Message {
        subject: subject.into(),
        reply: None,
        payload: Bytes::new(),
        headers: None,
        status: Some(StatusCode::NO_RESPONDERS),
        description: None,
        length: 0,
    }
}

/// Whether a subject is one of the pattern's.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut of_subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, of_subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    of_subject.next().is_none()
}

/// A subject without its token, and the token.
fn token_of(subject: &str) -> Option<(&str, &str)> {
    subject.rsplit_once('.').filter(|(_, token)| token.len() == 32)
}

pub(crate) fn hashed(thing: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}
