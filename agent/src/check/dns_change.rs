//! `dns-change`: a TXT, CNAME or CAA record that holds the challenge (BR 3.2.2.4.7).

use domain::base::iana::Rtype;
use mpic_common::challenge::{ChangeRecord, DnsChange};
use mpic_common::evaluator::dns_change;
use mpic_common::evidence::{AliasKind, DnsSeen, Purpose};
use mpic_common::identifier::DnsName;
use mpic_common::reason::Reason;

use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Passes if some record there holds the challenge.
pub(super) async fn perform<I: Inquiry>(
    adn: &DnsName,
    change: &DnsChange,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let qtype = match change.record_type {
        ChangeRecord::Txt => Rtype::TXT,
        ChangeRecord::Cname => Rtype::CNAME,
        ChangeRecord::Caa => Rtype::CAA,
    };
    let question = Question { name: change.name(adn), qtype, purpose: Purpose::Challenge };
    records::ask(&question, bench, evidence, |seen| {
        let found = dns_change::find(rdata(seen), change).filter(|_| is_placed(seen, change));
        let index = found.ok_or_else(|| none_is("the challenge", seen, Reason::RecordMismatch))?;
        Ok((index, ()))
    })
    .await
}

/// A CNAME that a DNAME implies was placed by nobody.
fn is_placed(seen: &DnsSeen, change: &DnsChange) -> bool {
    change.record_type != ChangeRecord::Cname
        || seen.chain.iter().all(|alias| alias.kind != AliasKind::Dname)
}
