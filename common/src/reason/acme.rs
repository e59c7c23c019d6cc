//! What an applicant may be told about a check that did not pass: an ACME error type and a
//! sentence. Whom was asked, from where, and what came back is for operators: `detail` and the
//! evidence have it.

use super::Reason;

/// The error types of ACME that a check can end in (RFC 8555 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AcmeError {
    /// CAA forbids issuance.
    Caa,
    /// The applicant's server could not be used.
    Connection,
    /// The applicant's DNS could not be used.
    Dns,
    /// What was sent, or published, does not have the right form.
    Malformed,
    /// No certificate is issued for the identifier.
    RejectedIdentifier,
    /// The fault is not the applicant's.
    ServerInternal,
    /// TLS with the applicant's server failed.
    Tls,
    /// The applicant has not shown control of the identifier.
    Unauthorized,
}

impl AcmeError {
    /// The URN, as in a problem document.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Caa => "urn:ietf:params:acme:error:caa",
            Self::Connection => "urn:ietf:params:acme:error:connection",
            Self::Dns => "urn:ietf:params:acme:error:dns",
            Self::Malformed => "urn:ietf:params:acme:error:malformed",
            Self::RejectedIdentifier => "urn:ietf:params:acme:error:rejectedIdentifier",
            Self::ServerInternal => "urn:ietf:params:acme:error:serverInternal",
            Self::Tls => "urn:ietf:params:acme:error:tls",
            Self::Unauthorized => "urn:ietf:params:acme:error:unauthorized",
        }
    }
}

