//! Bodies of HTTP responses (RFC 8555 8.3, BR 3.2.2.4.18).

use super::value::Case;
use crate::challenge::{WebsiteChange, compile};

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
    trim_end(body) == key_authorization.as_bytes()
}

/// What is read of an Agreed-Upon Change, in octets; the rest is not looked at.
pub const CHANGE_OCTETS_MAX: usize = 64 * 1_024;

/// Where the challenge of an Agreed-Upon Change first begins in `body`; none if it is not there,
/// or `body` less white space at both ends does not match the job's pattern.
///
/// Errs if the pattern cannot be compiled, which no parsed job has. A pattern takes time in
/// proportion to its size times that of the body.
pub fn find_change(body: &[u8], change: &WebsiteChange) -> Result<Option<usize>, regex::Error> {
    let challenge = change.challenge.as_str().as_bytes();
    let found = Case::from_sensitive(change.case_sensitive).position(body, challenge);
    let Some(pattern) = change.match_regex.as_deref().filter(|_| found.is_some()) else {
        return Ok(found);
    };
    let body = trim_end(body);
    let start = body.iter().position(|octet| !is_space(*octet)).unwrap_or(body.len());
    let is_match = compile(pattern)?.is_match(body.get(start..).unwrap_or_default());
    Ok(found.filter(|_| is_match))
}

fn trim_end(body: &[u8]) -> &[u8] {
    let end = body.iter().rposition(|octet| !is_space(*octet)).map_or(0, |last| last + 1);
    body.get(..end).unwrap_or_default()
}

/// White space of ASCII.
fn is_space(octet: u8) -> bool {
    matches!(octet, 0x09..=0x0D | 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::{RequestHeaders, Scheme};

    const KEY: &str = "token.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

    #[test]
    fn h1_white_space_at_the_end_is_ignored() {
        for end in ["", "\n", "\r\n", " \t\x0B\x0C\r\n \n"] {
            assert!(is_http_01(format!("{KEY}{end}").as_bytes(), KEY), "{end:?}");
        }
    }

    #[test]
    fn h2_everything_else_is_content() {
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

    fn change(match_regex: Option<&str>, case_sensitive: bool) -> WebsiteChange {
        WebsiteChange {
            challenge: "Some-Value".to_owned().try_into().unwrap(),
            path: String::new().try_into().unwrap(),
            scheme: Scheme::Http,
            headers: RequestHeaders::default(),
            match_regex: match_regex.map(str::to_owned),
            case_sensitive,
        }
    }

    #[test]
    fn h9_a_change_contains_the_challenge_and_matches_the_pattern() {
        let body = b"\n <p>\xFF Some-Value</p> \r\n";
        for (pattern, expected) in [
            (None, Some(7)),
            (Some("^<p>.*</p>$"), None),
            (Some("(?s-u)^<p>.*</p>$"), Some(7)),
            (Some("</p>\\s"), None),
            (Some("other"), None),
        ] {
            assert_eq!(find_change(body, &change(pattern, true)), Ok(expected), "{pattern:?}");
        }
        let lower = body.to_ascii_lowercase();
        assert_eq!(find_change(&lower, &change(None, true)), Ok(None));
        assert_eq!(find_change(&lower, &change(None, false)), Ok(Some(7)));
        assert_eq!(find_change(b"Some-Valu", &change(Some(""), true)), Ok(None));
        assert!(find_change(b"Some-Value", &change(Some("("), true)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn evaluation_never_panics(body: Vec<u8>, key in "[!-~]{0,40}") {
            let _ = is_http_01(&body, &key);
            let _ = find_change(&body, &change(Some("^a.b$"), false));
        }
    }
}
