//! The validator: which portions of replies are signed, which are proven not to be.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::base::iana::{DigestAlgorithm, Rtype, SecurityAlgorithm};
use domain::base::opt::ExtendedError;
use domain::base::{Message, ParsedName, ToName};
use domain::dnssec::validator::anchor::TrustAnchors;
use domain::dnssec::validator::context::{Config, ValidationContext, ValidationState};
use domain::net::client::request::{
    ComposeRequest, Error, GetResponse, RequestMessage, SendRequest,
};
use domain::rdata::dnssec::Timestamp;
use domain::rdata::{Ds, Rrsig};
use mpic_common::evidence::{DnsOutcome, Dnssec};
use mpic_common::octets::escape;
use tokio::time::Instant;

use super::super::message::WireName;
use super::UnsupportedAlgorithm;
use super::infrastructure::Visit;
use super::portion::{Portion, Subject};
use super::search::Search;

/// The judge of one attempt, who fetches every key and every delegation anew.
pub(super) struct Judge {
    context: ValidationContext<Lookups>,
    notes: Arc<Notes>,
    unsupported: UnsupportedAlgorithm,
}

/// A verdict, and the validator's reason where it gives one.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) state: Result<Dnssec, DnsOutcome>,
    pub(super) reason: Option<(u16, String)>,
}

/// What the validator does not tell.
#[derive(Debug, Default)]
struct Notes {
    /// A DS or DNSKEY set could not be fetched for the verdict in hand.
    is_blind: AtomicBool,
    /// By owner in lower case: its DS set holds nothing that the validator knows, but an algorithm
    /// that others do.
    unknown: Mutex<BTreeMap<Vec<u8>, WireName>>,
    /// What might outlive the job, once it is validated.
    fetched: Mutex<Vec<Fetched>>,
}

/// A DS or DNSKEY set that a server has just given.
#[derive(Debug)]
struct Fetched {
    name: WireName,
    qtype: Rtype,
    octets: Vec<u8>,
    received: Instant,
}

impl Judge {
    pub(super) fn new(
        anchors: TrustAnchors,
        unsupported: UnsupportedAlgorithm,
        search: Arc<Search>,
        visit: Option<Arc<Visit>>,
    ) -> Self {
        let notes = Arc::new(Notes::default());
        let lookups = Lookups { search, notes: Arc::clone(&notes), visit };
        let mut config = Config::new();
        config.set_nsec3_iter_insecure(ITERATIONS_MAX);
        config.set_nsec3_iter_bogus(ITERATIONS_MAX);
        let context = ValidationContext::with_config(anchors, lookups, config);
        Self { context, notes, unsupported }
    }

    /// Judges what `message`, a portion, says about `name`. It may lower TTLs to what the
    /// signatures allow.
    pub(super) async fn judge(&self, message: &mut Vec<u8>, name: &WireName) -> Verdict {
        self.notes.is_blind.store(false, Ordering::Relaxed);
        let Some((state, reason)) = self.validate(message).await else {
            return Verdict { state: Err(DnsOutcome::Malformed), reason: None };
        };
        Verdict { state: self.settle(state, name), reason: reason.map(|error| shown(&error)) }
    }

    /// None if the validator cannot read it.
    async fn validate(
        &self,
        message: &mut Vec<u8>,
    ) -> Option<(ValidationState, Option<ExtendedError<Vec<u8>>>)> {
        let whole = std::mem::take(message);
        let mut judged = Message::from_octets(Bytes::from(whole)).ok()?;
        let result = self.context.validate_msg::<Bytes, Vec<u8>>(&mut judged).await;
        *message = judged.into_octets().into();
        result.ok()
    }

    /// Keeps the keys and delegations that this attempt fetched and that are secure.
    pub(super) async fn keep(&self, visit: &Visit) {
        let all = std::mem::take(&mut *self.notes.fetched());
        for mut fetched in all {
            let state = self.validate(&mut fetched.octets).await;
            if let Some((ValidationState::Secure, _)) = state
                && let Some(ttl) = lifetime(&fetched.octets)
            {
                let Fetched { name, qtype, octets, received } = fetched;
                visit.keep((&name, qtype), &octets, received, ttl);
            }
        }
    }

    fn settle(&self, state: ValidationState, name: &WireName) -> Result<Dnssec, DnsOutcome> {
        match state {
            ValidationState::Secure => Ok(Dnssec::Secure),
            ValidationState::Insecure
                if self.unsupported == UnsupportedAlgorithm::Indeterminate
                    && self.notes.is_signed_unknowably(name) =>
            {
                Err(DnsOutcome::UnsupportedAlgorithm)
            }
            ValidationState::Insecure => Ok(Dnssec::Insecure),
            ValidationState::Bogus if !self.is_blind() => Err(DnsOutcome::Bogus),
            ValidationState::Bogus | ValidationState::Indeterminate => {
                Err(DnsOutcome::Indeterminate)
            }
        }
    }

    fn is_blind(&self) -> bool {
        self.notes.is_blind.load(Ordering::Relaxed)
    }
}

impl Notes {
    /// Looks at a DS set on its way to the validator, which takes one whose algorithms it does not
    /// know for proof of insecurity (RFC 4035 5.2), whoever else knows them.
    fn note_ds(&self, owner: &WireName, message: &Message<Bytes>) {
        let Ok(answer) = message.answer() else { return };
        let set: Vec<_> = answer
            .limit_to_in::<Ds<_>>()
            .flatten()
            .filter(|record| *owner == record.owner())
            .map(|record| (record.data().algorithm(), record.data().digest_type()))
            .collect();
        let knows = |(algorithm, digest): &(SecurityAlgorithm, DigestAlgorithm)| {
            VALIDATED.contains(algorithm) && DIGESTS.contains(digest)
        };
        let others = set.iter().any(|(algorithm, _)| ONLY_OTHERS.contains(algorithm));
        if others && !set.iter().any(knows) {
            let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
            unknown.insert(owner.as_octets().to_ascii_lowercase(), owner.clone());
        }
    }

