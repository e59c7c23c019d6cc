//! The value of `issue`, `issuewild` and `issuemail` properties (RFC 8659 4.2, erratum 7139).

/// An issue-value that matches the grammar, borrowed from the property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueValue<'a> {
    /// The issuer domain name; none means that the property authorises nobody.
    pub issuer: Option<&'a [u8]>,
    /// Tag and value of each parameter, in order, repeated ones too.
    pub parameters: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> IssueValue<'a> {
    /// Parses `value` in full; none if it does not match:
    ///
    /// ```text
    /// value  = *WSP [issuer *WSP] [";" *WSP [params *WSP]]            WSP = 0x20 / 0x09
    /// issuer = label *("." label)                   label, tag = alnum *( *"-" alnum )
    /// params = param *( *WSP ";" *WSP param )
    /// param  = tag *WSP "=" *WSP *(0x21-0x3A / 0x3C-0x7E)
    /// ```
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        // No token can hold a semicolon, so splitting at them loses nothing.
        let mut parts = value.splitn(2, |octet| *octet == b';').map(trim);
        let issuer = match parts.next()? {
            [] => None,
            issuer if issuer.split(|octet| *octet == b'.').all(is_label) => Some(issuer),
            _ => return None,
        };
        let parameters = match parts.next() {
            None | Some([]) => Vec::new(),
            Some(params) => {
                params.split(|octet| *octet == b';').map(parameter).collect::<Option<_>>()?
            }
        };
        Some(Self { issuer, parameters })
    }

    /// The values of the parameter `tag`, compared without ASCII case.
    pub fn values(&self, tag: &str) -> Vec<&'a [u8]> {
        let named = |(name, value): &(&[u8], &'a [u8])| {
            name.eq_ignore_ascii_case(tag.as_bytes()).then_some(*value)
        };
        self.parameters.iter().filter_map(named).collect()
    }
}

fn parameter(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = text.iter().position(|octet| *octet == b'=')?;
    let (tag, value) = text.split_at_checked(equals)?;
    let (tag, value) = (trim(tag), trim(value.get(1..)?));
    let fits = |octet: &u8| matches!(octet, 0x21..=0x3A | 0x3C..=0x7E);
    (is_label(tag) && value.iter().all(fits)).then_some((tag, value))
}

/// `alnum *( *"-" alnum )`: letters, digits and inner hyphens.
pub(super) fn is_label(label: &[u8]) -> bool {
    label.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
        && label.first().is_some_and(u8::is_ascii_alphanumeric)
        && label.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// Without the WSP of RFC 5234 at both ends: space and tab, nothing else.
fn trim(octets: &[u8]) -> &[u8] {
    let solid = |octet: &u8| !matches!(octet, b' ' | b'\t');
    let start = octets.iter().position(solid).unwrap_or(octets.len());
    let end = octets.iter().rposition(solid).map_or(start, |last| last + 1);
    octets.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The issuer, empty where the value names none; `Err` where it does not parse.
    fn issuer(value: &str) -> Result<&str, ()> {
        let parsed = IssueValue::parse(value.as_bytes()).ok_or(())?;
        Ok(std::str::from_utf8(parsed.issuer.unwrap_or_default()).unwrap())
    }

    #[test]
    fn what_the_grammar_allows_parses() {
        for (value, expected) in [
            ("ca.example", "ca.example"),
            (" \tca.example\t ;\t ", "ca.example"),
            ("ca.example;", "ca.example"),
            ("ca.example; foo=1", "ca.example"),
            ("ca.example; foo=", "ca.example"),
            ("ca.example;a-b\t=\t1 ;c=:<!~ ", "ca.example"),
            ("c--a.example", "c--a.example"),
            ("localhost", "localhost"),
            (";", ""),
            ("", ""),
            (" ; ", ""),
            ("; accounturi=x", ""),
        ] {
            assert_eq!(issuer(value), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_no_value() {
        for value in [
            "ca.example; foo=1;",
            "ca.example; foo=1; ",
            "ca.example;;",
            "ca.example; ;foo=1",
            "ca.example; foo",
            "ca.example; =1",
            "ca.example; a_b=1",
            "ca.example; -a=1",
            "ca.example; a=b c",
            "ca.example; a=1 b=2",
            "ca.example.",
            ".ca.example",
            "ca..example",
            "-ca.example",
            "ca-.example",
            "ca.example other.example",
            "ca.example\n",
            "ca.example\0",
            "c\u{e4}.example",
            "ca.example; a=\u{e4}",
            "%%%",
            "<script>",
            "ca_1.example",
        ] {
            assert_eq!(issuer(value), Err(()), "{value:?}");
        }
    }

    #[test]
    fn parameters_are_found_without_case_and_as_often_as_they_occur() {
        let value = IssueValue::parse(b"ca.example; AccountURI=a; accounturi=b; x=c").unwrap();
        assert_eq!(value.values("accounturi"), [b"a", b"b"]);
        assert!(value.values("validationmethods").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(value: Vec<u8>) {
            let _ = IssueValue::parse(&value);
        }

        #[test]
        fn spaces_and_tabs_around_tokens_change_nothing(gap in "[ \t]{0,3}", tag in "[a-z0-9]{1,5}") {
            let spaced = format!("{gap}ca.example{gap};{gap}{tag}{gap}={gap}1{gap}");
            let tight = format!("ca.example;{tag}=1");
            proptest::prop_assert_eq!(
                IssueValue::parse(spaced.as_bytes()),
                IssueValue::parse(tight.as_bytes())
            );
        }
    }
}
