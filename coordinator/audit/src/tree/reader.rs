//! Hashes out of tiles that somebody else wrote, believed only where they lead to a known root.
//!
//! Every tile is checked whole before any hash of it counts, also where several subtrees of the
//! root lie in one tile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use mpic_common::octets::Hash;
use thiserror::Error;
use tlog_tiles::{
    Error as CrateError, HashReader, Tile, check_record, prove_record, split_stored_hash_index,
    tree_hash,
};

use super::edge::is_whole;
use super::{
    Edge, EdgeError, HASH_OCTETS, Kind, SIZE_MAX, TILE_WIDTH, TileName, Tiles, ours, theirs,
};

/// A tree of known size and root, and where its tiles come from.
pub struct Reader<F> {
    edge: Edge,
    fetch: F,
}

/// Why a hash could not be authenticated.
#[derive(Debug, Error)]
pub enum ReadError<E> {
    /// The tree has no such entry.
    #[error("a tree of {size} entries has no entry {index}")]
    NoSuchEntry {
        /// The tree's size.
        size: u64,
        /// The entry asked for.
        index: u64,
    },
    /// The last tiles of the levels do not lead to the root.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// A full tile has the wrong length, or does not lead to the one above it.
    #[error("tile {0} is not the one of this tree")]
    Tile(TileName),
    /// A tile could not be fetched.
    #[error(transparent)]
    Fetch(E),
}

/// The last tile of each level of a tree of this size; `None` if it is too large.
pub fn right_edge(size: u64) -> Option<Vec<TileName>> {
    if size >= SIZE_MAX {
        return None;
    }
    let counts = (0_u8..6).map(|level| (level, size >> (8 * level)));
    counts
        .take_while(|(_, count)| *count > 0)
        .map(|(level, count)| {
            let last = count - 1;
            TileName::new(Kind::Hashes { level }, last / TILE_WIDTH, last % TILE_WIDTH + 1)
        })
        .collect()
}

