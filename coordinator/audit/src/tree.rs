//! The RFC 6962 Merkle tree in tiles of 256 hashes: names, hashes, right edge, proofs.
//!
//! The mathematics is that of `tlog_tiles`. None of its types leaves this module, and every size,
//! width and index is checked before a call, because the crate asserts.

mod edge;
mod reader;
mod tile;

use std::collections::BTreeMap;

use mpic_common::octets::Hash;

pub use self::edge::{Append, Edge, EdgeError};
pub use self::reader::{ReadError, Reader, check_inclusion, right_edge};
pub use self::tile::{Kind, TileName};

/// The number of hashes in a full tile, and of entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Every tree is smaller than this: 256^6, which keeps all shifts of `tlog_tiles` in range.
pub const SIZE_MAX: u64 = 1 << 48;

/// Octets of a hash.
pub const HASH_OCTETS: usize = 32;

/// The root of the tree without entries.
pub const EMPTY_ROOT: Hash = Hash(tlog_tiles::EMPTY_HASH.0);

/// The octets of tiles or bundles.
pub type Tiles = BTreeMap<TileName, Vec<u8>>;

/// The leaf hash of an entry: SHA-256 of `0x00` and the entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    ours(tlog_tiles::record_hash(entry))
}

/// The hashes of a tile's octets; an incomplete last one is left out.
pub fn hashes(tile: &[u8]) -> impl ExactSizeIterator<Item = Hash> {
    tile.as_chunks::<HASH_OCTETS>().0.iter().map(|octets| Hash(*octets))
}

