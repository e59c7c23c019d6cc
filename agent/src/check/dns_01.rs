//! `acme-dns-01` and `dns-account-01`: a TXT record below `_acme-challenge` (RFC 8555 8.4,
//! draft-ietf-acme-dns-account-label-00, BR 3.2.2.4.7, BR 3.2.2.4.21).

use data_encoding::BASE32_NOPAD;
use domain::base::iana::Rtype;
use mpic_common::challenge::{AccountUri, TxtDigest};
use mpic_common::evaluator::txt;
use mpic_common::evidence::Purpose;
use mpic_common::identifier::DnsName;
use mpic_common::octets::Hash;
use mpic_common::reason::Reason;

use super::records::{self, none_is, rdata};
use super::{Bench, Evidence, Failure};
use crate::resolver::{Inquiry, Question};

/// Whose record it is.
pub(super) enum Label<'a> {
    /// Anyone's: `_acme-challenge`.
    Shared,
    /// That of one account: a label of its own before `_acme-challenge`.
    Account(&'a AccountUri),
}

/// Passes if some TXT record at `label` below `adn` equals the digest.
pub(super) async fn perform<I: Inquiry>(
    adn: &DnsName,
    label: Label<'_>,
    digest: &TxtDigest,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let name = match label {
        Label::Shared => format!("_acme-challenge.{adn}"),
        Label::Account(url) => format!("{}._acme-challenge.{adn}", account_label(url)),
    };
    let question = Question { name, qtype: Rtype::TXT, purpose: Purpose::Challenge };
    records::ask(&question, bench, evidence, |seen| {
        let found = txt::find_exact(rdata(seen), digest.as_str().as_bytes());
        let index = found.ok_or_else(|| none_is("the digest", seen, Reason::RecordMismatch))?;
        Ok((index, ()))
    })
    .await
}

/// An underscore and the first 10 octets of the SHA-256 of the account's URL, in lower-case
/// base32.
fn account_label(url: &AccountUri) -> String {
    let Hash(hash) = Hash::of(url.as_str().as_bytes());
    let (head, _) = hash.split_at(10);
    format!("_{}", BASE32_NOPAD.encode(head).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_the_label_of_an_account_is_that_of_the_draft() {
        let url = "https://example.com/acme/acct/ExampleAccount".to_owned();
        assert_eq!(account_label(&url.try_into().unwrap()), "_ujmmovf2vn55tgye");
    }
}