/// Whether the entry with this leaf hash is at `index` of the tree, as the inclusion proof says
/// (the leaf's sibling first).
pub fn check_inclusion(proof: &[Hash], size: u64, root: Hash, index: u64, leaf: Hash) -> bool {
    let proof = proof.iter().map(|hash| theirs(*hash)).collect();
    index < size && check_record(&proof, size, theirs(root), index, theirs(leaf)).is_ok()
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> Reader<F> {
    /// Fetches the last tile of each level and checks that they lead to the root.
    pub fn new(size: u64, root: Hash, fetch: F) -> Result<Self, ReadError<E>> {
        let mut tiles = Tiles::new();
        for tile in right_edge(size).ok_or(EdgeError::TooLarge { size })? {
            tiles.insert(tile, fetch(tile).map_err(ReadError::Fetch)?);
        }
        let reader = Self { edge: Edge::restore(size, root, &tiles)?, fetch };
        if let Some(last) = size.checked_sub(1) {
            reader.leaf(last)?;
        }
        Ok(reader)
    }

    /// Reads below an edge that is already trusted.
    pub fn below(edge: Edge, fetch: F) -> Self {
        Self { edge, fetch }
    }

    /// The edge, to append to.
    pub fn into_edge(self) -> Edge {
        self.edge
    }

    /// The leaf hash of an entry.
    pub fn leaf(&self, index: u64) -> Result<Hash, ReadError<E>> {
        let bundle = self.bundle_leaves(index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).ok();
        let leaf = place.and_then(|place| bundle.get(place).copied());
        leaf.ok_or(ReadError::NoSuchEntry { size: self.edge.size(), index })
    }

    /// The leaf hashes of the entries of a bundle.
    pub fn bundle_leaves(&self, bundle: u64) -> Result<Vec<Hash>, ReadError<E>> {
        Ok(super::hashes(&self.tile(0, bundle)?).collect())
    }

    /// The inclusion proof of an entry, its leaf's sibling first.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ReadError<E>> {
        let size = self.edge.size();
        if index >= size {
            return Err(ReadError::NoSuchEntry { size, index });
        }
        let proof = self.with_nodes(|nodes| prove_record(size, index, nodes))?;
        Ok(proof.into_iter().map(ours).collect())
    }

    /// The root that the tree had when it held the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError<E>> {
        if size > self.edge.size() {
            return Err(ReadError::NoSuchEntry { size: self.edge.size(), index: size });
        }
        Ok(ours(self.with_nodes(|nodes| tree_hash(size, nodes))?))
    }

    /// Runs a computation of `tlog_tiles`, whose error type has no room for ours.
    fn with_nodes<T>(
        &self,
        compute: impl FnOnce(&Nodes<'_, E, F>) -> Result<T, CrateError>,
    ) -> Result<T, ReadError<E>> {
        let nodes = Nodes { reader: self, tiles: RefCell::default(), failure: RefCell::new(None) };
        let result = compute(&nodes);
        let failure = nodes.failure.into_inner();
        let size = self.edge.size();
        result.map_err(|_| failure.unwrap_or(ReadError::NoSuchEntry { size, index: size }))
    }

    /// The octets of a tile: out of the edge, or full and as the tile above it says.
    fn tile(&self, level: u8, index: u64) -> Result<Vec<u8>, ReadError<E>> {
        let size = self.edge.size();
        let absent = ReadError::NoSuchEntry { size, index };
        let name = TileName::new(Kind::Hashes { level }, index, TILE_WIDTH).ok_or(absent)?;
        let full_tiles = size >> (8 * (level + 1));
        if index >= full_tiles {
            let partial = (index == full_tiles).then(|| self.edge.partial(level)).flatten();
            return partial.map(<[u8]>::to_vec).ok_or(ReadError::NoSuchEntry { size, index });
        }
        let octets = (self.fetch)(name).map_err(ReadError::Fetch)?;
        let above = self.tile(level + 1, index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).ok();
        let hash = place.and_then(|place| super::hashes(&above).nth(place));
        let is_ours = is_whole(name, &octets) && hash == Some(ours(Tile::subtree_hash(&octets)));
        if is_ours { Ok(octets) } else { Err(ReadError::Tile(name)) }
    }
}

impl<F> fmt::Debug for Reader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("edge", &self.edge).finish_non_exhaustive()
    }
}

/// The nodes of the tree for one computation, which reads each tile once.
struct Nodes<'a, E, F> {
    reader: &'a Reader<F>,
    tiles: RefCell<BTreeMap<(u8, u64), Vec<u8>>>,
    failure: RefCell<Option<ReadError<E>>>,
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> Nodes<'_, E, F> {
    fn node(&self, stored: u64) -> Option<tlog_tiles::Hash> {
        let (node_level, place) = split_stored_hash_index(stored);
        let (level, span) = (node_level / 8, 1 << (node_level % 8));
        let first = place.checked_mul(span)?;
        let mut tiles = self.tiles.borrow_mut();
        let key = (level, first / TILE_WIDTH);
        let tile = match tiles.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let tile = self.reader.tile(level, key.1);
                unknown.insert(tile.map_err(|error| self.failure.replace(Some(error))).ok()?)
            }
        };
        let start = usize::try_from(first % TILE_WIDTH).ok()? * HASH_OCTETS;
        let length = usize::try_from(span).ok()? * HASH_OCTETS;
        tile.get(start..start + length).map(Tile::subtree_hash)
    }
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> HashReader for Nodes<'_, E, F> {
    fn read_hashes(&self, stored: &[u64]) -> Result<Vec<tlog_tiles::Hash>, CrateError> {
        let nodes = stored.iter().map(|index| self.node(*index));
        nodes.collect::<Option<_>>().ok_or(CrateError::IndexesNotInTree)
    }
}
