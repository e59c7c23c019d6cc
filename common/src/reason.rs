//! Why a check did not pass: one closed list, the same for agents, coordinators and auditors.

pub mod acme;

use serde::{Deserialize, Serialize};

/// What a perspective concludes. Only `Pass` corroborates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The evidence is there; for CAA, issuance is permitted.
    Pass,
    /// The network answered, and the answer is no.
    Fail,
    /// It could not be determined.
    Error,
    /// Nothing was sent.
    Refused,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $verdict:ident $name:ident $text:literal,)*) => {
        /// Why a check did not pass; `snake_case` on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Reason {
            /// The verdict that goes with it.
            pub fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict,)* }
            }

            /// As on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The job cannot be performed as it stands.
    Refused JobMalformed "job_malformed",
    /// The method has no such id, or this software does not perform it.
    Refused MethodUnknown "method_unknown",
    /// The Baseline Requirements ended the method before this day.
    Refused MethodSunset "method_sunset",
    /// The method is not for this kind of identifier.
    Refused MethodUnsuitable "method_unsuitable",
    /// The identifier is not in its canonical form.
    Refused IdentifierSyntax "identifier_syntax",
    /// A name outside the public DNS.
    Refused IdentifierReservedName "identifier_reserved_name",
    /// An address that IANA reserves.
    Refused IdentifierReservedIp "identifier_reserved_ip",
    /// A wildcard directly below a public suffix.
    Refused IdentifierPublicSuffix "identifier_public_suffix",
    /// An onion name.
    Refused IdentifierOnion "identifier_onion",
    /// The coordinator's clock and the agent's differ too much.
    Refused ClockSkew "clock_skew",
    /// The perspective's DNS engine failed its self-test.
    Refused EngineUnavailable "engine_unavailable",
    /// No reply in time.
    Error DnsTimeout "dns_timeout",
    /// The resolver could not answer.
    Error DnsServfail "dns_servfail",
    /// The resolver would not answer.
    Error DnsRefused "dns_refused",
    /// No server could be reached.
    Error DnsUnreachable "dns_unreachable",
    /// A reply that cannot be decoded, or contradicts itself.
    Error DnsMalformed "dns_malformed",
    /// Truncated, and TCP did not work.
    Error DnsTruncated "dns_truncated",
    /// Too many aliases, or a loop.
    Error DnsAliasLimit "dns_alias_limit",
    /// A prefix or an alias makes a name of more than 253 octets.
    Error DnsNameTooLong "dns_name_too_long",
    /// The job's packets or octets are spent.
    Error DnsBudget "dns_budget",
    /// DNSSEC validation failed.
    Error DnssecBogus "dnssec_bogus",
    /// DNSSEC validation could not be completed.
    Error DnssecIndeterminate "dnssec_indeterminate",
    /// Signed only with algorithms that this validator lacks.
    Error DnssecUnsupportedAlgorithm "dnssec_unsupported_algorithm",
    /// A CAA question failed, which prohibits.
    Error CaaLookupFailed "caa_lookup_failed",
    /// The top-level domain itself does not exist.
    Error CaaTldNxdomain "caa_tld_nxdomain",
    /// More labels than are climbed.
    Error CaaTooDeep "caa_too_deep",
    /// The name does not exist.
    Fail DnsNxdomain "dns_nxdomain",
    /// The host has no address.
    Fail DnsNoAddress "dns_no_address",
    /// The name has no record of the type.
    Fail DnsNodata "dns_nodata",
    /// No record has the expected value.
    Fail RecordMismatch "record_mismatch",
    /// Contacts are there, but not the selected one.
    Fail ContactMismatch "contact_mismatch",
    /// No contact there can be used.
    Fail ContactUnusable "contact_unusable",
    /// The expected host is no preferred mail exchanger.
    Fail MxMismatch "mx_mismatch",
    /// The mail exchanger is an alias.
    Fail MxAlias "mx_alias",
    /// The domain takes no mail.
    Fail MxNull "mx_null",
    /// No persistent record names this issuer.
    Fail PersistNone "persist_none",
    /// The persistent record names another account.
    Fail PersistAccount "persist_account",
    /// The persistent record is past its end.
    Fail PersistExpired "persist_expired",
    /// The persistent record does not extend to this name.
    Fail PersistPolicy "persist_policy",
    /// The status is not one that passes.
    Fail HttpStatus "http_status",
    /// The body is another one.
    Fail HttpBodyMismatch "http_body_mismatch",
    /// The body is longer than any right one.
    Fail HttpBodyTooLarge "http_body_too_large",
    /// The challenge would be sent to the site.
    Fail HttpChallengeInRequest "http_challenge_in_request",
    /// The peer did not negotiate `acme-tls/1`.
    Fail AlpnMissing "alpn_missing",
    /// The certificate does not parse.
    Fail CertMalformed "cert_malformed",
    /// The certificate is not signed by its own key.
    Fail CertNotSelfSigned "cert_not_self_signed",
    /// subjectAltName or acmeIdentifier is missing.
    Fail CertExtensionMissing "cert_extension_missing",
    /// acmeIdentifier is not critical.
    Fail CertNotCritical "cert_not_critical",
    /// Not exactly one subject alternative name.
    Fail CertSanCount "cert_san_count",
    /// The subject alternative name is another identifier.
    Fail CertSanMismatch "cert_san_mismatch",
    /// The subject alternative name is of another type.
    Fail CertSanType "cert_san_type",
    /// acmeIdentifier does not hold a digest.
    Fail CertDigestMalformed "cert_digest_malformed",
    /// acmeIdentifier holds another digest.
    Fail CertDigestMismatch "cert_digest_mismatch",
    /// A persistent record of ours is malformed.
    Fail PersistMalformed "persist_malformed",
    /// The address must not be connected to.
    Fail AddrBlocked "addr_blocked",
    /// A redirect of a kind that is not followed.
    Fail RedirectStatus "redirect_status",
    /// Not exactly one usable `Location`.
    Fail RedirectLocation "redirect_location",
    /// Neither http nor https.
    Fail RedirectScheme "redirect_scheme",
    /// Neither port 80 nor 443.
    Fail RedirectPort "redirect_port",
    /// A host that is not checked.
    Fail RedirectHost "redirect_host",
    /// Too many redirects.
    Fail RedirectLimit "redirect_limit",
    /// A URL was seen before.
    Fail RedirectLoop "redirect_loop",
    /// Away from the IP address that is validated.
    Fail RedirectOffsite "redirect_offsite",
    /// The connection was refused.
    Error ConnectRefused "connect_refused",
    /// No connection in time.
    Error ConnectTimeout "connect_timeout",
    /// No route.
    Error ConnectUnreachable "connect_unreachable",
    /// Closed before a complete response head.
    Error ConnectReset "connect_reset",
    /// No complete response head in time.
    Error HttpHeadTimeout "http_head_timeout",
    /// No complete body in time.
    Error HttpBodyTimeout "http_body_timeout",
    /// No HTTP/1 response.
    Error HttpMalformed "http_malformed",
    /// The body ended early.
    Error HttpBodyIncomplete "http_body_incomplete",
    /// No TLS handshake in time.
    Error TlsTimeout "tls_timeout",
    /// The job's time is up, and nothing narrower applies.
    Error DeadlineExceeded "deadline_exceeded",
    /// TLS failed on an https hop.
    Error HttpTls "http_tls",
    /// The TLS-ALPN handshake failed.
    Error TlsHandshake "tls_handshake",
    /// The CAA set names other issuers, or none.
    Fail CaaProhibited "caa_prohibited",
    /// An unknown property is critical.
    Fail CaaCriticalUnknown "caa_critical_unknown",
    /// RDATA that is no CAA property.
    Error CaaMalformedRdata "caa_malformed_rdata",
    /// The agent is stopping.
    Error Cancelled "cancelled",
    /// A fault of the agent's own.
    Error Internal "internal",
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Verdict {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Refused => "refused",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
