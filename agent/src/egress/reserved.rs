//! The tables of addresses that are no applicant's.
//!
//! Every entry of the two IANA special-purpose registries, whatever their "Globally Reachable"
//! says (BR 1.6.1), more specific entries folded into the wider ones, and a few besides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is reserved, or IPv6 outside `2000::/3`, which IANA has not opened.
pub(super) fn contains(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => IPV4.iter().any(|(net, length)| {
            address.to_bits().wrapping_shr(32 - length) == net.to_bits().wrapping_shr(32 - length)
        }),
        IpAddr::V6(address) => {
            address.to_bits() >> 125 != 0b001
                || IPV6.iter().any(|(net, length)| {
                    address.to_bits().wrapping_shr(128 - length)
                        == net.to_bits().wrapping_shr(128 - length)
                })
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> (Ipv4Addr, u32) {
    (Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, length: u32) -> (Ipv6Addr, u32) {
    (Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
}

/// The IANA IPv4 registry; the last two are multicast and the service address of a cloud's hosts.
const IPV4: [(Ipv4Addr, u32); 20] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(240, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
    v4(224, 0, 0, 0, 4),
    v4(168, 63, 129, 16, 32),
];

/// The entries of the IANA IPv6 registry that lie inside `2000::/3`. The others (`::/128`,
/// `::1/128`, `::ffff:0:0/96`, `64:ff9b::/96`, `64:ff9b:1::/48`, `100::/64`, `100:0:0:1::/64`, `5f00::/16`,
/// `fc00::/7`, `fe80::/10`) and `::/96`, `fec0::/10` and `ff00::/8` lie outside it.
const IPV6: [(Ipv6Addr, u32); 5] = [
    v6(0x2001, 0, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 0, 32),
    v6(0x2002, 0, 0, 0, 16),
    v6(0x2620, 0x4f, 0x8000, 0, 48),
    v6(0x3fff, 0, 0, 0, 20),
];
