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
    replies: BTreeMap<Hash, Repeat>,
    /// Finished ones by when they may be forgotten.
    expiries: BTreeSet<(UnixMs, Hash)>,
    /// Of the finished ones, with what it takes to keep them.
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

/// A reply that another caller makes or has made.
#[derive(Debug, Clone)]
pub(super) enum Repeat {
    Underway(watch::Receiver<Option<Bytes>>),
    Finished(Bytes),
}

/// Finished replies that are kept, in octets; beyond it those that expire first are forgotten, and
/// a repeat of one is performed anew.
const OCTETS_MAX: usize = 16 * 1_024 * 1_024;
/// What it takes to keep a reply of no octets: its place in either tree, and its allocation.
const ENTRY_OCTETS: usize = 256;

impl Kept {
    /// Joins whoever performs the assignment, or becomes it.
    pub(super) fn join(&self, digest: Hash, now: UnixMs) -> Joined<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        if let Some(reply) = state.replies.get(&digest) {
            return Joined::Again(reply.clone());
        }
        let (reply, receiver) = watch::channel(None);
        state.replies.insert(digest, Repeat::Underway(receiver));
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
            if let Some(Repeat::Finished(reply)) = self.replies.remove(&digest) {
                self.octets = self.octets.saturating_sub(taken(&reply));
            }
        }
    }
}

impl Promise<'_> {
    /// Gives the reply to everyone who joined, and keeps it until `until`.
    pub(super) fn keep(self, reply: Bytes, until: UnixMs) {
        let mut state = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.octets += taken(&reply);
        state.expiries.insert((until, self.digest));
        state.replies.insert(self.digest, Repeat::Finished(reply.clone()));
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
    pub(super) async fn reply(self) -> Option<Bytes> {
        match self {
            Self::Underway(mut reply) => {
                reply.wait_for(Option::is_some).await.ok().and_then(|reply| reply.clone())
            }
            Self::Finished(reply) => Some(reply),
        }
    }
}

fn taken(reply: &Bytes) -> usize {
    reply.len() + ENTRY_OCTETS
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

    #[test]
    fn of_too_many_replies_those_that_expire_first_are_forgotten() {
        let kept = Kept::default();
        let digest = |number: u8| Hash([number; 32]);
        let reply = Bytes::from(vec![0; OCTETS_MAX / 4]);
        for number in 1..=5 {
            let Joined::First(promise) = kept.join(digest(number), NOW) else { panic!("new") };
            promise.keep(reply.clone(), UnixMs(2_000 + u64::from(number)));
        }
        let is_kept = |number| matches!(kept.join(digest(number), NOW), Joined::Again(_));
        assert_eq!([1, 2, 3, 4, 5].map(is_kept), [false, false, true, true, true]);
    }
}