    fn fetched(&self) -> MutexGuard<'_, Vec<Fetched>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_signed_unknowably(&self, name: &WireName) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.values().any(|owner| name.ends_with(owner))
    }
}

/// Where the validator gets DS and DNSKEY sets from: the same search, in the same attempt.
#[derive(Clone)]
struct Lookups {
    search: Arc<Search>,
    notes: Arc<Notes>,
    visit: Option<Arc<Visit>>,
}

impl Lookups {
    async fn fetch(self, name: WireName, qtype: Rtype) -> Result<Message<Bytes>, Error> {
        let kept = self.visit.as_ref().and_then(|visit| visit.read(&name, qtype));
        let octets = match kept {
            Some(octets) => octets,
            None => self.ask(&name, qtype).await?,
        };
        let message = Message::from_octets(Bytes::from(octets)).map_err(|_| Error::ShortMessage)?;
        if qtype == Rtype::DS {
            self.notes.note_ds(&name, &message);
        }
        Ok(message)
    }

    async fn ask(&self, name: &WireName, qtype: Rtype) -> Result<Vec<u8>, Error> {
        let received = Instant::now();
        let portion = match self.search.ask(name, qtype).await {
            Ok(heard) => Portion::of(&heard.octets, name, qtype),
            Err(outcome) => Err(outcome),
        };
        let Ok(Portion { subject, octets, .. }) = portion else {
            self.notes.is_blind.store(true, Ordering::Relaxed);
            return Err(Error::ConnectionClosed);
        };
        let visit = self.visit.as_ref().filter(|_| subject == Subject::Data);
        if visit.is_some_and(|visit| visit.may_keep(name, qtype)) {
            let (name, octets) = (name.clone(), octets.clone());
            self.notes.fetched().push(Fetched { name, qtype, octets, received });
        }
        Ok(octets)
    }
}

/// How long a validated set holds: its TTL, and its signatures. None if it cannot be read.
fn lifetime(octets: &[u8]) -> Option<Duration> {
    let message = Message::from_octets(octets).ok()?;
    let now = Timestamp::now().into_int();
    let mut seconds = None;
    for record in message.answer().ok()? {
        let record = record.ok()?;
        let ttl = record.ttl().as_secs();
        let signed = record.to_record::<Rrsig<_, ParsedName<_>>>().ok()?.map(|signature| {
            // Serial numbers (RFC 1982): what lies behind is more than half the circle ahead.
            let left = signature.data().expiration().into_int().wrapping_sub(now);
            if i32::try_from(left).is_ok() { left } else { 0 }
        });
        let lifetime = ttl.min(signed.unwrap_or(u32::MAX));
        seconds = Some(seconds.map_or(lifetime, |least: u32| least.min(lifetime)));
    }
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

impl SendRequest<RequestMessage<Vec<u8>>> for Lookups {
    fn send_request(&self, request: RequestMessage<Vec<u8>>) -> Box<dyn GetResponse + Send + Sync> {
        let lookups = self.clone();
        Box::new(Lookup(Exclusive::new(async move {
            let message = request.to_message()?;
            let question = message.sole_question().map_err(|_| Error::FormError)?;
            lookups.fetch(question.qname().to_vec(), question.qtype()).await
        })))
    }
}

struct Lookup(Exclusive<Result<Message<Bytes>, Error>>);

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lookup")
    }
}

impl GetResponse for Lookup {
    fn get_response(
        &mut self,
    ) -> Pin<Box<dyn Future<Output = Result<Message<Bytes>, Error>> + Send + Sync + '_>> {
        Box::pin(&mut self.0)
    }
}

/// A future that is only `Send`, made `Sync`: nobody but its poller ever holds it. The validator
/// wants both; the recursor's futures are the former alone.
struct Exclusive<T>(Mutex<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Exclusive<T> {
    fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(future)))
    }
}

impl<T> Future for Exclusive<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(context)
    }
}

fn shown(error: &ExtendedError<Vec<u8>>) -> (u16, String) {
    (error.code().to_int(), escape(error.text_slice().unwrap_or_default()))
}

/// What the validator validates: RSA with SHA-1 or SHA-2, and ECDSA with P-256.
const VALIDATED: [SecurityAlgorithm; 5] = [
    SecurityAlgorithm::RSASHA1,
    SecurityAlgorithm::RSASHA1_NSEC3_SHA1,
    SecurityAlgorithm::RSASHA256,
    SecurityAlgorithm::RSASHA512,
    SecurityAlgorithm::ECDSAP256SHA256,
];

/// NSEC3 proofs of more iterations are bogus. Up to this they are computed: to take them for
/// insecure, as RFC 9276 3.2 allows, would let anybody on the path deny what he likes.
const ITERATIONS_MAX: u16 = 500;

const DIGESTS: [DigestAlgorithm; 3] =
    [DigestAlgorithm::SHA1, DigestAlgorithm::SHA256, DigestAlgorithm::SHA384];

/// What other validators do besides: ECDSA with P-384, Ed25519 and Ed448.
const ONLY_OTHERS: [SecurityAlgorithm; 3] =
    [SecurityAlgorithm::ECDSAP384SHA384, SecurityAlgorithm::ED25519, SecurityAlgorithm::ED448];
