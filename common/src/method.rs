//! The validation methods of the Baseline Requirements, with their dates: data, one row a method.

use jiff::civil::{Date, date};

use crate::identifier::IdentifierKind;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The id in jobs, records and on the command line.
    pub id: &'static str,
    /// The kind of identifier that it validates.
    pub kind: IdentifierKind,
    /// The clause of the TLS BR, or of the S/MIME BR where it says SBR.
    pub clause: &'static str,
    /// The first day it may be used.
    pub from: Option<Date>,
    /// The first day it SHOULD NOT be used.
    pub discouraged_from: Option<Date>,
    /// The first day it MUST NOT be used.
    pub refused_from: Option<Date>,
    /// Whether it may validate a wildcard.
    pub wildcard: bool,
    /// Whether one validation serves the names below the name that was checked.
    pub serves_names_below: bool,
    /// The label of RFC 8657 `validationmethods`; empty where CAA does not apply.
    pub caa_label: &'static str,
}

/// Why a method may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Not yet, or no more.
    #[error("{clause} allows it only from {from}")]
    NotYet {
        /// The clause.
        clause: &'static str,
        /// The first day.
        from: Date,
    },
    /// Ended.
    #[error("{clause} ended it on {from}")]
    Sunset {
        /// The clause.
        clause: &'static str,
        /// The first day without it.
        from: Date,
    },
}

impl Method {
    /// The row of `id` for identifiers of `kind`. A mailbox's domain is validated by the `dns`
    /// rows (S/MIME BR 3.2.2.1).
    pub fn find(id: &str, kind: IdentifierKind) -> Option<&'static Self> {
        let row = |kind| METHODS.iter().find(|method| method.id == id && method.kind == kind);
        match kind {
            IdentifierKind::Email => row(kind).or_else(|| row(IdentifierKind::Dns)),
            _ => row(kind),
        }
    }

    /// Whether any kind of identifier has a method of this id.
    pub fn exists(id: &str) -> bool {
        METHODS.iter().any(|method| method.id == id)
    }

    /// Errs where the Baseline Requirements do not allow the method on `day` (UTC).
    pub fn check_date(&self, day: Date) -> Result<(), MethodError> {
        let clause = self.clause;
        match (self.from, self.refused_from) {
            (Some(from), _) if day < from => Err(MethodError::NotYet { clause, from }),
            (_, Some(from)) if day >= from => Err(MethodError::Sunset { clause, from }),
            _ => Ok(()),
        }
    }

    /// Whether it is past its SHOULD NOT date on `day` (UTC).
    pub fn is_discouraged(&self, day: Date) -> bool {
        self.discouraged_from.is_some_and(|from| day >= from)
    }
}

/// ACME dns-01.
pub const ACME_DNS_01: &str = "acme-dns-01";
/// ACME http-01.
pub const ACME_HTTP_01: &str = "acme-http-01";
/// ACME tls-alpn-01.
pub const ACME_TLS_ALPN_01: &str = "acme-tls-alpn-01";
/// ACME dns-account-01.
pub const DNS_ACCOUNT_01: &str = "dns-account-01";
/// DNS TXT record with persistent value.
pub const DNS_PERSISTENT: &str = "dns-persistent";
/// DNS change.
pub const DNS_CHANGE: &str = "dns-change";
/// Agreed-upon change to website.
pub const WEBSITE_CHANGE: &str = "website-change";
/// IP address.
pub const IP_ADDRESS: &str = "ip-address";
/// The relaxation under which it is still performed.
pub const IP_ADDRESS_OPTIN: &str = "methods.ip_address_optin=true";
/// Reverse address lookup.
pub const REVERSE_ADDRESS_LOOKUP: &str = "reverse-address-lookup";
/// Operator of the mail server.
pub const SMTP_HOST: &str = "smtp-host";

const fn dns(id: &'static str, clause: &'static str, caa_label: &'static str) -> Method {
    Method {
        id,
        kind: IdentifierKind::Dns,
        clause,
        from: None,
        discouraged_from: None,
        refused_from: None,
        wildcard: true,
        serves_names_below: true,
        caa_label,
    }
}

