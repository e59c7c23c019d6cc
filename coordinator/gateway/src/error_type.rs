//! Reasons as clients of this API know them: the `error_type` of each, and whether a check that
//! ended so was completed.

use mpic_common::identifier::IdentifierKind;
use mpic_common::observation::CheckKind;
use mpic_common::reason::{Reason, Verdict};

/// Why no reply is counted, and what only the perspective is to blame for.
pub const REMOTE_CHECK: &str = "mpic_error:coordinator:remote_check";

const DCV_LOOKUP: &str = "mpic_error:dcv_checker:lookup";
const CAA_LOOKUP: &str = "mpic_error:caa_checker:lookup";
const PARAMETER: &str = "mpic_error:dcv_checker:parameter";

/// The type of `reason` in a check of an identifier of `kind`; none where the answer is simply no.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn error_type(reason: Reason, check: CheckKind, kind: IdentifierKind) -> Option<&'static str> {
    let lookup = match check {
        CheckKind::Dcv => DCV_LOOKUP,
        CheckKind::Caa => CAA_LOOKUP,
    };
    Some(match reason {
        Reason::ClockSkew | Reason::EngineUnavailable | Reason::Cancelled | Reason::Internal => {
            REMOTE_CHECK
        }
        Reason::DnsTimeout
        | Reason::DnsServfail
        | Reason::DnsRefused
        | Reason::DnsUnreachable
        | Reason::DnsMalformed
        | Reason::DnsTruncated
        | Reason::DnsAliasLimit
        | Reason::DnsNameTooLong
        | Reason::DnsBudget
        | Reason::DnssecBogus
        | Reason::DnssecIndeterminate
        | Reason::DnssecUnsupportedAlgorithm
        | Reason::ConnectRefused
        | Reason::ConnectTimeout
        | Reason::ConnectUnreachable
        | Reason::ConnectReset
        | Reason::HttpHeadTimeout
        | Reason::HttpBodyTimeout
        | Reason::HttpMalformed
        | Reason::HttpBodyIncomplete
        | Reason::HttpTls
        | Reason::TlsTimeout
        | Reason::TlsHandshake
        | Reason::DeadlineExceeded
        | Reason::DnsNxdomain
        | Reason::DnsNodata
        | Reason::DnsNoAddress
        | Reason::AddrBlocked
        | Reason::AlpnMissing
        | Reason::CertMalformed
        | Reason::CertNotSelfSigned
        | Reason::CaaLookupFailed
        | Reason::CaaTldNxdomain
        | Reason::CaaTooDeep
        | Reason::CaaMalformedRdata => lookup,
        Reason::JobMalformed
        | Reason::MethodUnknown
        | Reason::MethodSunset
        | Reason::MethodUnsuitable
        | Reason::IdentifierSyntax
        | Reason::IdentifierReservedName
        | Reason::IdentifierReservedIp
        | Reason::IdentifierPublicSuffix
        | Reason::IdentifierOnion => match check {
            CheckKind::Dcv => PARAMETER,
            CheckKind::Caa => CAA_LOOKUP,
        },
        Reason::HttpStatus => "mpic_error:http",
        Reason::RedirectStatus
        | Reason::RedirectLocation
        | Reason::RedirectScheme
        | Reason::RedirectPort
        | Reason::RedirectHost
        | Reason::RedirectLimit
        | Reason::RedirectLoop
        | Reason::RedirectOffsite
        | Reason::HttpChallengeInRequest => "mpic_error:redirect:invalid",
        Reason::CertExtensionMissing => {
            "mpic_error:dcv_checker:tls_alpn:certificate:extension_missing"
        }
        Reason::CertNotCritical => {
            "mpic_error:dcv_checker:tls_alpn:certificate:noncritical_alpn_extension"
        }
        Reason::CertSanCount => "mpic_error:dcv_checker:tls_alpn:certificate:no_single_san",
        Reason::CertSanType => match kind {
            IdentifierKind::Ip => "mpic_error:dcv_checker:tls_alpn:certificate:san_type_not_match",
            IdentifierKind::Dns | IdentifierKind::Email => {
                "mpic_error:dcv_checker:tls_alpn:certificate:san_not_dnsname"
            }
        },
        Reason::CertSanMismatch => "mpic_error:dcv_checker:tls_alpn:certificate:san_not_hostname",
        Reason::RecordMismatch
        | Reason::ContactMismatch
        | Reason::ContactUnusable
        | Reason::MxMismatch
        | Reason::MxAlias
        | Reason::MxNull
        | Reason::PersistNone
        | Reason::PersistAccount
        | Reason::PersistExpired
        | Reason::PersistPolicy
        | Reason::PersistMalformed
        | Reason::HttpBodyMismatch
        | Reason::HttpBodyTooLarge
        | Reason::CertDigestMalformed
        | Reason::CertDigestMismatch
        | Reason::CaaProhibited
        | Reason::CaaCriticalUnknown => return None,
    })
}

