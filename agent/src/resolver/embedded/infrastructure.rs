//! What outlives a job: where the servers of public suffixes are, and their keys.
//!
//! A delegation is unsigned and only says where to ask. DS and DNSKEY sets are kept once they have
//! been validated, and are validated again by each job that uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::base::iana::Rtype;
use tokio::time::Instant;

use super::super::message::WireName;
use super::suffixes::Suffixes;

/// Messages by name and type.
#[derive(Debug)]
pub(super) struct Infrastructure {
    suffixes: Suffixes,
    entries: Mutex<Entries>,
}

/// One attempt's use of it.
#[derive(Debug)]
pub(super) struct Visit {
    infrastructure: Arc<Infrastructure>,
    used: Mutex<BTreeSet<Key>>,
}

/// A name in lower case, and a type.
type Key = (Vec<u8>, Rtype);

impl Infrastructure {
    pub(super) fn new(suffixes: Suffixes) -> Self {
        Self { suffixes, entries: Mutex::default() }
    }

    /// Begins an attempt.
    pub(super) fn visit(self: &Arc<Self>) -> Arc<Visit> {
        Arc::new(Visit { infrastructure: Arc::clone(self), used: Mutex::default() })
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.entries().0.clear();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each change is whole by itself, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Whether anything is kept under (`name`, `qtype`).
    pub(super) fn may_keep(&self, name: &WireName, qtype: Rtype) -> bool {
        KEPT.contains(&qtype) && self.infrastructure.suffixes.contains(name)
    }

    /// The message kept under (`name`, `qtype`), unless its time is over.
    pub(super) fn read(&self, name: &WireName, qtype: Rtype) -> Option<Vec<u8>> {
        let key = key(name, qtype);
        let found = self.infrastructure.entries().read(&key, Instant::now())?;
        self.use_of(key);
        Some(found)
    }

    /// Keeps a message that was `received` then, for `ttl` and no longer than an hour.
    pub(super) fn keep(
        &self,
        (name, qtype): (&WireName, Rtype),
        octets: &[u8],
        received: Instant,
        ttl: Duration,
    ) {
        if !self.may_keep(name, qtype) || octets.len() > OCTETS_MAX {
            return;
        }
        let (key, until) = (key(name, qtype), received + ttl.min(AGE_MAX));
        self.infrastructure.entries().keep(key.clone(), octets, until, Instant::now());
        self.use_of(key);
    }

    /// Drops every entry that the attempt went by, whether it found it or put it there.
    pub(super) fn drop_used(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.infrastructure.entries();
        used.iter().for_each(|key| drop(entries.0.remove(key)));
    }

    fn use_of(&self, key: Key) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }
}

fn key(name: &WireName, qtype: Rtype) -> Key {
    (name.as_octets().to_ascii_lowercase(), qtype)
}

/// Messages, each with the end of its time.
#[derive(Debug, Default)]
struct Entries(BTreeMap<Key, (Instant, Vec<u8>)>);

impl Entries {
    fn read(&self, key: &Key, now: Instant) -> Option<Vec<u8>> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, octets)| octets.clone())
    }

    /// Keeps `octets` unless there is an entry whose time is not over. If there are too many, the
    /// one that would end first is dropped.
    fn keep(&mut self, key: Key, octets: &[u8], until: Instant, now: Instant) {
        if until <= now || self.0.get(&key).is_some_and(|(until, _)| now < *until) {
            return;
        }
        self.0.insert(key, (until, octets.to_vec()));
        if self.0.len() > ENTRIES_MAX {
            self.0.retain(|_, (until, _)| now < *until);
        }
        if self.0.len() > ENTRIES_MAX {
            let first = self.0.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(key) = first.map(|(key, _)| key.clone()) {
                self.0.remove(&key);
            }
        }
    }
}

const KEPT: [Rtype; 3] = [Rtype::NS, Rtype::DS, Rtype::DNSKEY];

/// However long a TTL is.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// Three for each of more suffixes than an agent meets in an hour.
const ENTRIES_MAX: usize = 4_096;

/// Octets of one message; larger ones, which no suffix needs, are fetched each time.
const OCTETS_MAX: usize = 8_192;

#[cfg(test)]
mod tests;