/// A method that proves control of one host: no wildcard, no names below it.
const fn host(id: &'static str, clause: &'static str, caa_label: &'static str) -> Method {
    Method { wildcard: false, serves_names_below: false, ..dns(id, clause, caa_label) }
}

const fn ip(id: &'static str, clause: &'static str) -> Method {
    Method { kind: IdentifierKind::Ip, ..host(id, clause, "") }
}

const CONTACT: Option<Date> = Some(date(2026, 3, 15));
const PHONE_END: Option<Date> = Some(date(2027, 3, 15));
const EMAIL_END: Option<Date> = Some(date(2028, 3, 15));

/// TLS BR 3.2.2.4 and 3.2.2.5, S/MIME BR 3.2.2: what needs something from a perspective.
const METHODS: &[Method] = &[
    dns(DNS_CHANGE, "3.2.2.4.7", "ca-dns-change"),
    dns(ACME_DNS_01, "3.2.2.4.7", "dns-01"),
    Method {
        refused_from: Some(date(2026, 3, 15)),
        ..host(IP_ADDRESS, "3.2.2.4.8", "ca-ip-address")
    },
    Method {
        discouraged_from: CONTACT,
        refused_from: EMAIL_END,
        ..dns("contact-email-caa", "3.2.2.4.13", "ca-contact-email-caa")
    },
    Method {
        discouraged_from: CONTACT,
        refused_from: EMAIL_END,
        ..dns("contact-email-txt", "3.2.2.4.14", "ca-contact-email-txt")
    },
    Method {
        discouraged_from: CONTACT,
        refused_from: PHONE_END,
        ..dns("contact-phone-txt", "3.2.2.4.16", "ca-contact-phone-txt")
    },
    Method {
        discouraged_from: CONTACT,
        refused_from: PHONE_END,
        ..dns("contact-phone-caa", "3.2.2.4.17", "ca-contact-phone-caa")
    },
    host(WEBSITE_CHANGE, "3.2.2.4.18", "ca-website-change"),
    host(ACME_HTTP_01, "3.2.2.4.19", "http-01"),
    host(ACME_TLS_ALPN_01, "3.2.2.4.20", "tls-alpn-01"),
    Method { from: Some(date(2025, 3, 1)), ..dns(DNS_ACCOUNT_01, "3.2.2.4.21", "dns-account-01") },
    Method {
        from: Some(date(2025, 11, 10)),
        ..dns(DNS_PERSISTENT, "3.2.2.4.22", "dns-persist-01")
    },
    ip(WEBSITE_CHANGE, "3.2.2.5.1"),
    Method { refused_from: Some(date(2027, 3, 15)), ..ip(REVERSE_ADDRESS_LOOKUP, "3.2.2.5.3") },
    ip(ACME_HTTP_01, "3.2.2.5.6"),
    ip(ACME_TLS_ALPN_01, "3.2.2.5.7"),
    Method { from: Some(date(2025, 12, 16)), ..ip(DNS_PERSISTENT, "3.2.2.5.8") },
    Method { kind: IdentifierKind::Email, ..host(SMTP_HOST, "SBR 3.2.2.3", "") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_ends_at_midnight_of_its_day() {
        let phone = Method::find("contact-phone-txt", IdentifierKind::Dns).unwrap();
        assert_eq!(phone.check_date(date(2027, 3, 14)), Ok(()));
        assert!(phone.is_discouraged(date(2027, 3, 14)));
        let ended = MethodError::Sunset { clause: "3.2.2.4.16", from: date(2027, 3, 15) };
        assert_eq!(phone.check_date(date(2027, 3, 15)), Err(ended));
    }

    #[test]
    fn a_method_begins_on_its_day() {
        let persistent = Method::find("dns-persistent", IdentifierKind::Ip).unwrap();
        assert!(persistent.check_date(date(2025, 12, 15)).is_err());
        assert_eq!(persistent.check_date(date(2025, 12, 16)), Ok(()));
    }

    #[test]
    fn a_mail_domain_is_validated_by_the_rows_of_names() {
        let found = Method::find(ACME_DNS_01, IdentifierKind::Email).unwrap();
        assert_eq!(found.clause, "3.2.2.4.7");
        assert!(Method::find("smtp-host", IdentifierKind::Dns).is_none());
    }
}
