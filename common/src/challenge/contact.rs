//! Contacts that a domain publishes (BR Appendix A), in the one form in which they are compared.

use super::ChallengeError;
use crate::identifier::DnsName;

/// What sort of contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactKind {
    /// A mailbox.
    Email,
    /// A telephone number.
    Phone,
}

/// A usable contact in canonical form, compared octet for octet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(String);

impl Contact {
    /// A contact that is all of `octets`: a mailbox without quoting, comment or display name,
    /// whose local part stays as it is; or `+` and a number, of which the digits count.
    pub fn parse(kind: ContactKind, octets: &[u8]) -> Result<Self, ChallengeError> {
        let text = std::str::from_utf8(octets).ok();
        match kind {
            ContactKind::Email => text.and_then(email).ok_or(ChallengeError(
                "a contact is a mailbox: a dot-atom of at most 64 octets, @, a domain name",
            )),
            ContactKind::Phone => text.and_then(phone).ok_or(ChallengeError(
                "a contact is + and 5 to 15 digits, with -, ., (, ) or space between them",
            )),
        }
    }

    /// Its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 5322 dot-atom with the UTF-8 of RFC 6532; the domain in lower-case A-labels.
fn email(text: &str) -> Option<Contact> {
    let (local, domain) = text.rsplit_once('@')?;
    let atext = |letter: char| {
        letter.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(letter)
            || (!letter.is_ascii() && !letter.is_control())
    };
    let atom = |atom: &str| !atom.is_empty() && atom.chars().all(atext);
    let fits = |text: &str| text.len() <= MAILBOX_OCTETS_MAX;
    let is_local = local.len() <= 64 && local.split('.').all(atom);
    let domain = DnsName::parse(domain).ok().filter(|_| is_local && fits(text))?;
    // A-labels are longer than what they stand for.
    Some(format!("{local}@{domain}")).filter(|canonical| fits(canonical)).map(Contact)
}

/// RFC 5321 4.5.3.1.3, less the angle brackets.
const MAILBOX_OCTETS_MAX: usize = 254;

fn phone(text: &str) -> Option<Contact> {
    let number = text.strip_prefix('+')?;
    let separates = |letter: char| "-.() ".contains(letter);
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let fits = number.chars().all(|letter| letter.is_ascii_digit() || separates(letter))
        && (5..=15).contains(&digits.len())
        && !number.ends_with(' ');
    fits.then(|| Contact(format!("+{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(kind: ContactKind, text: &str) -> Option<String> {
        Contact::parse(kind, text.as_bytes()).ok().map(|contact| contact.0)
    }

    #[test]
    fn a_mailbox_keeps_its_local_part_and_lowers_its_domain() {
        let email = |text| canonical(ContactKind::Email, text);
        assert_eq!(email("Ad.Min@Example.COM").as_deref(), Some("Ad.Min@example.com"));
        assert_eq!(email("ädmin@example.com").as_deref(), Some("ädmin@example.com"));
        for bad in [
            " a@b.com",
            "a@b.com ",
            "mailto:a@b.com ",
            "<a@b.com>",
            "a@b.com (me)",
            "\"a b\"@b.com",
            "a..b@b.com",
            "@b.com",
            "a@",
            "a@[8.8.8.8]",
            "a",
        ] {
            assert_eq!(email(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_mailbox_whose_domain_is_too_long_in_a_labels_is_none() {
        let domain = ["bücher-und-mehr"; 10].join(".") + ".com";
        let text = format!("{}@{domain}", "a".repeat(60));
        assert!(text.len() <= 254, "{}", text.len());
        assert!(DnsName::parse(&domain).is_ok(), "a name by itself");
        assert_eq!(canonical(ContactKind::Email, &text), None);
        assert!(canonical(ContactKind::Email, &format!("a@{domain}")).is_some());
    }

    #[test]
    fn a_telephone_number_is_its_digits() {
        let phone = |text| canonical(ContactKind::Phone, text);
        assert_eq!(phone("+1 (555) 123-4567").as_deref(), Some("+15551234567"));
        for bad in ["001555123456", "+1555;ext=2", "tel:+15551234567", "+1234", "+15551234567 "] {
            assert_eq!(phone(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = Contact::parse(ContactKind::Email, &octets);
            let _ = Contact::parse(ContactKind::Phone, &octets);
        }
    }
}
