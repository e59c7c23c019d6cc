//! Octets of sites as text.

/// UTF-8 as it stands; controls and other octets as `\xNN`.
pub(super) fn shown(octets: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                let mut buffer = [0; 4];
                for octet in letter.encode_utf8(&mut buffer).bytes() {
                    // Writing to a String does not fail.
                    let _ = write!(text, "\\x{octet:02X}");
                }
            } else {
                text.push(letter);
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(text, "\\x{octet:02X}");
        }
    }
    text
}

/// The beginning of `text`, at most so many octets.
pub(super) fn cut(text: &str, octets_max: usize) -> &str {
    let ends = (0..=octets_max).rev();
    ends.into_iter()
        .find_map(|end| text.get(..end))
        .filter(|_| text.len() > octets_max)
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_shown_as_text() {
        assert_eq!(shown(b"a\"b\\ \xC3\xA9\n\xFF\x7F"), "a\"b\\ é\\x0A\\xFF\\x7F");
        assert_eq!(shown("\u{85}".as_bytes()), "\\xC2\\x85");
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
