//! Codes: the short names of perspectives, CAs and coordinators, each safe as one subject token.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no code: 1 to 32 of a-z, 0-9 and inner hyphens, beginning and ending with a letter or digit"
)]
pub struct CodeError(String);

/// Whether `text` is `[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?`.
fn is_code(text: &str) -> bool {
    let alnum = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let octets = text.as_bytes();
    (1..=32).contains(&octets.len())
        && octets.iter().all(|octet| alnum(octet) || *octet == b'-')
        && octets.first().is_some_and(alnum)
        && octets.last().is_some_and(alnum)
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The code as text, safe as one token of a NATS subject.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = CodeError;

            fn try_from(text: String) -> Result<Self, CodeError> {
                if is_code(&text) { Ok(Self(text.into())) } else { Err(CodeError(text)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = CodeError;

            fn from_str(text: &str) -> Result<Self, CodeError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

code!(
    /// The code of a Network Perspective (BR 1.6.1): its name in config, subjects and log.
    PerspectiveId
);
code!(
    /// The code of a CA, or of whoever else asks: an auditor's begins with `auditor-`.
    CaId
);
code!(
    /// The code of one live coordinator process.
    CoordinatorId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_subject_token() {
        for good in ["a", "us-east", "0", "ap-northeast-1", &"a".repeat(32)] {
            assert_eq!(good.parse::<PerspectiveId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "a.b", "*", ">", "A", "a b", "ä", &"a".repeat(33)] {
            assert_eq!(bad.parse::<CaId>(), Err(CodeError(bad.to_owned())));
        }
    }
}
