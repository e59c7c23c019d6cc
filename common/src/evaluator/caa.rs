//! CAA: from a relevant set to a decision (RFC 8659, RFC 8657, RFC 9495, BR 3.2.2.8).

mod issue_value;

use crate::evidence::{CaaBasis, CaaDecision, CaaProperty, Parameter};
use crate::octets::escape;

pub use issue_value::IssueValue;

/// RDATA that is no CAA property: under 2 octets, or a tag that is empty or longer than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no CAA property")]
pub struct MalformedRdata;

/// What a set is asked: may this issuer issue this certificate?
#[derive(Debug, Clone, Copy)]
pub struct CaaQuestion<'a> {
    /// The property that restricts.
    pub scope: CaaScope,
    /// The CA's issuer domain names.
    pub issuer_domains: &'a [String],
    /// The applicant's account URIs (RFC 8657 3); empty if the job gives none.
    pub account_uris: &'a [String],
    /// The label of the validation method (RFC 8657 4), if the job names one.
    pub method_label: Option<&'a str>,
    /// The CA's own choices.
    pub rules: CaaRules,
}

/// What is to be issued, as far as CAA tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaaScope {
    /// A TLS certificate for the name itself: `issue`.
    Name,
    /// A TLS certificate for a wildcard: `issuewild`, without any `issue`.
    Wildcard,
    /// An S/MIME certificate: `issuemail` alone (RFC 9495 3).
    Mail,
}

/// Choices that make the evaluation stricter than RFC 8659 is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaaRules {
    /// Which flag bits say that a property must be understood.
    pub critical: CriticalBits,
    /// What becomes of a parameter that the job gives nothing to compare with.
    pub unevaluated: Unevaluated,
}

/// Which bits of the flags octet are the Issuer Critical Flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CriticalBits {
    /// 0x80 (RFC 8659 4.1).
    #[default]
    Standard,
    /// 0x01 too, for those who counted the bits from the other end.
    Bit7Too,
}

/// What becomes of `accounturi` or `validationmethods` where the job has nothing to compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unevaluated {
    /// It is ignored, and recorded as not evaluated.
    #[default]
    Ignore,
    /// The property authorises nobody.
    Prohibit,
}

/// The decision on a set, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaaEvaluation {
    /// `Permit` or `Prohibit`.
    pub decision: CaaDecision,
    /// Why.
    pub basis: CaaBasis,
    /// Index of the record that authorises.
    pub authorized_by: Option<usize>,
    /// Of the property that authorises, else of any that names one of our issuer domain names.
    pub accounturi: Parameter,
    /// The same for `validationmethods`.
    pub validationmethods: Parameter,
    /// The values of `iodef` properties, escaped.
    pub iodef: Vec<String>,
}

/// Takes one record apart: flags, length of the tag, tag, value.
pub fn parse_property(rdata: &[u8]) -> Result<CaaProperty, MalformedRdata> {
    let [flags, length, rest @ ..] = rdata else { return Err(MalformedRdata) };
    match rest.split_at_checked(usize::from(*length)) {
        Some((tag @ [_, ..], value)) => {
            Ok(CaaProperty { flags: *flags, tag: tag.into(), value: value.into() })
        }
        _ => Err(MalformedRdata),
    }
}

/// Decides on the relevant set `records`: RFC 8659 4 with the parameters of RFC 8657.
pub fn evaluate(records: &[CaaProperty], question: &CaaQuestion<'_>) -> CaaEvaluation {
    let ours = properties_of_ours(records, question);
    let authorized = ours.iter().find(|property| property.authorizes());
    let relevant = relevant_tag(records, question.scope);
    let (decision, basis) = if records.iter().any(|record| is_fatal(record, question.rules)) {
        (CaaDecision::Prohibit, CaaBasis::CriticalUnknown)
    } else if relevant.is_none() {
        (CaaDecision::Permit, CaaBasis::NoRelevantProperty)
    } else if authorized.is_some() {
        (CaaDecision::Permit, CaaBasis::AuthorizedBy)
    } else {
        (CaaDecision::Prohibit, CaaBasis::Unauthorized)
    };
    let authorized = authorized.filter(|_| basis == CaaBasis::AuthorizedBy);
    let looked_at = authorized.map_or(ours.as_slice(), std::slice::from_ref);
    CaaEvaluation {
        decision,
        basis,
        authorized_by: authorized.map(|property| property.index),
        accounturi: state(looked_at, |property| property.accounturi),
        validationmethods: state(looked_at, |property| property.validationmethods),
        iodef: records
            .iter()
            .filter(|record| has_tag(record, "iodef"))
            .map(|record| escape(&record.value.0))
            .collect(),
    }
}

