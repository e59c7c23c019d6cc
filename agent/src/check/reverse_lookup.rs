//! `reverse-address-lookup`: the address points to a name that the applicant controls
//! (BR 3.2.2.5.3). Control of that name is another job.

use domain::base::iana::Rtype;
use mpic_common::evaluator::name;
use mpic_common::evidence::Purpose;
use mpic_common::identifier::{DnsName, Identifier, reverse_name};
use mpic_common::reason::Reason;

use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Passes if some PTR record of the address is `expected`.
pub(super) async fn perform<I: Inquiry>(
    identifier: &Identifier,
    expected: &DnsName,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let Identifier::Ip(address) = identifier else {
        return Err(Failure::new(Reason::MethodUnsuitable, "the identifier is no address"));
    };
    let question =
        Question { name: reverse_name(*address), qtype: Rtype::PTR, purpose: Purpose::Ptr };
    records::ask(&question, bench, evidence, |seen| {
        let found = name::find(rdata(seen), expected.as_str());
        let failure = || none_is("the expected name", seen, Reason::RecordMismatch);
        Ok((found.ok_or_else(failure)?, ()))
    })
    .await
}
