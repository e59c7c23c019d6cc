//! A DNS Change: a record that holds the challenge (BR 3.2.2.4.7).

use super::value::Case;
use super::{caa, name, txt};
use crate::challenge::{ChangeRecord, DnsChange, Matching};

/// Where in `rrset`, raw RDATA each of the job's record type, the first record stands that holds
/// the challenge as the job wants it.
///
/// A TXT record is compared as it is joined, a CNAME as people write it and a CAA property of any
/// tag by its value; the case of the last two never counts. Records that do not decode hold
/// nothing.
pub fn find<'a>(rrset: impl IntoIterator<Item = &'a [u8]>, change: &DnsChange) -> Option<usize> {
    rrset.into_iter().position(|rdata| holds(rdata, change))
}

fn holds(rdata: &[u8], change: &DnsChange) -> bool {
    let challenge = change.challenge.as_str();
    let found = match change.record_type {
        ChangeRecord::Cname => {
            return match change.matching {
                Matching::Exact => name::is_name(rdata, challenge),
                Matching::Contains => name::contains(rdata, challenge),
            };
        }
        ChangeRecord::Txt => txt::join(rdata),
        ChangeRecord::Caa => caa::parse_property(rdata).ok().map(|property| property.value.0),
    };
    let case =
        Case::from_sensitive(change.case_sensitive && change.record_type == ChangeRecord::Txt);
    found.is_some_and(|found| match change.matching {
        Matching::Exact => case.is_equal(&found, challenge.as_bytes()),
        Matching::Contains => case.position(&found, challenge.as_bytes()).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(record_type: ChangeRecord, matching: Matching, case_sensitive: bool) -> DnsChange {
        let challenge = "Some-Value.example".to_owned().try_into().unwrap();
        DnsChange { challenge, record_type, prefix: None, matching, case_sensitive }
    }

    fn finds(change: &DnsChange, rdata: &[u8]) -> bool {
        find([b"".as_slice(), rdata], change) == Some(1)
    }

    #[test]
    fn a_text_holds_the_challenge_whole_or_somewhere() {
        let rdata = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        for (text, exact, contains, without_case) in [
            ("Some-Value.example", true, true, true),
            ("x Some-Value.example y", false, true, false),
            ("some-value.EXAMPLE", false, false, true),
            ("Some-Value.exampl", false, false, false),
            ("", false, false, false),
        ] {
            let txt =
                |matching, case| finds(&change(ChangeRecord::Txt, matching, case), &rdata(text));
            assert_eq!(txt(Matching::Exact, true), exact, "{text}");
            assert_eq!(txt(Matching::Contains, true), contains, "{text}");
            assert_eq!(txt(Matching::Exact, false), without_case, "{text}");
        }
        let with_nul = b"\x16\0\0Some-Value.example\xFF\xFE";
        assert!(finds(&change(ChangeRecord::Txt, Matching::Contains, true), with_nul));
    }

    #[test]
    fn an_alias_is_compared_without_case_and_final_dot() {
        let wire = b"\x0Asome-VALUE\x07example\x00";
        for matching in [Matching::Exact, Matching::Contains] {
            assert!(finds(&change(ChangeRecord::Cname, matching, true), wire), "{matching:?}");
        }
        assert!(!finds(&change(ChangeRecord::Cname, Matching::Exact, true), b"\x04some\x00"));
    }

    #[test]
    fn a_property_is_compared_by_its_value_whatever_its_tag() {
        let exact = change(ChangeRecord::Caa, Matching::Exact, true);
        assert!(finds(&exact, b"\x00\x05issueSOME-value.example"));
        assert!(finds(&exact, b"\x80\x01xSome-Value.example"));
        assert!(!finds(&exact, b"\x00\x05issueSome-Value.example2"));
        let contains = change(ChangeRecord::Caa, Matching::Contains, true);
        assert!(finds(&contains, b"\x00\x05issue a Some-Value.example;"));
        assert!(!finds(&contains, b"\x00\x12Some-Value.example"), "a tag is no value");
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(rdata: Vec<u8>) {
            for record_type in [ChangeRecord::Txt, ChangeRecord::Cname, ChangeRecord::Caa] {
                let _ = finds(&change(record_type, Matching::Contains, false), &rdata);
            }
        }
    }
}
