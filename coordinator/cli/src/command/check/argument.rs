//! What is wrong with one argument; the flag is named.

use std::fmt::Display;
use std::net::IpAddr;

use mpic_common::identifier::DnsName;

/// An argument that cannot be used. Challenges are not repeated in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Wrong(String);

impl Wrong {
    /// Something is wrong with `flag`.
    pub(super) fn new(flag: &str, reason: impl Display) -> Self {
        Self(format!("{flag}: {reason}"))
    }

    /// Something is wrong with what `flag` says, which is no challenge.
    pub(super) fn of(flag: &str, value: &str, reason: impl Display) -> Self {
        Self(format!("{flag} `{}`: {reason}", value.escape_default()))
    }
}

/// A text with a syntax of its own.
pub(super) fn parsed<T>(flag: &str, text: &str) -> Result<T, Wrong>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text.to_owned()).map_err(|error| Wrong::new(flag, error))
}

/// A DNS name as people write it.
pub(super) fn name(flag: &str, text: &str) -> Result<DnsName, Wrong> {
    DnsName::parse(text).map_err(|error| Wrong::of(flag, text, error))
}

/// An IP address.
pub(super) fn address(flag: &str, text: &str) -> Result<IpAddr, Wrong> {
    text.parse().map_err(|_| Wrong::of(flag, text, "it is an IP address"))
}
