//! Texts that a challenge is made of, each with its syntax.

use serde::{Deserialize, Serialize};

use super::ChallengeError;

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

text!(
    /// A Random Value or Request Token (BR 1.6.1). One of 18 octets or more is long enough for the
    /// 112 bits that the BR want; a shorter one cannot be a Random Value.
    RandomValue,
    |octets| {
        let printable = |octet: &u8| (0x20..=0x7E).contains(octet);
        (1..=1_024).contains(&octets.len())
            && octets.iter().all(printable)
            && octets.first() != Some(&b' ')
            && octets.last() != Some(&b' ')
    },
    "a challenge is 1 to 1024 printable ASCII characters without space at its ends"
);

text!(
    /// What stands before the ADN in a DNS Change: one label that begins with an underscore.
    DnsPrefix,
    |octets| {
        let ldh = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
        (2..=63).contains(&octets.len())
            && octets.first() == Some(&b'_')
            && octets.iter().all(ldh)
    },
    "a prefix is one label of letters, digits, - and _ that begins with _"
);

text!(
    /// Where the file of an Agreed-Upon Change lies, below `/.well-known/pki-validation/`.
    FilePath,
    |octets| {
        let pchar = |octet: &u8| {
            octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(octet)
        };
        let mut segments = octets.rsplit(|octet| *octet == b'/');
        let last = segments.next().unwrap_or_default();
        octets.len() <= 512
            && octets.iter().all(pchar)
            && segments.all(|segment| !matches!(segment, [] | [b'.'] | [b'.', b'.']))
            && !matches!(last, [b'.'] | [b'.', b'.'])
    },
    "a path is at most 512 characters of a URL's path, without empty or dotted segments"
);

text!(
    /// An account's URI, absolute.
    AccountUri,
    |octets| std::str::from_utf8(octets).is_ok_and(is_account_uri),
    "an account URI is absolute, at most 1024 visible ASCII characters, without ;"
);

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

    #[test]
    fn a_path_stays_below_its_directory() {
        let path = |text: &str| FilePath::try_from(text.to_owned());
        for good in ["", "a", "a/b", "a/"] {
            assert!(path(good).is_ok(), "{good:?}");
        }
        for bad in ["/a", "../a", "a/../b", "a/..", "a%2e", "a?b", "a//b", "./a", "."] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_is_one_label_that_begins_with_an_underscore() {
        let prefix = |text: &str| DnsPrefix::try_from(text.to_owned());
        assert!(prefix("_dnsauth").is_ok());
        for bad in ["", "_", "dcv", "_a._b", "_a b"] {
            assert!(prefix(bad).is_err(), "{bad:?}");
        }
    }
}
