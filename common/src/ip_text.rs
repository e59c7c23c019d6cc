//! IP addresses as RFC 5952 text on the wire; serde's own form in MessagePack is octets by family.

use std::net::IpAddr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(address: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no IP address")))
}

/// One of the text forms, so that options and lists need no code of their own.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Text(#[serde(with = "self")] IpAddr);

/// An address that may be absent.
pub(crate) mod some {
    use super::{Deserialize, Deserializer, IpAddr, Serializer, Text};

    #[expect(clippy::ref_option, reason = "serde passes references")]
    pub(crate) fn serialize<S: Serializer>(
        address: &Option<IpAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&address.map(Text), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<IpAddr>, D::Error> {
        let text = Option::<Text>::deserialize(deserializer)?;
        Ok(text.map(|Text(address)| address))
    }
}

/// Several addresses.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, IpAddr, Serializer, Text};

    pub(crate) fn serialize<S: Serializer>(
        addresses: &[IpAddr],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(addresses.iter().map(|address| Text(*address)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<IpAddr>, D::Error> {
        let texts = Vec::<Text>::deserialize(deserializer)?;
        Ok(texts.into_iter().map(|Text(address)| address).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::{HopSeen, Tried};
    use crate::reason::Reason;

    #[test]
    fn addresses_are_text() {
        let tried = Tried { addr: "2600::1".parse().unwrap(), error: Reason::ConnectRefused };
        let octets = rmp_serde::to_vec_named(&tried).unwrap();
        assert_eq!(&octets[..14], b"\x82\xa4addr\xa72600::1");
        let hop = HopSeen {
            addresses: vec!["8.8.8.8".parse().unwrap()],
            tried: vec![tried],
            addr_used: Some("8.8.8.8".parse().unwrap()),
            ..HopSeen::default()
        };
        let octets = rmp_serde::to_vec_named(&hop).unwrap();
        assert_eq!(rmp_serde::from_slice::<HopSeen>(&octets).unwrap(), hop);
    }
}
