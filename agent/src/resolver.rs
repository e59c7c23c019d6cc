//! DNS as it is seen from this place: one question in, one judged answer out.

mod aliases;
mod attempt;
pub mod backend;
mod budget;
pub mod embedded;
mod exchange;
pub mod forwarder;
pub mod host;
pub(crate) mod message;

use std::future::Future;
use std::sync::Arc;

use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsSeen, Purpose};
use mpic_common::observation::ResolverIdentity;
use mpic_common::reason::Reason;

use crate::deadline::Deadline;

pub use budget::{Budget, BudgetLimits};

/// A name and a type to ask for.
///
/// Aliases are followed, unless the type is CNAME: then the alias is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In presentation form without final dot. More than 253 octets end as `NameTooLong`.
    pub name: String,
    /// The type.
    pub qtype: Rtype,
    /// What for; recorded only.
    pub purpose: Purpose,
}

/// Finds and judges DNS data. Nothing that an applicant has a say in is kept from one job for
/// another.
pub trait DnsEngine: Send + Sync + 'static {
    /// One check's view of the engine.
    type Inquiry: Inquiry;

    /// Whose answers these are.
    fn identity(&self) -> &ResolverIdentity;

    /// Whether the engine validates, asked at start and every five minutes.
    ///
    /// Silence is `DnsTimeout`: it says nothing about validation, and a job meets it itself.
    fn self_test(&self) -> impl Future<Output = Result<(), Reason>> + Send;

    /// Fresh state for one check, which ends at `deadline` and shares `budget` with the other
    /// check of its job.
    fn open(&self, deadline: Deadline, budget: Arc<Budget>) -> Self::Inquiry;
}

/// The questions of one check.
pub trait Inquiry: Send + Sync {
    /// Asks, again if need be. Never panics, never passes the deadline.
    fn ask(&self, question: &Question) -> impl Future<Output = DnsSeen> + Send;

    /// Packets sent and octets received so far, in this check.
    fn used(&self) -> (u32, u32);
}
