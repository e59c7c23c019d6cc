//! Entries as JSON Lines for other programs, with what a replay says of each.

use serde_json::{Value, json};

use crate::finding::Severity;
use crate::genesis::OwnEntry;
use crate::replay::Judged;
use crate::show;

/// One entry: `index`, `seq`, `type`, `key`, `leaf`, `signature`, `findings` and the decoded
/// `body`.
///
/// `signature` is `valid`, null of an entry that nobody signs, and `unproven` where it does not
/// verify or could not be checked; `findings` say why.
pub fn line(entry: &Judged) -> Value {
    let mut line = show::entry(entry.index, entry.seq, &entry.octets);
    if let Value::Object(fields) = &mut line {
        fields.insert("signature".to_owned(), json!(signature(entry)));
        fields.insert("findings".to_owned(), json!(entry.findings));
    }
    line
}

fn signature(entry: &Judged) -> Option<&'static str> {
    if OwnEntry::decode(&entry.octets).is_ok() {
        return None;
    }
    let leaves_doubt = entry.findings.iter().any(|finding| {
        finding.severity == Severity::Error && BEFORE_SIGNATURE.contains(&finding.check)
    });
    Some(if leaves_doubt { "unproven" } else { "valid" })
}

/// The checks of a signature, and those without which it is not looked at.
const BEFORE_SIGNATURE: [&str; 5] = ["R3", "R4", "R6", "R7", "R9"];
