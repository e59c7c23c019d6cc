//! Mail exchangers (RFC 5321 5.1, RFC 7505).

use super::name;
use crate::reason::Reason;

/// Where in `rrset`, raw RDATA each, `expected` stands among the exchangers of lowest preference.
///
/// A single record for the root says that the domain takes no mail.
pub fn find(rrset: &[&[u8]], expected: &str) -> Result<usize, Reason> {
    let exchangers: Vec<_> = rrset.iter().map(|rdata| exchanger(rdata)).collect();
    if let [Some((_, [0]))] = exchangers.as_slice() {
        return Err(Reason::MxNull);
    }
    let lowest = exchangers.iter().flatten().map(|(preference, _)| *preference).min();
    let is_expected = |(preference, host): (u16, &[u8])| {
        Some(preference) == lowest && name::is_name(host, expected)
    };
    let found = exchangers.iter().position(|exchanger| exchanger.is_some_and(is_expected));
    found.ok_or(Reason::MxMismatch)
}

/// Preference and name; none if the name is none.
fn exchanger(rdata: &[u8]) -> Option<(u16, &[u8])> {
    let (preference, host) = rdata.split_first_chunk::<2>()?;
    name::presentation(host)?;
    Some((u16::from_be_bytes(*preference), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"\x00\x0A\x01a\x07example\x00";
    const EQUAL: &[u8] = b"\x00\x0A\x01B\x07example\x00";
    const LATER: &[u8] = b"\x01\x00\x01c\x07example\x00";

    #[test]
    fn the_expected_host_has_the_lowest_preference() {
        let set = [LATER, FIRST, EQUAL];
        assert_eq!(find(&set, "a.example"), Ok(1));
        assert_eq!(find(&set, "b.example"), Ok(2));
        assert_eq!(find(&set, "c.example"), Err(Reason::MxMismatch));
        assert_eq!(find(&[LATER], "c.example"), Ok(0));
    }

    #[test]
    fn a_record_for_the_root_alone_takes_no_mail() {
        assert_eq!(find(&[b"\x00\x00\x00"], "a.example"), Err(Reason::MxNull));
        assert_eq!(find(&[b"\x00\x00\x00", FIRST], "a.example"), Err(Reason::MxMismatch));
    }

    #[test]
    fn a_record_that_does_not_decode_is_none() {
        for bad in [&b""[..], b"\x00", b"\x00\x00", b"\x00\x00\x05a"] {
            assert_eq!(find(&[bad, FIRST], "a.example"), Ok(1), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(one: Vec<u8>, other: Vec<u8>) {
            let _ = find(&[&one, &other], "a.example");
        }
    }
}
