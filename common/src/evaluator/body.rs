//! Bodies of HTTP responses (RFC 8555 8.3).

/// What an `acme-http-01` body may hold beyond the key authorization: trailing white space.
const HTTP_01_SLACK: usize = 512;

/// The longest body, in octets, that can be a right one for this key authorization.
pub fn http_01_octets_max(key_authorization: &str) -> usize {
    key_authorization.len().saturating_add(HTTP_01_SLACK)
}

/// Whether `body`, less trailing ASCII white space, equals the key authorization.
///
/// White space in front and a byte order mark are content (RFC 8555 8.3 ignores white space "at
/// the end of the body" only).
pub fn is_http_01(body: &[u8], key_authorization: &str) -> bool {
    let is_space = |octet: &u8| matches!(octet, 0x09..=0x0D | 0x20);
    let end = body.iter().rposition(|octet| !is_space(octet)).map_or(0, |last| last + 1);
    body.get(..end) == Some(key_authorization.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "token.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

    #[test]
    fn white_space_at_the_end_is_ignored() {
        for end in ["", "\n", "\r\n", " \t\x0B\x0C\r\n \n"] {
            assert!(is_http_01(format!("{KEY}{end}").as_bytes(), KEY), "{end:?}");
        }
    }

    #[test]
    fn everything_else_is_content() {
        let utf_16: Vec<u8> = KEY.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let with = |front: &str, end: &str| format!("{front}{KEY}{end}").into_bytes();
        for body in [
            with(" ", ""),
            with("\n", ""),
            with("\u{FEFF}", ""),
            with("", "x"),
            with("", "\0"),
            with("", "\u{A0}"),
            utf_16,
            Vec::new(),
            b"  ".to_vec(),
            KEY.to_ascii_uppercase().into_bytes(),
        ] {
            assert!(!is_http_01(&body, KEY), "{body:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn evaluation_never_panics(body: Vec<u8>, key in "[!-~]{0,40}") {
            let _ = is_http_01(&body, &key);
        }
    }
}
