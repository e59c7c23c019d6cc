//! Entry bundles: the entries of one tile of level 0, each after its length as a big-endian u16.

use thiserror::Error;

/// The longest entry, in octets.
pub const ENTRY_OCTETS_MAX: usize = 65_535;

/// Why octets are no bundle.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BundleError {
    /// The octets end within an entry.
    #[error("the bundle is cut within its entry {place}")]
    Cut {
        /// The entry's place in the bundle, from 0.
        place: usize,
    },
    /// Another number of entries than the tree says.
    #[error("the bundle holds {found} entries instead of {wanted}")]
    Count {
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: u64,
    },
}

/// An entry is longer than its length can say.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("an entry of {octets} octets is longer than {ENTRY_OCTETS_MAX}")]
pub struct EntryTooLong {
    /// Its length.
    pub octets: usize,
}

/// Adds an entry to a bundle.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong { octets: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle that must hold exactly `wanted`, with no octet between or after them.
pub fn entries(bundle: &[u8], wanted: u64) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let cut = BundleError::Cut { place: entries.len() };
        let (entry, after) = split_entry(rest).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() as u64 == wanted {
        Ok(entries)
    } else {
        Err(BundleError::Count { found: entries.len(), wanted })
    }
}

fn split_entry(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in() {
        let longest = vec![7; ENTRY_OCTETS_MAX];
        let mut bundle = Vec::new();
        for entry in [b"one".as_slice(), b"", &longest] {
            push(&mut bundle, entry).expect("short enough");
        }
        assert_eq!(&bundle[..7], b"\0\x03one\0\0");
        assert_eq!(entries(&bundle, 3).expect("whole"), [b"one".as_slice(), b"", &longest]);
    }

    #[test]
    fn an_entry_one_octet_too_long_is_refused() {
        let entry = vec![0; ENTRY_OCTETS_MAX + 1];
        assert_eq!(push(&mut Vec::new(), &entry), Err(EntryTooLong { octets: 65_536 }));
    }

    #[test]
    fn a_bundle_that_is_cut_or_has_another_count_is_refused() {
        let bundle = b"\0\x03one\0\x03two";
        assert_eq!(entries(&bundle[..9], 2), Err(BundleError::Cut { place: 1 }));
        assert_eq!(entries(&bundle[..6], 2), Err(BundleError::Cut { place: 1 }));
        assert_eq!(entries(bundle, 1), Err(BundleError::Count { found: 2, wanted: 1 }));
        assert_eq!(entries(b"", 1), Err(BundleError::Count { found: 0, wanted: 1 }));
    }
}
