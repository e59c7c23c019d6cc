//! What the applicant must show: tokens, key authorizations, digests (RFC 8555 section 8).

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
}
