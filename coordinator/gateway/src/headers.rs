//! What the API has no member for: structured fields (RFC 9651) beside the body.

use std::fmt::Write;

use data_encoding::BASE64;
use mpic_common::job::JobId;
use mpic_common::octets::Hash;
use mpic_common::policy::Policy;
use mpic_common::reason::Reason;
use mpic_common::time::UnixMs;

use crate::orchestration::{Asked, Rules};
use crate::request::{Check, Request};
use crate::response::Used;

/// Name and value.
pub type Header = (&'static str, String);

/// The ids of the jobs that were published, the oldest first.
pub fn jobs(jobs: &[JobId]) -> Option<Header> {
    let ids: Vec<_> = jobs.iter().map(|job| format!("\"{job}\"")).collect();
    (!ids.is_empty()).then(|| ("mpic-job", ids.join(", ")))
}

/// Such as `"5/6"` (BR 5.4.1(2)(8)).
pub fn quorum(quorum: &str) -> Header {
    ("mpic-quorum", format!("\"{quorum}\""))
}

/// The rules that were followed.
pub fn policy(rules: &Rules, policy: &Policy, at: UnixMs) -> Header {
    let value = format!(
        "profile=\"{}\", date=\"{}\", remotes={}, registries={}",
        policy.profile.as_str(),
        at.date(),
        rules.remotes_min,
        rules.registries_min,
    );
    ("mpic-policy", value)
}

/// Where the decision is recorded.
pub fn receipt(stream: &str, seq: u64, leaf: &Hash) -> Header {
    let leaf = BASE64.encode(&leaf.0);
    ("mpic-receipt", format!("stream=\"{stream}\", seq={seq}, leaf=:{leaf}:"))
}

/// Why the decision refuses.
pub fn shortfall(kinds: &[&'static str]) -> Option<Header> {
    (!kinds.is_empty()).then(|| ("mpic-shortfall", kinds.join(", ")))
}

/// Why nobody was asked.
pub fn refused(reasons: &[Reason]) -> Option<Header> {
    let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
    (!reasons.is_empty()).then(|| ("mpic-refused", reasons.join(", ")))
}

/// What was asked and not used so, as (asked used).
pub fn adjusted(request: &Request, used: Used, attempts_cap: usize) -> Option<Header> {
    let mut value = String::new();
    let mut add = |name: &str, asked: String, used: String| {
        let comma = if value.is_empty() { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(value, "{comma}{name}=({asked} {used})");
    };
    let asked: &Asked = &request.orchestration;
    for (name, asked, used) in [
        ("perspective_count", asked.perspective_count, used.perspective_count),
        ("quorum_count", asked.quorum_count, used.quorum_count),
    ] {
        if let Some(asked) = asked.filter(|asked| usize::try_from(*asked) != Ok(used)) {
            add(name, integer(asked), used.to_string());
        }
    }
    if let Some((asked, used)) = asked.attempts_adjusted(attempts_cap) {
        add("max_attempts", integer(asked), used.to_string());
    }
    if let Some(asked) = asked.cohort_for_single_attempt {
        add("cohort_for_single_attempt", integer(asked), "ignored".to_owned());
    }
    if matches!(&request.check, Check::Caa(caa) if caa.allow_lookup_failure) {
        add("allow_lookup_failure", "?1".to_owned(), "?0".to_owned());
    }
    (!value.is_empty()).then_some(("mpic-adjusted", value))
}

/// RFC 9651 3.3.1: at most 15 digits.
fn integer(asked: i64) -> String {
    const MOST: i64 = 999_999_999_999_999;
    asked.clamp(-MOST, MOST).to_string()
}
