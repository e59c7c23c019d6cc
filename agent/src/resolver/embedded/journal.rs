//! What an attempt has heard so far, question by question.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsOutcome, Transport};

use super::super::message::WireName;

/// A reply by an authority for the name asked.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) octets: Vec<u8>,
    pub(super) transport: Transport,
}

/// Replies and failures of one attempt.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    replies: BTreeMap<Key, Arc<Heard>>,
    /// Since the last search began.
    failures: Vec<(Key, DnsOutcome)>,
    /// Since then too.
    asked: usize,
    upstreams: Vec<IpAddr>,
}

type Key = (Vec<u8>, Rtype);

fn key(name: &WireName, qtype: Rtype) -> Key {
    (name.as_octets().to_ascii_lowercase(), qtype)
}

impl Journal {
    /// Begins a search; gives what is known already.
    pub(super) fn begin(&self, name: &WireName, qtype: Rtype) -> Option<Arc<Heard>> {
        let mut pages = self.pages();
        pages.failures.clear();
        pages.asked = 0;
        pages.replies.get(&key(name, qtype)).cloned()
    }

    /// Notes that `server` is asked.
    pub(super) fn asking(&self, server: IpAddr) {
        let mut pages = self.pages();
        pages.asked += 1;
        if !pages.upstreams.contains(&server) {
            pages.upstreams.push(server);
        }
    }

    /// Notes an authority's reply.
    pub(super) fn reply(&self, name: &WireName, qtype: Rtype, heard: Heard) {
        self.pages().replies.insert(key(name, qtype), Arc::new(heard));
    }

    /// Notes that a server gave none.
    pub(super) fn failure(&self, name: &WireName, qtype: Rtype, outcome: DnsOutcome) {
        self.pages().failures.push((key(name, qtype), outcome));
    }

    /// The end of a search: the reply, or why there is none.
    ///
    /// What the servers of the question said counts; if it was never asked, what kept the search
    /// from them.
    pub(super) fn end(&self, name: &WireName, qtype: Rtype) -> Result<Arc<Heard>, DnsOutcome> {
        let pages = self.pages();
        let key = key(name, qtype);
        if let Some(heard) = pages.replies.get(&key) {
            return Ok(Arc::clone(heard));
        }
        let own = pages.failures.iter().filter(|(asked, _)| *asked == key);
        let all = pages.failures.iter();
        let worst = |failures: &mut dyn Iterator<Item = &(Key, DnsOutcome)>| {
            failures.map(|(_, outcome)| *outcome).max_by_key(|outcome| weight(*outcome))
        };
        Err(match worst(&mut own.into_iter()) {
            Some(outcome) => outcome,
            None if pages.asked >= ASKED_MAX => DnsOutcome::Budget,
            None => worst(&mut all.into_iter()).unwrap_or(DnsOutcome::Unreachable),
        })
    }

    /// The servers asked, in order.
    pub(super) fn upstreams(&self) -> Vec<IpAddr> {
        self.pages().upstreams.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Each change is whole by itself, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search that asked this often before it asked its question met the recursor's limit of 200.
const ASKED_MAX: usize = 190;

/// Which of several failures is told: what ended the search, then what a server said, then what
/// the network did.
fn weight(outcome: DnsOutcome) -> u8 {
    match outcome {
        DnsOutcome::Budget => 6,
        DnsOutcome::ServFail => 5,
        DnsOutcome::Malformed => 4,
        DnsOutcome::Truncated => 3,
        DnsOutcome::Refused => 2,
        DnsOutcome::Timeout => 1,
        _ => 0,
    }
}
