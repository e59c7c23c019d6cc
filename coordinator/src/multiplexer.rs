//! Many questions, one subscription: a map from the token of a question to who waits for it.
//!
//! The library's own requests stay in its map for the life of the client where nobody answers.
//! Here a slot goes when its guard does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, Subject};
use futures_util::StreamExt;
use mpic_runtime::bus::Subscription;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// 16 random octets.
pub type Token = [u8; 16];

type Slots = Arc<Mutex<BTreeMap<Token, Slot>>>;

/// Who waits for a token, and on which subject alone: what comes on another's, such as that of
/// another perspective, is not meant.
#[derive(Debug, Clone)]
struct Slot {
    subject: Subject,
    mailbox: Arc<Mailbox>,
}

/// What has come for one reader. A channel would reserve a kilobyte, and there is one a question.
#[derive(Debug, Default)]
struct Mailbox {
    messages: Mutex<VecDeque<Message>>,
    has_come: Notify,
}

/// Hands each message to who waits for its token.
#[derive(Debug, Clone, Default)]
pub struct Multiplexer {
    slots: Slots,
}

/// Receives the answers to some questions; the tokens end with it.
#[derive(Debug)]
pub struct Answers {
    slots: Slots,
    tokens: Vec<Token>,
    mailbox: Arc<Mailbox>,
}

/// Why nobody reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Nobody waits for its token.
    UnknownToken,
    /// Who waits has eight unread answers.
    TooMany,
}

/// Answers that wait for one reader: more than the sends of one question, since an answer may
/// come twice.
const ANSWERS_MAX: usize = 8;

impl Multiplexer {
    /// A place for the answers to questions yet to be asked.
    pub fn answers(&self) -> Answers {
        Answers { slots: Arc::clone(&self.slots), tokens: Vec::new(), mailbox: Arc::default() }
    }

    /// Reads a subscription until `stop`; `token` reads the token of a subject. What nobody waits
    /// for, or who waits has enough of, is dropped, and `unread` hears of it.
    pub async fn run(
        self,
        mut messages: Box<dyn Subscription>,
        token: fn(&str) -> Option<Token>,
        unread: impl Fn(Unread),
        stop: CancellationToken,
    ) {
        while let Some(Some(message)) = stop.run_until_cancelled(messages.next()).await {
            let slot =
                token(&message.subject).and_then(|token| lock(&self.slots).get(&token).cloned());
            match slot.filter(|slot| slot.subject == message.subject) {
                Some(slot) => {
                    if let Err(why) = slot.mailbox.put(message) {
                        unread(why);
                    }
                }
                None => {
                    tracing::debug!(subject = %message.subject, "nobody waits for this");
                    unread(Unread::UnknownToken);
                }
            }
        }
    }

    /// How many tokens are waited for.
    pub fn len(&self) -> usize {
        lock(&self.slots).len()
    }

    /// Whether nobody waits for anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Answers {
    /// From now on the answers on `subject`, whose token this is, come here.
    pub fn await_token(&mut self, token: Token, subject: &Subject) {
        self.tokens.push(token);
        let slot = Slot { subject: subject.clone(), mailbox: Arc::clone(&self.mailbox) };
        lock(&self.slots).insert(token, slot);
    }

    /// An answer that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        lock(&self.mailbox.messages).pop_front()
    }

    /// The next answer. It waits for ever where none comes. May be cancelled.
    pub async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.try_next() {
                return message;
            }
            self.mailbox.has_come.notified().await;
        }
    }
}

impl Mailbox {
    fn put(&self, message: Message) -> Result<(), Unread> {
        let mut messages = lock(&self.messages);
        if messages.len() >= ANSWERS_MAX {
            return Err(Unread::TooMany);
        }
        messages.push_back(message);
        // The one reader, or whoever it is next, since it looks before it waits.
        self.has_come.notify_one();
        Ok(())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let mut slots = lock(&self.slots);
        for token in &self.tokens {
            slots.remove(token);
        }
    }
}

/// What is locked is whole whatever a holder of the lock did: each use of it is one call.
fn lock<T>(locked: &Mutex<T>) -> MutexGuard<'_, T> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_ends_with_its_reader() {
        let multiplexer = Multiplexer::default();
        let mut answers = multiplexer.answers();
        answers.await_token([1; 16], &"a".into());
        answers.await_token([2; 16], &"b".into());
        assert_eq!(multiplexer.len(), 2);
        drop(answers);
        assert!(multiplexer.is_empty());
    }
}
