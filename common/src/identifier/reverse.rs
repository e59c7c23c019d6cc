//! Addresses as names of the DNS, and back.

use std::net::{IpAddr, Ipv6Addr};

use crate::octets::hex;

/// The name that stands for `address` in the DNS, without final dot (RFC 1035 3.5, RFC 3596 2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = hex(&address.octets());
            nibbles.chars().rev().flat_map(|nibble| [nibble, '.']).collect::<String>() + "ip6.arpa"
        }
    }
}

/// The address that `name`, in any case, stands for; none where it is no reverse name of a whole
/// address.
pub fn address_of_reverse_name(name: &str) -> Option<IpAddr> {
    let name = name.to_ascii_lowercase();
    let address = if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let forward: Vec<_> = octets.split('.').rev().collect();
        IpAddr::V4(forward.join(".").parse().ok()?)
    } else {
        let nibbles: String = name.strip_suffix(".ip6.arpa")?.split('.').rev().collect();
        let digits = u128::from_str_radix(&nibbles, 16).ok()?;
        IpAddr::V6(Ipv6Addr::from(digits))
    };
    // What does not come out again was cut short, or had labels of several digits.
    (reverse_name(address) == name).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reverse_name_is_in_octets_or_nibbles_from_the_end() {
        assert_eq!(reverse_name("192.0.2.7".parse().unwrap()), "7.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse_name("2600::1a".parse().unwrap()),
            "a.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.2.ip6.arpa"
        );
    }

    #[test]
    fn a_name_of_a_part_or_of_no_address_stands_for_none() {
        let nibbles = "0.".repeat(32);
        for name in [
            "in-addr.arpa",
            "8.8.8.in-addr.arpa",
            "8.8.8.8.8.in-addr.arpa",
            "08.8.8.8.in-addr.arpa",
            "256.8.8.8.in-addr.arpa",
            "8.0-15.8.8.8.in-addr.arpa",
            "8.8.8.8.in-addr.arpa.",
            "1.0.ip6.arpa",
            &format!("{nibbles}0.ip6.arpa"),
            &format!("+{}ip6.arpa", &nibbles[1..]),
            &format!("00{}ip6.arpa", &nibbles[3..]),
            "8.8.8.8.example.com",
        ] {
            assert_eq!(address_of_reverse_name(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_address_is_that_of_its_reverse_name(octets: u128, is_v4: bool) {
            let v6 = Ipv6Addr::from(octets);
            let [.., a, b, c, d] = v6.octets();
            let address = if is_v4 { IpAddr::from([a, b, c, d]) } else { v6.into() };
            let name = reverse_name(address).to_uppercase();
            proptest::prop_assert_eq!(address_of_reverse_name(&name), Some(address));
        }
    }
}
