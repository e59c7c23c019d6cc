//! Names in RDATA, compared as people write them (RFC 1035 5.1).

use std::fmt::Write;

/// The presentation form of an uncompressed name, lower-case and with its final dot; octets other
/// than letters, digits, hyphens and underscores as `\DDD`. None if `wire` is no such name.
pub fn presentation(wire: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    loop {
        let (length, tail) = rest.split_first()?;
        // A length above 63 would be a pointer.
        let (label, tail) = tail.split_at_checked(usize::from(*length).min(64))?;
        match (*length, tail) {
            (0, []) if text.is_empty() => return Some(".".to_owned()),
            (0, []) => return Some(text),
            (1..=63, _) => push_label(label, &mut text),
            _ => return None,
        }
        rest = tail;
    }
}

fn push_label(label: &[u8], text: &mut String) {
    for octet in label {
        // Writing to a String does not fail.
        let _ = match octet {
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' => write!(text, "{}", char::from(*octet)),
            b'A'..=b'Z' => write!(text, "{}", char::from(octet.to_ascii_lowercase())),
            _ => write!(text, "\\{octet:03}"),
        };
    }
    text.push('.');
}

/// Whether the name in `wire` is `expected`, without case and one final dot on either side.
pub fn is_name(wire: &[u8], expected: &str) -> bool {
    let expected = expected.to_ascii_lowercase();
    presentation(wire).is_some_and(|found| without_dot(&found) == without_dot(&expected))
}

/// Whether the name in `wire`, final dot included, holds `expected` without case.
pub fn contains(wire: &[u8], expected: &str) -> bool {
    presentation(wire).is_some_and(|found| found.contains(&expected.to_ascii_lowercase()))
}

/// Where in `rrset`, raw RDATA each, the first name stands that is `expected`.
pub fn find<'a>(rrset: impl IntoIterator<Item = &'a [u8]>, expected: &str) -> Option<usize> {
    rrset.into_iter().position(|wire| is_name(wire, expected))
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_lower_case_with_its_final_dot() {
        for (wire, expected) in [
            (&b"\x03WwW\x07eX-mp_e\x03com\x00"[..], Some("www.ex-mp_e.com.")),
            (b"\x00", Some(".")),
            (b"\x03a.b\x01\xFF\x00", Some("a\\046b.\\255.")),
            (b"\x03a b\x00", Some("a\\032b.")),
            (b"", None),
            (b"\x03com", None),
            (b"\x03com\x00\x00", None),
            (b"\x03com\xC0\x0C", None),
            (b"\x09com\x00", None),
        ] {
            assert_eq!(presentation(wire).as_deref(), expected, "{wire:?}");
        }
    }

    #[test]
    fn one_final_dot_and_case_make_no_difference() {
        let wire = b"\x04Mail\x07example\x03com\x00";
        assert!(is_name(wire, "mail.example.com") && is_name(wire, "MAIL.example.com."));
        assert!(!is_name(wire, "mail.example.com.."));
        assert!(!is_name(wire, "mail.example"));
        assert!(!is_name(b"\x0Dmail.example2\x00", "mail.example2"), "a dot inside a label");
        assert!(contains(wire, "example.com.") && contains(wire, "IL.EX"));
        assert!(!contains(wire, "mail.example.com.x"));
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(wire: Vec<u8>, expected in "\\PC{0,20}") {
            let _ = is_name(&wire, &expected);
            let _ = contains(&wire, &expected);
        }
    }
}