fn ours(hash: tlog_tiles::Hash) -> Hash {
    Hash(hash.0)
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// RFC 6962, 2.1, word for word.
    fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash(Sha256::digest([]).into()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                let node = Sha256::new()
                    .chain_update([1])
                    .chain_update(merkle_tree_hash(left).0)
                    .chain_update(merkle_tree_hash(right).0);
                Hash(node.finalize().into())
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| Hash(Sha256::digest(i.to_be_bytes()).into())).collect()
    }

    fn tree_of(leaves: &[Hash]) -> Append {
        Edge::default().append(leaves).expect("a small tree")
    }

    fn fetch(tiles: &Tiles) -> impl Fn(TileName) -> Result<Vec<u8>, TileName> {
        |name| tiles.get(&name).cloned().ok_or(name)
    }

    #[test]
    fn a_leaf_is_the_hash_of_a_zero_and_the_entry() {
        assert_eq!(leaf_hash(b"entry"), Hash(Sha256::digest(b"\0entry").into()));
    }

    #[test]
    fn roots_are_those_of_rfc_6962_at_every_size_around_tile_borders() {
        let leaves = leaves(65_537);
        for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537] {
            let appended = tree_of(&leaves[..size]);
            assert_eq!(appended.edge.root(), merkle_tree_hash(&leaves[..size]), "size {size}");
        }
    }

    #[test]
    fn an_edge_restored_at_any_size_goes_on_to_the_same_tree() {
        let leaves = leaves(514);
        let whole = tree_of(&leaves);
        for size in 1..=513 {
            let first = tree_of(&leaves[..size]);
            let edge = Edge::restore(size as u64, first.edge.root(), &first.tiles).expect("edge");
            let rest = edge.append(&leaves[size..]).expect("a small tree");
            assert_eq!(rest.edge.root(), whole.edge.root(), "size {size}");
            for (name, octets) in &rest.tiles {
                assert_eq!(whole.tiles.get(name), Some(octets), "size {size}, {name}");
            }
        }
    }

    #[test]
    fn an_edge_is_restored_only_under_its_own_root() {
        let tree = tree_of(&leaves(300));
        for name in right_edge(300).expect("small") {
            for octet in [0, tree.tiles[&name].len() - 1] {
                let mut tiles = tree.tiles.clone();
                tiles.get_mut(&name).expect("right edge")[octet] ^= 1;
                let restored = Edge::restore(300, tree.edge.root(), &tiles);
                assert!(matches!(restored, Err(EdgeError::Root { .. })), "{name}");
            }
            let mut tiles = tree.tiles.clone();
            tiles.remove(&name);
            let restored = Edge::restore(300, tree.edge.root(), &tiles);
            assert_eq!(restored.err(), Some(EdgeError::Length { tile: name }));
        }
    }

    #[test]
    fn every_entry_has_an_inclusion_proof_and_no_other_place() {
        let leaves = leaves(600);
        let tree = tree_of(&leaves);
        let (size, root) = (600, tree.edge.root());
        let reader = Reader::new(size, root, fetch(&tree.tiles)).expect("its tiles");
        for index in [0, 1, 255, 256, 511, 512, 598, 599] {
            let leaf = leaves[usize::try_from(index).expect("small")];
            let proof = reader.inclusion(index).expect("in the tree");
            assert_eq!(reader.leaf(index).expect("in the tree"), leaf);
            assert!(check_inclusion(&proof, size, root, index, leaf));
            assert!(!check_inclusion(&proof, size, root, index ^ 1, leaf));
            assert!(!check_inclusion(&proof, size, root, index, root));
            assert!(!check_inclusion(&proof, size - 1, root, size - 1, leaf));
        }
        assert!(matches!(reader.leaf(600), Err(ReadError::NoSuchEntry { size: 600, index: 600 })));
    }

    #[test]
    fn a_tree_knows_the_roots_it_had() {
        let leaves = leaves(700);
        let tree = tree_of(&leaves);
        let root = tree.edge.root();
        let reader = Reader::new(700, root, fetch(&tree.tiles)).expect("its tiles");
        for size in [0, 1, 2, 255, 256, 257, 300, 512, 699, 700] {
            let root = reader.root_at(size).expect("a smaller tree");
            let size = usize::try_from(size).expect("small");
            assert_eq!(root, merkle_tree_hash(&leaves[..size]), "size {size}");
        }
    }

    #[test]
    fn nothing_is_read_out_of_altered_or_missing_tiles() {
        let tree = tree_of(&leaves(600));
        let root = tree.edge.root();
        let tile_of_10 = TileName::new(Kind::Hashes { level: 0 }, 0, 256).expect("a name");
        let read_10 = |tiles: &Tiles| {
            let leaf = Reader::new(600, root, fetch(tiles)).and_then(|reader| reader.leaf(10));
            leaf.expect_err("damaged").to_string()
        };
        let mut tiles = tree.tiles.clone();
        tiles.get_mut(&tile_of_10).expect("full tile")[40] ^= 0x80;
        assert_eq!(read_10(&tiles), "tile tile/0/000 is not the one of this tree");
        tiles.get_mut(&tile_of_10).expect("full tile").push(0);
        assert_eq!(read_10(&tiles), "tile tile/0/000 is not the one of this tree");
        tiles.remove(&tile_of_10);
        assert_eq!(read_10(&tiles), "tile/0/000");
    }

    proptest::proptest! {
        #[test]
        fn any_split_into_batches_gives_the_tiles_of_one_batch(
            splits in proptest::collection::vec(0_usize..400, 1..6)
        ) {
            let leaves = leaves(splits.iter().sum::<usize>() as u64);
            let whole = tree_of(&leaves);
            let (mut edge, mut rest) = (Edge::default(), leaves.as_slice());
            for split in splits {
                let (batch, after) = rest.split_at(split);
                let appended = edge.append(batch).expect("a small tree");
                for (name, octets) in &appended.tiles {
                    let full = name.with_width(TILE_WIDTH).expect("a name");
                    let last = right_edge(whole.edge.size()).expect("small").into_iter();
                    let covering = last.chain([full]).filter_map(|name| whole.tiles.get_key_value(&name));
                    let mut covering = covering.filter(|(cover, _)| {
                        (cover.kind(), cover.index()) == (name.kind(), name.index())
                    });
                    proptest::prop_assert!(covering.any(|(_, cover)| cover.starts_with(octets)));
                }
                (edge, rest) = (appended.edge, after);
            }
            proptest::prop_assert_eq!(edge.root(), whole.edge.root());
        }
    }
}