impl Reason {
    /// The ACME error type that goes with it.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn acme_error(self) -> AcmeError {
        match self {
            Self::JobMalformed
            | Self::MethodUnknown
            | Self::MethodSunset
            | Self::MethodUnsuitable
            | Self::IdentifierSyntax
            | Self::PersistMalformed => AcmeError::Malformed,
            Self::IdentifierReservedName
            | Self::IdentifierReservedIp
            | Self::IdentifierPublicSuffix
            | Self::IdentifierOnion => AcmeError::RejectedIdentifier,
            Self::ClockSkew | Self::EngineUnavailable | Self::Cancelled | Self::Internal => {
                AcmeError::ServerInternal
            }
            Self::DnsTimeout
            | Self::DnsServfail
            | Self::DnsRefused
            | Self::DnsUnreachable
            | Self::DnsMalformed
            | Self::DnsTruncated
            | Self::DnsAliasLimit
            | Self::DnsNameTooLong
            | Self::DnsBudget
            | Self::DnssecBogus
            | Self::DnssecIndeterminate
            | Self::DnssecUnsupportedAlgorithm
            | Self::CaaLookupFailed
            | Self::CaaTldNxdomain
            | Self::CaaTooDeep
            | Self::DnsNxdomain
            | Self::DnsNoAddress => AcmeError::Dns,
            Self::DnsNodata
            | Self::RecordMismatch
            | Self::ContactMismatch
            | Self::ContactUnusable
            | Self::MxMismatch
            | Self::MxAlias
            | Self::MxNull
            | Self::PersistNone
            | Self::PersistAccount
            | Self::PersistExpired
            | Self::PersistPolicy
            | Self::HttpStatus
            | Self::HttpBodyMismatch
            | Self::HttpBodyTooLarge
            | Self::HttpChallengeInRequest
            | Self::AlpnMissing
            | Self::CertMalformed
            | Self::CertNotSelfSigned
            | Self::CertExtensionMissing
            | Self::CertNotCritical
            | Self::CertSanCount
            | Self::CertSanMismatch
            | Self::CertSanType
            | Self::CertDigestMalformed
            | Self::CertDigestMismatch => AcmeError::Unauthorized,
            Self::AddrBlocked
            | Self::RedirectStatus
            | Self::RedirectLocation
            | Self::RedirectScheme
            | Self::RedirectPort
            | Self::RedirectHost
            | Self::RedirectLimit
            | Self::RedirectLoop
            | Self::RedirectOffsite
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectUnreachable
            | Self::ConnectReset
            | Self::HttpHeadTimeout
            | Self::HttpBodyTimeout
            | Self::HttpMalformed
            | Self::HttpBodyIncomplete
            | Self::TlsTimeout
            | Self::DeadlineExceeded => AcmeError::Connection,
            Self::HttpTls | Self::TlsHandshake => AcmeError::Tls,
            Self::CaaProhibited | Self::CaaCriticalUnknown | Self::CaaMalformedRdata => {
                AcmeError::Caa
            }
        }
    }

    /// A sentence that a CA may show an applicant: it names nobody and nothing of ours.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn for_applicant(self) -> &'static str {
        match self {
            Self::JobMalformed => "The request for this validation was not in order.",
            Self::MethodUnknown => "This validation method is not offered.",
            Self::MethodSunset => "This validation method may no longer be used.",
            Self::MethodUnsuitable => "This validation method does not suit the identifier.",
            Self::IdentifierSyntax => "The identifier is not in its proper form.",
            Self::PersistMalformed => "The persistent record is malformed.",
            Self::IdentifierReservedName => "The name is not part of the public DNS.",
            Self::IdentifierReservedIp => "The address is reserved and cannot be certified.",
            Self::IdentifierPublicSuffix => {
                "A wildcard may not stand directly below a public suffix."
            }
            Self::IdentifierOnion => "Onion names cannot be validated.",
            Self::ClockSkew | Self::EngineUnavailable | Self::Internal => {
                "The validation could not be performed because of a fault on our side."
            }
            Self::Cancelled => "The validation was interrupted on our side.",
            Self::DnsTimeout => "The DNS did not answer in time.",
            Self::DnsServfail => "The DNS could not answer (SERVFAIL).",
            Self::DnsRefused => "The DNS refused to answer (REFUSED).",
            Self::DnsUnreachable => "No name server could be reached.",
            Self::DnsMalformed => "A name server sent a reply that cannot be used.",
            Self::DnsTruncated => {
                "A DNS answer did not fit, and TCP to the name server did not work."
            }
            Self::DnsAliasLimit => "There are too many aliases in the DNS, or they form a loop.",
            Self::DnsNameTooLong => "A name that had to be looked up has more than 253 octets.",
            Self::DnsBudget => "Looking up the name takes more than is permitted.",
            Self::DnssecBogus => "The DNS answer failed DNSSEC validation.",
            Self::DnssecIndeterminate => "DNSSEC validation could not be completed.",
            Self::DnssecUnsupportedAlgorithm => {
                "The zone is signed only with DNSSEC algorithms that are not supported."
            }
            Self::CaaLookupFailed => "CAA records could not be looked up, which forbids issuance.",
            Self::CaaTldNxdomain => "The top-level domain does not exist.",
            Self::CaaTooDeep => "The name has more labels than are looked up for CAA records.",
            Self::DnsNxdomain => "A name that had to be looked up does not exist.",
            Self::DnsNoAddress => "The host has no address in the DNS.",
            Self::DnsNodata => "The record that was looked for is not there.",
            Self::RecordMismatch => "Records were found, but none has the expected value.",
            Self::ContactMismatch => "Contacts are published, but not the selected one.",
            Self::ContactUnusable => "No usable contact is published.",
            Self::MxMismatch => {
                "The mail server is not among the preferred mail exchangers of the domain."
            }
            Self::MxAlias => "The mail exchanger is an alias, which is not permitted.",
            Self::MxNull => "The domain says that it takes no mail.",
            Self::PersistNone => "No persistent record names this certification authority.",
            Self::PersistAccount => "The persistent record names another account.",
            Self::PersistExpired => "The persistent record has expired.",
            Self::PersistPolicy => {
                "The persistent record does not extend to wildcards or names below it."
            }
            Self::HttpStatus => "The web server answered with a status other than success.",
            Self::HttpBodyMismatch => {
                "The file on the web server does not have the expected content."
            }
            Self::HttpBodyTooLarge => {
                "The file on the web server is longer than the expected content."
            }
            Self::HttpChallengeInRequest => {
                "A redirect led to an address that contains the challenge itself."
            }
            Self::AlpnMissing => "The server did not negotiate the protocol acme-tls/1.",
            Self::CertMalformed => "The certificate of the TLS server is malformed.",
            Self::CertNotSelfSigned => {
                "The certificate of the TLS server is not self-signed with an accepted algorithm."
            }
            Self::CertExtensionMissing => {
                "The certificate of the TLS server lacks subjectAltName or acmeIdentifier."
            }
            Self::CertNotCritical => {
                "The acmeIdentifier extension of the certificate is not critical."
            }
            Self::CertSanCount => "The certificate of the TLS server is not for exactly one name.",
            Self::CertSanMismatch => "The certificate of the TLS server is for another identifier.",
            Self::CertSanType => {
                "The certificate of the TLS server is for another type of identifier."
            }
            Self::CertDigestMalformed => {
                "The acmeIdentifier extension of the certificate is malformed."
            }
            Self::CertDigestMismatch => {
                "The acmeIdentifier extension of the certificate has another digest."
            }
            Self::AddrBlocked => "The host has only addresses that are not connected to.",
            Self::RedirectStatus => "The web server redirected in a way that is not followed.",
            Self::RedirectLocation => "The web server redirected without one usable Location.",
            Self::RedirectScheme => {
                "The web server redirected to something other than http or https."
            }
            Self::RedirectPort => "The web server redirected to a port other than 80 and 443.",
            Self::RedirectHost => "The web server redirected to a host that is not contacted.",
            Self::RedirectLimit => "There are too many redirects.",
            Self::RedirectLoop => "The redirects form a loop.",
            Self::RedirectOffsite => {
                "The web server redirected away from the address that is validated."
            }
            Self::ConnectRefused => "The server refused the connection.",
            Self::ConnectTimeout => "The connection to the server timed out.",
            Self::ConnectUnreachable => "The server could not be reached.",
            Self::ConnectReset => "The server closed the connection before it answered.",
            Self::HttpHeadTimeout => "The web server did not answer in time.",
            Self::HttpBodyTimeout => "The web server sent the file too slowly.",
            Self::HttpMalformed => "The server did not answer with HTTP/1.",
            Self::HttpBodyIncomplete => "The web server ended the file early.",
            Self::TlsTimeout => "The TLS handshake timed out.",
            Self::DeadlineExceeded => "The validation did not end in time.",
            Self::HttpTls => "TLS with the web server failed.",
            Self::TlsHandshake => "The TLS handshake with the server failed.",
            Self::CaaProhibited => {
                "CAA records do not permit this certification authority to issue."
            }
            Self::CaaCriticalUnknown => {
                "A CAA record is critical and unknown, which forbids issuance."
            }
            Self::CaaMalformedRdata => "A CAA record is malformed, which forbids issuance.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_the_type_of_its_row() {
        for (reason, urn) in [
            (Reason::MethodSunset, "malformed"),
            (Reason::IdentifierReservedIp, "rejectedIdentifier"),
            (Reason::EngineUnavailable, "serverInternal"),
            (Reason::CaaLookupFailed, "dns"),
            (Reason::DnsNxdomain, "dns"),
            (Reason::DnsNodata, "unauthorized"),
            (Reason::PersistPolicy, "unauthorized"),
            (Reason::PersistMalformed, "malformed"),
            (Reason::RedirectLoop, "connection"),
            (Reason::TlsTimeout, "connection"),
            (Reason::TlsHandshake, "tls"),
            (Reason::CaaMalformedRdata, "caa"),
        ] {
            let expected = format!("urn:ietf:params:acme:error:{urn}");
            assert_eq!(reason.acme_error().urn(), expected, "{reason}");
        }
    }

    #[test]
    fn an_applicant_gets_a_sentence_that_names_nothing_of_ours() {
        for reason in [Reason::ClockSkew, Reason::DnsTimeout, Reason::CertSanCount] {
            let sentence = reason.for_applicant();
            assert!(sentence.ends_with('.') && sentence.len() <= 100, "{sentence}");
            for word in ["perspective", "resolver", "agent", "coordinator", "job"] {
                assert!(!sentence.to_lowercase().contains(word), "{sentence}");
            }
        }
    }
}
