//! The embedded engine beside a forwarder on unbound, question by question: over zones that Knot
//! DNS has signed, and over servers that lie. What is seen is the table of `docs/ENGINES.md`.

mod liars;
mod settings;
mod zones;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::Rtype;
use mpic_agent::deadline::Deadline;
use mpic_agent::resolver::embedded::Embedded;
use mpic_agent::resolver::{Budget, DnsEngine, Inquiry, Question};
use mpic_common::evidence::{AliasKind, AliasSeen, DnsOutcome, DnsSeen, Purpose};

use crate::unbound::Unbound;
use crate::world::usual_budget;

/// A question, and what stands behind it.
struct Case {
    what: &'static str,
    name: String,
    qtype: Rtype,
}

/// Why the engines may differ; nothing else is a reason to.
#[derive(Clone, Copy)]
enum Difference {
    /// Both fail the check.
    Cause,
    /// 14 to 16.
    Algorithm,
    /// More than 500.
    Iterations,
    /// No check takes it for one that somebody made.
    Synthesised,
    /// Either way it prohibits, unless there are others beside it.
    MalformedCaa,
}

impl Difference {
    fn text(self) -> &'static str {
        match self {
            Self::Cause => "another word for the same failure",
            Self::Algorithm => "only the resolver knows the algorithm",
            Self::Iterations => "other words for many NSEC3 iterations",
            Self::Synthesised => "unbound wants a signature for the CNAME that a DNAME implies",
            Self::MalformedCaa => "the embedded validator refuses malformed CAA records",
        }
    }

    /// The one that explains what was seen; none if nothing does.
    fn between(forwarder: &DnsSeen, embedded: &DnsSeen, case: &Case) -> Option<Self> {
        let fails = |seen: &DnsSeen| !seen.outcome.is_settled();
        let implied = || embedded.chain.iter().all(|hop| hop.kind == AliasKind::Dname);
        match embedded.outcome {
            _ if fails(forwarder) && fails(embedded) => Some(Self::Cause),
            DnsOutcome::UnsupportedAlgorithm => Some(Self::Algorithm),
            DnsOutcome::Answer if case.qtype == Rtype::CNAME && fails(forwarder) && implied() => {
                Some(Self::Synthesised)
            }
            DnsOutcome::Malformed if case.qtype == Rtype::CAA => Some(Self::MalformedCaa),
            _ if case.what.ends_with("iterations") && embedded.dnssec > forwarder.dnssec => {
                Some(Self::Iterations)
            }
            _ => None,
        }
    }
}

async fn ask(engine: &impl DnsEngine, case: &Case) -> DnsSeen {
    let deadline = Deadline::after(Duration::from_secs(30));
    let inquiry = engine.open(deadline, Arc::new(Budget::new(usual_budget())));
    let (name, qtype) = (case.name.clone(), case.qtype);
    inquiry.ask(&Question { name, qtype, purpose: Purpose::Challenge }).await
}

/// What decides a check, and what a reader of its evidence goes by; of a failure its reason alone.
fn substance(seen: &DnsSeen) -> impl PartialEq + use<> {
    let lower = |name: &String| name.to_lowercase();
    let alias = |hop: &AliasSeen| (hop.kind, lower(&hop.owner), lower(&hop.target));
    let settled = || {
        let mut records: Vec<_> = seen.rrset.iter().map(|rdata| rdata.0.clone()).collect();
        records.sort();
        let chain: Vec<_> = seen.chain.iter().map(alias).collect();
        (seen.dnssec, records, chain, seen.answer_owner.as_ref().map(lower))
    };
    (seen.outcome, seen.outcome.is_settled().then(settled))
}

fn shown(seen: &DnsSeen) -> String {
    let what = match seen.outcome {
        DnsOutcome::Answer => "data",
        DnsOutcome::NoData => "no data",
        DnsOutcome::NxDomain => "no name",
        outcome => return format!("`{}`", outcome.reason().unwrap()),
    };
    format!("{what}, {:?}", seen.dnssec).to_lowercase()
}

/// Asks both engines everything, and wants the section of the document that `heading` begins to
/// say what they said, and no more.
async fn compare(heading: &str, unbound: &Unbound, embedded: &Embedded, cases: &[Case]) {
    let mut rows = String::new();
    for case in cases {
        let (by_forwarder, by_embedded, why) = ask_both(unbound, embedded, case).await;
        let (forwarder, embedded) = (shown(&by_forwarder), shown(&by_embedded));
        let Case { what, name, qtype } = case;
        writeln!(rows, "| {what} | `{name} {qtype}` | {forwarder} | {embedded} | {why} |").unwrap();
    }
    assert_eq!(
        documented(heading),
        rows,
        "what docs/ENGINES.md has below {heading:?}, and what is"
    );
}

/// What either engine says, and the permitted reason for which that is not the same.
async fn ask_both(
    unbound: &Unbound,
    embedded: &Embedded,
    case: &Case,
) -> (DnsSeen, DnsSeen, &'static str) {
    let by_forwarder = ask(&unbound.engine, case).await;
    let by_embedded = ask(embedded, case).await;
    if substance(&by_forwarder) == substance(&by_embedded) {
        return (by_forwarder, by_embedded, "same");
    }
    let Some(why) = Difference::between(&by_forwarder, &by_embedded, case) else {
        panic!("{} {}:\n{by_forwarder:#?}\n{by_embedded:#?}", case.name, case.qtype)
    };
    (by_forwarder, by_embedded, why.text())
}

/// The rows of the table below a heading.
pub(crate) fn documented(heading: &str) -> String {
    let section = DOCUMENT.split("\n### ").find(|section| section.lines().next() == Some(heading));
    let lines = section.unwrap_or_default().lines();
    let rows = lines.filter(|line| line.starts_with("| ")).skip(2);
    rows.flat_map(|row| [row, "\n"]).collect()
}

const DOCUMENT: &str = include_str!("../../../docs/ENGINES.md");