/// Whether a check with this verdict was completed: the network answered, yes or no.
pub fn is_completed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reasons, type in a validation and in a CAA check, completed.
    type Row = (&'static [Reason], Option<&'static str>, Option<&'static str>, bool);

    const TABLE: &[Row] = &[
        (
            &[Reason::ClockSkew, Reason::EngineUnavailable, Reason::Cancelled, Reason::Internal],
            Some("mpic_error:coordinator:remote_check"),
            Some("mpic_error:coordinator:remote_check"),
            false,
        ),
        (
            &[Reason::DnsTimeout, Reason::DnssecBogus, Reason::ConnectReset, Reason::TlsHandshake],
            Some("mpic_error:dcv_checker:lookup"),
            Some("mpic_error:caa_checker:lookup"),
            false,
        ),
        (
            &[Reason::CaaLookupFailed, Reason::CaaTldNxdomain, Reason::CaaTooDeep],
            Some("mpic_error:dcv_checker:lookup"),
            Some("mpic_error:caa_checker:lookup"),
            false,
        ),
        (
            &[Reason::DnsNxdomain, Reason::DnsNodata, Reason::AddrBlocked, Reason::AlpnMissing],
            Some("mpic_error:dcv_checker:lookup"),
            Some("mpic_error:caa_checker:lookup"),
            true,
        ),
        (
            &[Reason::JobMalformed, Reason::MethodSunset, Reason::IdentifierReservedName],
            Some("mpic_error:dcv_checker:parameter"),
            Some("mpic_error:caa_checker:lookup"),
            false,
        ),
        (&[Reason::HttpStatus], Some("mpic_error:http"), Some("mpic_error:http"), true),
        (
            &[Reason::RedirectLoop, Reason::RedirectHost, Reason::HttpChallengeInRequest],
            Some("mpic_error:redirect:invalid"),
            Some("mpic_error:redirect:invalid"),
            true,
        ),
        (
            &[
                Reason::RecordMismatch,
                Reason::ContactUnusable,
                Reason::PersistNone,
                Reason::HttpBodyTooLarge,
                Reason::CertDigestMismatch,
                Reason::CaaProhibited,
                Reason::CaaCriticalUnknown,
            ],
            None,
            None,
            true,
        ),
    ];

    #[test]
    fn each_reason_has_the_type_of_its_row() {
        for (reasons, dcv, caa, completed) in TABLE {
            for reason in *reasons {
                let of = |check| error_type(*reason, check, IdentifierKind::Dns);
                assert_eq!((of(CheckKind::Dcv), of(CheckKind::Caa)), (*dcv, *caa), "{reason}");
                assert_eq!(is_completed(reason.verdict()), *completed, "{reason}");
            }
        }
    }

    #[test]
    fn a_certificate_tells_what_is_wrong_with_it() {
        for (reason, kind, expected) in [
            (Reason::CertExtensionMissing, IdentifierKind::Dns, "extension_missing"),
            (Reason::CertNotCritical, IdentifierKind::Dns, "noncritical_alpn_extension"),
            (Reason::CertSanCount, IdentifierKind::Dns, "no_single_san"),
            (Reason::CertSanType, IdentifierKind::Dns, "san_not_dnsname"),
            (Reason::CertSanType, IdentifierKind::Ip, "san_type_not_match"),
            (Reason::CertSanMismatch, IdentifierKind::Dns, "san_not_hostname"),
        ] {
            let expected = format!("mpic_error:dcv_checker:tls_alpn:certificate:{expected}");
            assert_eq!(error_type(reason, CheckKind::Dcv, kind), Some(expected.as_str()));
        }
    }
}
