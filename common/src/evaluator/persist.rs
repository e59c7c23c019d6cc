//! DNS TXT records with persistent values (BR 3.2.2.4.22, BR 3.2.2.5.8,
//! draft-ietf-acme-dns-persist).

use super::caa::IssueValue;
use super::txt;
use crate::challenge::AccountUri;
use crate::reason::Reason;
use crate::time::UnixMs;

/// What a record is to authorise.
#[derive(Debug, Clone, Copy)]
pub struct PersistQuestion<'a> {
    /// The CA's issuer domain names, lower-case.
    pub issuer_domains: &'a [String],
    /// The applicant's accounts.
    pub account_uris: &'a [AccountUri],
    /// How far the record must reach.
    pub reach: Reach,
    /// When the check began; a record may end no earlier.
    pub now: UnixMs,
}

/// How far a record reaches, which its `policy` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The name itself: any policy will do.
    Name,
    /// A wildcard, or names below the one that was asked: `policy=wildcard` must say so.
    NamesBelow,
    /// An address: policies mean nothing.
    Address,
}

/// A record that authorises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorized<'a> {
    /// Where it stands in the set.
    pub index: usize,
    /// The account that it names.
    pub account: &'a AccountUri,
}

/// Looks in `rrset`, raw RDATA of TXT each, for a record that authorises.
///
/// Without one the reason is the first of the reasons of records that name our issuer, in the
/// order malformed, account, expired, policy; `PersistNone` if there are none.
pub fn evaluate<'a, 'r>(
    rrset: impl IntoIterator<Item = &'r [u8]>,
    question: &PersistQuestion<'a>,
) -> Result<Authorized<'a>, Reason> {
    let mut failures = Vec::new();
    for (index, rdata) in rrset.into_iter().enumerate() {
        let record = txt::join(rdata).unwrap_or_default();
        if !is_for(&record, question.issuer_domains) {
            continue;
        }
        match authorizes(&record, question) {
            Ok(account) => return Ok(Authorized { index, account }),
            Err(reason) => failures.push(reason),
        }
    }
    let first = REASONS.into_iter().find(|reason| failures.contains(reason));
    Err(first.unwrap_or(Reason::PersistNone))
}

/// In the order in which they are reported.
const REASONS: [Reason; 4] = [
    Reason::PersistMalformed,
    Reason::PersistAccount,
    Reason::PersistExpired,
    Reason::PersistPolicy,
];

/// Whether `record` means one of our issuers, well-formed or not: what stands before the first
/// semicolon, less what cannot be seen around it and one final dot.
fn is_for(record: &[u8], issuer_domains: &[String]) -> bool {
    let mut issuer = record.split(|octet| *octet == b';').next().unwrap_or_default();
    while let [first, rest @ ..] = issuer
        && !first.is_ascii_graphic()
    {
        issuer = rest;
    }
    while let [rest @ .., last] = issuer
        && !last.is_ascii_graphic()
    {
        issuer = rest;
    }
    is_one_of(issuer.strip_suffix(b".").unwrap_or(issuer), issuer_domains)
}

fn is_one_of(issuer: &[u8], issuer_domains: &[String]) -> bool {
    issuer_domains.iter().any(|ours| issuer.eq_ignore_ascii_case(ours.as_bytes()))
}

/// The account of a record that authorises, or the first rule that it breaks.
fn authorizes<'a>(record: &[u8], question: &PersistQuestion<'a>) -> Result<&'a AccountUri, Reason> {
    let value = IssueValue::parse(record).ok_or(Reason::PersistMalformed)?;
    if !value.issuer.is_some_and(|issuer| is_one_of(issuer, question.issuer_domains)) {
        return Err(Reason::PersistMalformed);
    }
    let account = match value.values("accounturi").as_slice() {
        [account] if !account.is_empty() => *account,
        _ => return Err(Reason::PersistMalformed),
    };
    let until = at_most_one(&value.values("persistuntil"))?.map(unix_seconds).transpose()?;
    let policy = match question.reach {
        Reach::Address => None,
        Reach::Name | Reach::NamesBelow => at_most_one(&value.values("policy"))?,
    };
    let account = question
        .account_uris
        .iter()
        .find(|ours| ours.as_str().as_bytes() == account)
        .ok_or(Reason::PersistAccount)?;
    if until.is_some_and(|seconds| u128::from(question.now.0) > u128::from(seconds) * 1_000) {
        return Err(Reason::PersistExpired);
    }
    let is_wildcard = policy.is_some_and(|policy| policy.eq_ignore_ascii_case(b"wildcard"));
    if question.reach == Reach::NamesBelow && !is_wildcard {
        return Err(Reason::PersistPolicy);
    }
    Ok(account)
}

fn at_most_one<'v>(values: &[&'v [u8]]) -> Result<Option<&'v [u8]>, Reason> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(Reason::PersistMalformed),
    }
}

/// 1 to 19 digits and nothing else, which always fit.
fn unix_seconds(value: &[u8]) -> Result<u64, Reason> {
    let is_number = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number);
    text.and_then(|text| text.parse().ok()).ok_or(Reason::PersistMalformed)
}

#[cfg(test)]
mod tests;
