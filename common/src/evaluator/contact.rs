//! Published contacts against the one that the CA selected (BR 3.2.2.4.13 to .17, BR A.1, A.2).

use super::txt;
use crate::challenge::{Contact, ContactKind};
use crate::evidence::CaaProperty;
use crate::reason::Reason;

/// Where in `rrset`, raw RDATA of TXT each, a record is `contact`.
pub fn find_txt<'a>(
    rrset: impl IntoIterator<Item = &'a [u8]>,
    kind: ContactKind,
    contact: &Contact,
) -> Result<usize, Reason> {
    let values = rrset.into_iter().map(txt::join).enumerate();
    let whole = values.filter_map(|(index, value)| Some((index, value?)));
    // RFC 3966 5.1.4 has no spaces in a number; BR A.1.2 adds them for CAA, A.2.2 does not for TXT.
    let usable =
        |(_, value): &(usize, Vec<u8>)| kind != ContactKind::Phone || !value.contains(&b' ');
    find(whole.filter(usable), kind, contact)
}

/// Where in a CAA set a property for this kind of contact is `contact`.
pub fn find_caa(
    records: &[CaaProperty],
    kind: ContactKind,
    contact: &Contact,
) -> Result<usize, Reason> {
    let tag: &[u8] = match kind {
        ContactKind::Email => b"contactemail",
        ContactKind::Phone => b"contactphone",
    };
    let ours = |record: &CaaProperty| record.tag.0.eq_ignore_ascii_case(tag);
    let values = records.iter().enumerate().filter(|(_, record)| ours(record));
    find(values.map(|(index, record)| (index, &record.value.0)), kind, contact)
}

/// A value that is no contact in whole is skipped.
fn find<V: AsRef<[u8]>>(
    values: impl Iterator<Item = (usize, V)>,
    kind: ContactKind,
    contact: &Contact,
) -> Result<usize, Reason> {
    let mut reason = Reason::ContactUnusable;
    for (index, value) in values {
        match Contact::parse(kind, value.as_ref()) {
            Ok(found) if found == *contact => return Ok(index),
            Ok(_) => reason = Reason::ContactMismatch,
            Err(_) => {}
        }
    }
    Err(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(kind: ContactKind, text: &str) -> Contact {
        Contact::parse(kind, text.as_bytes()).unwrap()
    }

    fn txt(kind: ContactKind, selected: &str, published: &[&str]) -> Result<usize, Reason> {
        let rdata = |text: &&str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let rrset: Vec<_> = published.iter().map(rdata).collect();
        find_txt(rrset.iter().map(Vec::as_slice), kind, &contact(kind, selected))
    }

    #[test]
    fn the_selected_mailbox_is_found_in_its_canonical_form() {
        let email = |selected, published: &[&str]| txt(ContactKind::Email, selected, published);
        assert_eq!(email("a@b.com", &["a@b.com"]), Ok(0));
        assert_eq!(email("a@b.com", &["x@b.com", "<a@b.com>", "a@B.COM"]), Ok(2));
        assert_eq!(email("ä@b.com", &["ä@b.com"]), Ok(0));
        assert_eq!(email("a@b.com", &["A@b.com"]), Err(Reason::ContactMismatch));
        for unusable in [" a@b.com", "mailto:a@b.com", "<a@b.com>", "a@b.com (me)", "\"a\"@b.com"] {
            assert_eq!(email("a@b.com", &[unusable]), Err(Reason::ContactUnusable), "{unusable}");
        }
    }

    #[test]
    fn the_selected_number_is_found_by_its_digits() {
        let phone = |published| txt(ContactKind::Phone, "+15551234567", &[published]);
        assert_eq!(phone("+1(555)123-45.67"), Ok(0));
        assert_eq!(phone("+1 555 123 4567"), Err(Reason::ContactUnusable), "spaces are for CAA");
        assert_eq!(phone("+15551234568"), Err(Reason::ContactMismatch));
        for unusable in ["0015551234567", "+15551234567;ext=2", "tel:+15551234567"] {
            assert_eq!(phone(unusable), Err(Reason::ContactUnusable), "{unusable}");
        }
    }

    #[test]
    fn a_property_of_another_kind_is_no_contact() {
        let record = |tag: &str, value: &str| CaaProperty {
            flags: 0,
            tag: tag.as_bytes().into(),
            value: value.as_bytes().into(),
        };
        let selected = contact(ContactKind::Email, "a@b.com");
        let set = [record("iodef", "a@b.com"), record("ContactEmail", "a@b.com")];
        assert_eq!(find_caa(&set, ContactKind::Email, &selected), Ok(1));
        let set = [record("contactphone", "+15551234567"), record("issue", "a@b.com")];
        let found = find_caa(&set, ContactKind::Email, &selected);
        assert_eq!(found, Err(Reason::ContactUnusable));
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(rdata: Vec<u8>) {
            let selected = contact(ContactKind::Email, "a@b.com");
            let _ = find_txt([rdata.as_slice()], ContactKind::Email, &selected);
        }
    }
}
