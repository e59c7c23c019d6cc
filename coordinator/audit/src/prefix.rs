//! A partial tile or bundle that was collected is the beginning of the full one.

use crate::bundle;
use crate::tree::{HASH_OCTETS, Kind, TILE_WIDTH, TileName};

/// The octets of a partial tile or bundle in those of the full one of its place.
pub(crate) fn of_full(name: TileName, full: &[u8]) -> Option<Vec<u8>> {
    let length = match name.kind() {
        Kind::Hashes { .. } => usize::from(name.width()) * HASH_OCTETS,
        Kind::Entries => bundle_octets(&bundle::entries(full, TILE_WIDTH).ok()?, name),
    };
    full.get(..length).map(<[u8]>::to_vec)
}

/// The length of a bundle with the first of these entries.
pub(crate) fn bundle_octets(entries: &[&[u8]], name: TileName) -> usize {
    entries.iter().take(name.width().into()).map(|entry| 2 + entry.len()).sum()
}
