//! The facts of BR 5.4.1(2)(7) and (8): each attempt of each perspective, and each quorum.

mod attempt;
mod csv;
mod html;
mod rates;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mpic_common::directory::DirectoryError;
use mpic_common::identifier::IdentifierFields;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::record::{DecisionRecord, LateRecord, leaf_hash};
use mpic_common::wire::{Envelope, Kind, decode_body};

pub use self::attempt::{Attempt, CheckLine, PerspectiveLine, Seen};
pub use self::csv::csv;
pub use self::html::html;
pub use self::rates::{Rate, Rates, rates_csv};
use crate::reader::{LogReadError, LogReader};
use crate::replay::{Judged, judge_each};
use crate::search::{Filter, Subject};

/// The attempts that a filter admits, grouped by CA, certificate request and identifier, and in
/// each group in the order of the log.
///
/// Where the filter names a check, that one alone is told. An attempt is replayed before it stands here, and has what was found wrong with it. Equal
/// octets count once. `brought` are the auditor's own directory documents.
pub fn attempts<E: From<LogReadError> + From<DirectoryError>>(
    log: &LogReader,
    brought: &[Vec<u8>],
    filter: &Filter,
) -> Result<Vec<Attempt>, E> {
    let mut found = BTreeMap::new();
    judge_each(log, brought, |entry| {
        add(&mut found, &log.head().origin, entry, filter);
        Ok::<_, E>(())
    })?;
    let mut attempts: Vec<_> = found.into_values().collect();
    attempts.sort_by_cached_key(|attempt: &Attempt| {
        let value = IdentifierFields::from(attempt.of.clone()).value;
        (attempt.ca.clone(), attempt.ca_request.clone(), value, attempt.index)
    });
    Ok(attempts)
}

/// Takes the entry where it is a decision that is wanted, or belongs to one that was.
fn add(found: &mut BTreeMap<Hash, Attempt>, log: &str, entry: Judged, filter: &Filter) {
    let Ok(envelope) = Envelope::parse(&entry.octets, RECORD_OCTETS_MAX) else { return };
    match envelope.kind {
        Kind::Decision if filter.admits(&Subject::of(&entry.octets)) => {
            let record = decode_body::<DecisionRecord>(Kind::Decision, envelope.body);
            let leaf = leaf_hash(&entry.octets);
            if let (Ok(record), false) = (record, found.contains_key(&leaf)) {
                let mut attempt = Attempt::new(&record, log, &entry);
                filter.check.into_iter().for_each(|check| attempt.keep(check));
                found.insert(leaf, attempt);
            }
        }
        Kind::Late => {
            let late = decode_body::<LateRecord>(Kind::Late, envelope.body);
            let attempt = late.as_ref().ok().and_then(|late| found.get_mut(&late.decision_hash));
            if let (Ok(late), Some(attempt)) = (&late, attempt) {
                attempt.add_late(late);
                attempt.findings.extend(entry.findings);
            }
        }
        _ => {}
    }
}