/// The tag that restricts here; none if no record has it.
fn relevant_tag(records: &[CaaProperty], scope: CaaScope) -> Option<&'static str> {
    let candidates: &[&'static str] = match scope {
        CaaScope::Name => &["issue"],
        CaaScope::Wildcard => &["issuewild", "issue"],
        CaaScope::Mail => &["issuemail"],
    };
    candidates.iter().copied().find(|tag| records.iter().any(|record| has_tag(record, tag)))
}

/// Whether the record forbids issuance to whoever does not understand it (RFC 8659 4.1).
fn is_fatal(record: &CaaProperty, rules: CaaRules) -> bool {
    let bits = match rules.critical {
        CriticalBits::Standard => 0x80,
        CriticalBits::Bit7Too => 0x81,
    };
    record.flags & bits != 0 && !KNOWN_TAGS.iter().any(|tag| has_tag(record, tag))
}

fn has_tag(record: &CaaProperty, tag: &str) -> bool {
    record.tag.0.eq_ignore_ascii_case(tag.as_bytes())
}

/// A relevant property that names one of our issuer domain names.
#[derive(Debug, Clone, Copy)]
struct PropertyOfOurs {
    index: usize,
    accounturi: Judged,
    validationmethods: Judged,
}

impl PropertyOfOurs {
    fn authorizes(&self) -> bool {
        self.accounturi.holds && self.validationmethods.holds
    }
}

fn properties_of_ours(records: &[CaaProperty], question: &CaaQuestion<'_>) -> Vec<PropertyOfOurs> {
    let Some(tag) = relevant_tag(records, question.scope) else { return Vec::new() };
    let is_ours = |issuer: &[u8]| {
        question.issuer_domains.iter().any(|ours| issuer.eq_ignore_ascii_case(ours.as_bytes()))
    };
    let judge = |(index, record): (usize, &CaaProperty)| {
        let value = IssueValue::parse(&record.value.0)?;
        value.issuer.is_some_and(is_ours).then(|| PropertyOfOurs {
            index,
            accounturi: accounturi(&value, question),
            validationmethods: validationmethods(&value, question),
        })
    };
    let relevant = records.iter().enumerate().filter(|(_, record)| has_tag(record, tag));
    relevant.filter_map(judge).collect()
}

/// What one parameter of one property comes to.
#[derive(Debug, Clone, Copy)]
struct Judged {
    state: Parameter,
    holds: bool,
}

/// RFC 8657 3: the parameter occurs once and is one of the applicant's account URIs.
fn accounturi(value: &IssueValue<'_>, question: &CaaQuestion<'_>) -> Judged {
    let is_ours = |uri: &[u8]| question.account_uris.iter().any(|ours| ours.as_bytes() == uri);
    let compare = (!question.account_uris.is_empty()).then_some(is_ours);
    judge(&value.values("accounturi"), compare, question.rules)
}

/// RFC 8657 4: the parameter occurs once and lists the label of the method.
fn validationmethods(value: &IssueValue<'_>, question: &CaaQuestion<'_>) -> Judged {
    let compare = question.method_label.map(|ours| {
        move |list: &[u8]| {
            let labels = || list.split(|octet| *octet == b',');
            labels().all(is_method_label) && labels().any(|label| label == ours.as_bytes())
        }
    });
    judge(&value.values("validationmethods"), compare, question.rules)
}

fn is_method_label(label: &[u8]) -> bool {
    !label.is_empty() && label.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
}

/// Absent holds; repeated does not; nothing to compare with is as `rules` say.
fn judge(values: &[&[u8]], compare: Option<impl Fn(&[u8]) -> bool>, rules: CaaRules) -> Judged {
    match (values, compare) {
        ([], _) => Judged { state: Parameter::Absent, holds: true },
        (_, None) => Judged {
            state: Parameter::NotEvaluated,
            holds: rules.unevaluated == Unevaluated::Ignore,
        },
        ([value], Some(compare)) => Judged { state: Parameter::Evaluated, holds: compare(value) },
        (_, Some(_)) => Judged { state: Parameter::Evaluated, holds: false },
    }
}

/// Whether any of the properties has the parameter, and if so what became of it, which depends on
/// the job alone and so is the same for all of them.
fn state(
    properties: &[PropertyOfOurs],
    parameter: impl Fn(&PropertyOfOurs) -> Judged,
) -> Parameter {
    let states = properties.iter().map(|property| parameter(property).state);
    states
        .reduce(|seen, next| if seen == Parameter::Absent { next } else { seen })
        .unwrap_or_default()
}

/// Tags that this software understands: RFC 8659, RFC 9495, BR A.1, and `issuevmc` for mark
/// certificates, which it knows to ignore.
const KNOWN_TAGS: [&str; 7] =
    ["issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"];

#[cfg(test)]
mod tests;
