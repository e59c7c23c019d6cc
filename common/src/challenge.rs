//! What the applicant must show: tokens, key authorizations, digests (RFC 8555 section 8).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A challenge input that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChallengeError(&'static str);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $why:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As it must appear.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ChallengeError;

            fn try_from(text: String) -> Result<Self, ChallengeError> {
                let fits: fn(&[u8]) -> bool = $fits;
                if fits(text.as_bytes()) { Ok(Self(text)) } else { Err(ChallengeError($why)) }
            }
        }

        impl From<$name> for String {
            fn from(challenge: $name) -> Self {
                challenge.0
            }
        }

        /// Challenges do not appear in logs.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({} octets)"), self.0.len())
            }
        }
    };
}

text!(
    /// The `token` of RFC 8555 8.3, safe as one path segment.
    Token,
    |octets| {
        let base64url = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
        (1..=255).contains(&octets.len()) && octets.iter().all(base64url)
    },
    "a token is 1 to 255 of A-Z, a-z, 0-9, - and _"
);

text!(
    /// The key authorization of RFC 8555 8.1, composed by the CA.
    KeyAuthorization,
    |octets| (1..=1_024).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic),
    "a key authorization is 1 to 1024 printable ASCII characters without space"
);

text!(
    /// What a TXT record must say: the base64url digest of RFC 8555 8.4, composed by the CA.
    TxtDigest,
    |octets| {
        let printable = |octet: &u8| (0x20..=0x7E).contains(octet);
        (1..=255).contains(&octets.len()) && octets.iter().all(printable)
    },
    "a digest is 1 to 255 printable ASCII characters"
);

/// Headers that a CA wants sent along: at most 16, together at most 4 KiB, none that steers the
/// connection, the framing, caching or credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders(BTreeMap<String, String>);

impl RequestHeaders {
    /// Name to value.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for RequestHeaders {
    type Error = ChallengeError;

    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, ChallengeError> {
        let octets: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > 16 || octets > 4_096 {
            return Err(ChallengeError("at most 16 headers and 4096 octets are sent along"));
        }
        let lower: BTreeSet<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        if lower.len() < headers.len() {
            return Err(ChallengeError("a header stands twice"));
        }
        if !headers.iter().all(|(name, value)| is_header(name, value)) {
            return Err(ChallengeError("not the syntax of a header"));
        }
        if lower.iter().any(|name| is_ours(name)) {
            return Err(ChallengeError("a header that a CA may not set"));
        }
        Ok(Self(headers))
    }
}

/// RFC 9110 5.1 and 5.5, ASCII alone.
fn is_header(name: &str, value: &str) -> bool {
    let tchar = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let vchar = |octet: &u8| (0x20..=0x7E).contains(octet) || *octet == b'\t';
    !name.is_empty() && name.as_bytes().iter().all(tchar) && value.as_bytes().iter().all(vchar)
}

/// Headers that the agent sets itself, or never sends.
fn is_ours(lower: &str) -> bool {
    const NAMES: [&str; 13] = [
        "accept-encoding",
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "upgrade",
        "via",
    ];
    const PREFIXES: [&str; 5] = ["content-", "if-", "proxy-", "transfer-encoding", "x-forwarded-"];
    NAMES.contains(&lower) || PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

/// Whether `text` is a lower-case name as CAA records have it (RFC 8659 4.2).
pub fn is_issuer_domain(text: &str) -> bool {
    let label = |label: &str| {
        let fits =
            |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
        !label.is_empty()
            && label.as_bytes().iter().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether `text` can be an account's URI: absolute, visible ASCII without `;`.
pub fn is_account_uri(text: &str) -> bool {
    let fits = |octet: &u8| (0x21..=0x7E).contains(octet) && *octet != b';';
    let has_scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
            && !rest.is_empty()
    });
    has_scheme && text.len() <= 1_024 && text.as_bytes().iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_one_path_segment() {
        for bad in ["", "../x", "a/b", "a%2f", "a b", "ä", &"a".repeat(256)] {
            assert!(Token::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(Token::try_from("abc-_09".to_owned()).is_ok());
    }

    #[test]
    fn a_key_authorization_need_not_begin_with_the_token_but_has_no_space() {
        assert!(KeyAuthorization::try_from("anything.goes".to_owned()).is_ok());
        assert!(KeyAuthorization::try_from("a b".to_owned()).is_err());
    }

    #[test]
    fn a_challenge_does_not_show_in_debug_output() {
        let token = Token::try_from("secret".to_owned()).unwrap();
        assert_eq!(format!("{token:?}"), "Token(6 octets)");
    }

    #[test]
    fn a_ca_sets_no_header_that_steers() {
        let headers = |name: &str, value: &str| {
            RequestHeaders::try_from(BTreeMap::from([(name.to_owned(), value.to_owned())]))
        };
        assert!(headers("X-Request", "1").is_ok());
        for bad in
            ["Host", "cookie", "Content-Length", "If-Match", "X-Forwarded-For", "TE", "a b", ""]
        {
            assert!(headers(bad, "1").is_err(), "{bad}");
        }
        assert!(headers("X-Request", "a\r\nb").is_err());
    }

    #[test]
    fn issuer_domains_and_account_uris_have_their_syntax() {
        assert!(is_issuer_domain("ca.example") && is_issuer_domain("ca"));
        for bad in ["", "CA.example", "ca.example.", "-a.b", "a..b", "a_b"] {
            assert!(!is_issuer_domain(bad), "{bad}");
        }
        assert!(is_account_uri("https://ca.example/acct/1"));
        for bad in ["", "acct/1", "https://a;b", "https://a b", ":x", "x:"] {
            assert!(!is_account_uri(bad), "{bad}");
        }
    }
}
