//! Replies that are being made or may be asked for again: a repeat of an assignment joins the
//! running checks and gets the same octets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use mpic_common::octets::Hash;
use mpic_common::time::UnixMs;
use tokio::sync::watch;

/// By digest of the assignment's body.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    replies: BTreeMap<Hash, watch::Receiver<Option<Bytes>>>,
    /// Finished ones by when they may be forgotten.
    expiries: BTreeSet<(UnixMs, Hash)>,
    /// Of the finished ones.
    octets: usize,
}

/// What becomes of an assignment that is met.
pub(super) enum Joined<'a> {
    /// It is new: the caller makes the reply.
    First(Promise<'a>),
    /// Its reply is there, or on its way.
    Again(Repeat),
}

/// The duty to make a reply. Dropped without one, the assignment is new again.
pub(super) struct Promise<'a> {
    kept: &'a Kept,
    digest: Hash,
    reply: watch::Sender<Option<Bytes>>,
}

/// A reply that another caller makes.
pub(super) struct Repeat(watch::Receiver<Option<Bytes>>);

/// Finished replies that are kept, in octets; beyond it those that expire first are forgotten, and
/// a repeat of one is performed anew.
const OCTETS_MAX: usize = 32 * 1_024 * 1_024;

impl Kept {
    /// Joins whoever performs the assignment, or becomes it.
    pub(super) fn join(&self, digest: Hash, now: UnixMs) -> Joined<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        if let Some(reply) = state.replies.get(&digest) {
            return Joined::Again(Repeat(reply.clone()));
        }
        let (reply, receiver) = watch::channel(None);
        state.replies.insert(digest, receiver);
        Joined::First(Promise { kept: self, digest, reply })
    }
}

impl State {
    /// Forgets what has expired at `now`, and what is too much.
    fn forget(&mut self, now: UnixMs) {
        while let Some((expiry, digest)) = self.expiries.first().copied() {
            if expiry > now && self.octets <= OCTETS_MAX {
                return;
            }
            self.expiries.pop_first();
            let forgotten = self.replies.remove(&digest);
            let octets = forgotten.and_then(|reply| reply.borrow().as_ref().map(Bytes::len));
            self.octets = self.octets.saturating_sub(octets.unwrap_or_default());
        }
    }
}

impl Promise<'_> {
    /// Gives the reply to everyone who joined, and keeps it until `until`.
    pub(super) fn keep(self, reply: Bytes, until: UnixMs) {
        let mut state = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.octets += reply.len();
        state.expiries.insert((until, self.digest));
        drop(state);
        self.reply.send_replace(Some(reply));
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if self.reply.borrow().is_none() {
            let mut state = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.replies.remove(&self.digest);
        }
    }
}

impl Repeat {
    /// The reply; none if there is none after all.
    pub(super) async fn reply(mut self) -> Option<Bytes> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|reply| reply.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Hash = Hash([1; 32]);
    const NOW: UnixMs = UnixMs(1_000);

    fn first(kept: &Kept, now: UnixMs) -> Option<Promise<'_>> {
        match kept.join(DIGEST, now) {
            Joined::First(promise) => Some(promise),
            Joined::Again(_) => None,
        }
    }

    async fn again(kept: &Kept) -> Option<Bytes> {
        match kept.join(DIGEST, NOW) {
            Joined::First(_) => panic!("not kept"),
            Joined::Again(repeat) => repeat.reply().await,
        }
    }

    #[tokio::test]
    async fn a_repeat_gets_the_same_octets_while_they_are_made_and_after() {
        let kept = Kept::default();
        let promise = first(&kept, NOW).unwrap();
        let keep = async { promise.keep(Bytes::from_static(b"reply"), UnixMs(2_000)) };
        let (early, ()) = tokio::join!(again(&kept), keep);
        assert_eq!(early, again(&kept).await);
        assert_eq!(early.as_deref(), Some(&b"reply"[..]));
    }

    #[tokio::test]
    async fn a_promise_that_is_dropped_leaves_the_assignment_new() {
        let kept = Kept::default();
        let promise = first(&kept, NOW).unwrap();
        let give_up = async { drop(promise) };
        let (early, ()) = tokio::join!(again(&kept), give_up);
        assert_eq!(early, None);
        assert!(first(&kept, NOW).is_some());
    }

    #[test]
    fn a_reply_is_forgotten_at_its_time() {
        let kept = Kept::default();
        first(&kept, NOW).unwrap().keep(Bytes::from_static(b"reply"), UnixMs(2_000));
        assert!(first(&kept, UnixMs(1_999)).is_none());
        assert!(first(&kept, UnixMs(2_000)).is_some());
        assert_eq!(kept.0.lock().unwrap().octets, 0);
    }
}
