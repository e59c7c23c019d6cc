//! The relevant CAA set: at the name, or at the nearest ancestor that has one (RFC 8659 3).

use domain::base::iana::Rtype;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mpic_common::evidence::{CaaSeen, ClimbStep, DnsOutcome, DnsSeen, Purpose};

use super::Evidence;
use crate::resolver::{Inquiry, Question};

/// The questions of a climb, from the name up.
#[derive(Debug)]
pub(super) struct Climb {
    /// Those whose answer came before the climb was decided.
    questions: Vec<DnsSeen>,
    /// How many of them decide: the last is the set or the failure, those before it are empty.
    deciding: usize,
    pub(super) end: End,
}

/// What a climb leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The last deciding question found a set.
    Set,
    /// There is none from the name to its top-level domain.
    NoSet,
    /// The last deciding question failed. A failure above a set changes nothing.
    Failed(DnsOutcome),
    /// The top-level domain does not exist.
    NoTopLevelDomain,
}

/// How many questions are asked at a time, so that the parents' servers are not flooded.
const PARALLEL: usize = 4;

impl Climb {
    /// The question that decides.
    pub(super) fn last(&self) -> Option<&DnsSeen> {
        self.questions.get(self.deciding.checked_sub(1)?)
    }

    /// Keeps the questions, and `found` with the steps of the climb.
    pub(super) fn note(self, found: CaaSeen, evidence: &mut Evidence) {
        evidence.caa = Some(CaaSeen { climb: self.steps(), ..found });
        for (index, seen) in self.questions.into_iter().enumerate() {
            if index < self.deciding {
                evidence.used(seen);
            } else {
                evidence.ignored(seen);
            }
        }
    }

    /// The steps as evidence has them.
    fn steps(&self) -> Vec<ClimbStep> {
        let step = |seen: &DnsSeen| ClimbStep {
            name: seen.name.clone(),
            outcome: seen.outcome,
            count: seen.rrset_count,
        };
        self.questions.iter().map(step).collect()
    }
}

/// Asks for CAA at `name` and its ancestors, the root excepted, until the nearest set is known.
pub(super) async fn climb<I: Inquiry>(inquiry: &I, name: &str, purpose: Purpose) -> Climb {
    let names = ancestors_and_self(name);
    let ask = async |(index, name): (usize, &str)| {
        let name = name.to_owned();
        let question = Question { name, qtype: Rtype::CAA, purpose };
        (index, inquiry.ask(&question).await)
    };
    let mut answers: Vec<Option<DnsSeen>> = names.iter().map(|_| None).collect();
    let mut waiting = names.iter().copied().enumerate();
    let mut asking: FuturesUnordered<_> = waiting.by_ref().take(PARALLEL).map(ask).collect();
    let mut decided = None;
    while decided.is_none()
        && let Some((index, seen)) = asking.next().await
    {
        if let Some(answer) = answers.get_mut(index) {
            *answer = Some(seen);
        }
        decided = decide(&answers);
        asking.extend(waiting.next().map(ask));
    }
    let (deciding, end) = decided.unwrap_or((0, End::NoSet));
    Climb { questions: answers.into_iter().flatten().collect(), deciding, end }
}

/// `a.b.c`, `b.c`, `c`.
fn ancestors_and_self(name: &str) -> Vec<&str> {
    let parents =
        std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent));
    parents.collect()
}

/// How many answers decide and how, once they do: none is missing below.
fn decide(answers: &[Option<DnsSeen>]) -> Option<(usize, End)> {
    for (index, answer) in answers.iter().enumerate() {
        let deciding = index + 1;
        match answer.as_ref()?.outcome {
            DnsOutcome::Answer => return Some((deciding, End::Set)),
            DnsOutcome::NxDomain if deciding == answers.len() => {
                return Some((deciding, End::NoTopLevelDomain));
            }
            DnsOutcome::NoData | DnsOutcome::NxDomain => {}
            failure => return Some((deciding, End::Failed(failure))),
        }
    }
    Some((answers.len(), End::NoSet))
}
