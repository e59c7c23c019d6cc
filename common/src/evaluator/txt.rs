//! TXT records: the character-strings of one record, joined (BR 3.2.2.4.7, RFC 8555 8.4).

/// The data of one TXT record, its character-strings joined without separator; none if the
/// lengths in `rdata` do not add up.
pub fn join(rdata: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::with_capacity(rdata.len());
    let mut rest = rdata;
    while let Some((length, tail)) = rest.split_first() {
        let (string, tail) = tail.split_at_checked(usize::from(*length))?;
        joined.extend_from_slice(string);
        rest = tail;
    }
    Some(joined)
}

/// Where in `rrset`, raw RDATA each, the first record stands that says `expected`, octet for
/// octet. Records are never joined with each other, and nothing is trimmed.
pub fn find_exact<'a>(rrset: impl IntoIterator<Item = &'a [u8]>, expected: &[u8]) -> Option<usize> {
    rrset.into_iter().position(|rdata| join(rdata).is_some_and(|joined| joined == expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &[u8] = b"LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo";

    fn rdata(strings: &[&[u8]]) -> Vec<u8> {
        strings
            .iter()
            .flat_map(|string| {
                let length = u8::try_from(string.len()).unwrap();
                [&[length], *string].concat()
            })
            .collect()
    }

    fn found(records: &[Vec<u8>]) -> Option<usize> {
        find_exact(records.iter().map(Vec::as_slice), DIGEST)
    }

    #[test]
    fn t1_the_digest_is_found_alone_and_among_others() {
        assert_eq!(found(&[rdata(&[DIGEST])]), Some(0));
        let mut many = vec![rdata(&[b"v=spf1 -all"]); 200];
        many.insert(150, rdata(&[DIGEST]));
        assert_eq!(found(&many), Some(150));
    }

    #[test]
    fn t2_strings_of_one_record_are_joined_and_records_are_not() {
        let (head, tail) = DIGEST.split_at(20);
        assert_eq!(found(&[rdata(&[head, b"", tail])]), Some(0));
        assert_eq!(found(&[rdata(&[head]), rdata(&[tail])]), None);
    }

    #[test]
    fn t3_a_record_must_equal_the_digest_octet_for_octet() {
        let upper = DIGEST.to_ascii_uppercase();
        for other in [
            [b" ", DIGEST].concat(),
            [DIGEST, b" "].concat(),
            [DIGEST, b"\t"].concat(),
            [DIGEST, b"\n"].concat(),
            [DIGEST, b"\0"].concat(),
            [b"\"", DIGEST, b"\""].concat(),
            [DIGEST, b"="].concat(),
            upper,
        ] {
            assert_eq!(found(&[rdata(&[&other])]), None, "{other:?}");
        }
    }

    #[test]
    fn t4_strange_neighbours_do_not_hide_the_digest() {
        let neighbours = [rdata(&[b"\xFF\xFE"]), Vec::new(), rdata(&[b"a\0b"]), vec![9, b'x']];
        for neighbour in neighbours {
            assert_eq!(found(&[neighbour, rdata(&[DIGEST])]), Some(1));
        }
    }

    proptest::proptest! {
        #[test]
        fn joining_never_panics_and_keeps_the_octets(rdata: Vec<u8>) {
            if let Some(joined) = join(&rdata) {
                proptest::prop_assert!(joined.len() <= rdata.len());
            }
        }
    }
}
