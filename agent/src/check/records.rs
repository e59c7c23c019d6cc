//! Questions that one record of the answer decides.

use domain::base::iana::Rtype;
use mpic_common::evaluator::{name, txt};
use mpic_common::evidence::DnsSeen;
use mpic_common::reason::Reason;

use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Asks, and lets `find` say which record of the answer passes, and what it says.
///
/// That record is moved to the front, where evidence is cut last.
pub(super) async fn ask<I: Inquiry, T>(
    question: &Question,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
    find: impl FnOnce(&DnsSeen) -> Result<(usize, T), Failure>,
) -> Result<T, Failure> {
    let mut seen = bench.inquiry.ask(question).await;
    let found = match seen.outcome.reason() {
        Some(reason) => Err(Failure::new(reason, format!("{} of {}", seen.qtype, seen.name))),
        None => find(&seen),
    };
    let said = found.map(|(index, said)| {
        if let Some(before) = seen.rrset.get_mut(..=index) {
            before.rotate_right(1);
        }
        said
    });
    evidence.used(seen);
    said
}

/// The raw records of an answer.
pub(super) fn rdata(seen: &DnsSeen) -> impl Iterator<Item = &[u8]> {
    seen.rrset.iter().map(|rdata| rdata.0.as_slice())
}

/// A failure with `reason`: no record is `expected`.
pub(super) fn none_is(expected: &str, seen: &DnsSeen, reason: Reason) -> Failure {
    let first = rdata(seen).next().unwrap_or_default();
    let shown = if seen.qtype == Rtype::TXT.to_string() {
        txt::join(first)
    } else {
        name::presentation(first).map(String::into_bytes)
    };
    let detail = format!(
        "none of {} {} records of {} is {expected}; the first says \"{}\"",
        seen.rrset_count,
        seen.qtype,
        seen.name,
        Failure::quote(shown.as_deref().unwrap_or(first))
    );
    Failure::new(reason, detail)
}
