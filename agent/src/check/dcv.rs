//! Domain control validation: one file a method.

use mpic_common::challenge::Challenge;
use mpic_common::identifier::DnsName;
use mpic_common::job::{Dcv, Job};
use mpic_common::octets::Hash;
use mpic_common::reason::Reason;

use super::dns_01::{self, Label};
use super::{
    Bench, Evidence, Failure, Passed, contact, dns_change, dns_persistent, http_01, ip_address,
    reverse_lookup, smtp_host, tls_alpn_01, website_change,
};
use crate::resolver::Inquiry;

/// Passes if the applicant shows what the challenge asks for. A new method is a new arm.
pub(super) async fn perform<I: Inquiry>(
    job: &Job,
    dcv: &Dcv,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<Passed, Failure> {
    let identifier = &job.identifier;
    match &dcv.challenge {
        Challenge::AcmeDns01 { digest } => {
            dns_01::perform(name(job, dcv)?, Label::Shared, digest, bench, evidence).await?;
        }
        Challenge::DnsAccount01 { digest, account_url } => {
            let label = Label::Account(account_url);
            dns_01::perform(name(job, dcv)?, label, digest, bench, evidence).await?;
        }
        Challenge::DnsChange(change) => {
            dns_change::perform(name(job, dcv)?, change, bench, evidence).await?;
        }
        Challenge::DnsPersistent { account_uris } => {
            let adn = dcv.adn.as_ref();
            let account =
                dns_persistent::perform(job, adn, account_uris, bench, evidence).await?.as_str();
            let observed = Some(Hash::of(account.as_bytes()));
            return Ok(Passed { matched: Some(account.to_owned()), observed });
        }
        Challenge::AcmeHttp01 { token, key_authorization, headers } => {
            let inputs = http_01::Inputs { token, key_authorization, headers };
            http_01::perform(identifier, &inputs, bench, evidence).await?;
        }
        Challenge::WebsiteChange(change) => {
            website_change::perform(identifier, change, bench, evidence).await?;
        }
        Challenge::AcmeTlsAlpn01 { digest } => {
            tls_alpn_01::perform(identifier, digest, bench, evidence).await?;
        }
        Challenge::Contact { record, contact } => {
            contact::perform(name(job, dcv)?, *record, contact, bench, evidence).await?;
        }
        Challenge::IpAddress { address } => {
            ip_address::perform(name(job, dcv)?, *address, bench, evidence).await?;
        }
        Challenge::ReverseAddressLookup { expected_fqdn } => {
            reverse_lookup::perform(identifier, expected_fqdn, bench, evidence).await?;
        }
        Challenge::SmtpHost { expected_fqdn } => {
            smtp_host::perform(name(job, dcv)?, expected_fqdn, bench, evidence).await?;
        }
    }
    Ok(Passed { matched: Some(matched(job, dcv)), observed: dcv.challenge.expected() })
}

/// The Authorization Domain Name; none for an IP address.
pub(super) fn adn<'a>(job: &'a Job, dcv: &'a Dcv) -> Option<&'a DnsName> {
    dcv.adn.as_ref().or(job.identifier.name())
}

fn name<'a>(job: &'a Job, dcv: &'a Dcv) -> Result<&'a DnsName, Failure> {
    let no_name = || Failure::new(Reason::MethodUnsuitable, "the identifier has no name");
    adn(job, dcv).ok_or_else(no_name)
}

/// What was found: a contact, an address or a host that is looked for, else what was checked.
fn matched(job: &Job, dcv: &Dcv) -> String {
    match &dcv.challenge {
        Challenge::Contact { contact, .. } => contact.as_str().to_owned(),
        Challenge::IpAddress { address } => address.to_string(),
        Challenge::ReverseAddressLookup { expected_fqdn }
        | Challenge::SmtpHost { expected_fqdn } => expected_fqdn.to_string(),
        _ => adn(job, dcv).map_or_else(|| job.identifier.to_string(), ToString::to_string),
    }
}
