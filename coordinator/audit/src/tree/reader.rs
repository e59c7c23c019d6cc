//! Hashes out of tiles that somebody else wrote, believed only where they lead to a known root.

use std::cell::RefCell;
use std::fmt;

use thiserror::Error;
use tlog_tiles::{
    Error as CrateError, HashReader, Tile, TileHashReader, TileReader, check_record, prove_record,
    stored_hash_index, tree_hash,
};

use super::edge::is_whole;
use super::{Hash, Kind, SIZE_MAX, TILE_WIDTH, TileName};

/// A tree of known size and root, and where its tiles come from.
pub struct Reader<F> {
    size: u64,
    root: Hash,
    fetch: F,
}

/// Why a hash could not be authenticated.
#[derive(Debug, Error)]
pub enum ReadError<E> {
    /// The tree has no such entry, or is itself none that tiles can hold.
    #[error("a tree of {size} entries has no entry {index}")]
    NoSuchEntry {
        /// The tree's size.
        size: u64,
        /// The entry asked for.
        index: u64,
    },
    /// A tile has another length than the size implies.
    #[error("tile {0} has the wrong length")]
    Length(TileName),
    /// The tiles do not lead to the root.
    #[error("the tiles do not lead to the root {0}")]
    Inconsistent(Hash),
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
    let proof = proof.iter().map(|hash| hash.inner()).collect();
    index < size && check_record(&proof, size, root.inner(), index, leaf.inner()).is_ok()
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> Reader<F> {
    /// `fetch` gives a tile's octets.
    pub fn new(size: u64, root: Hash, fetch: F) -> Self {
        Self { size, root, fetch }
    }

    /// The leaf hash of an entry. Reads the last tile of each level too.
    pub fn leaf(&self, index: u64) -> Result<Hash, ReadError<E>> {
        self.with_tiles(index, |tiles| {
            let leaves = tiles.read_hashes(&[stored_hash_index(0, index)])?;
            leaves.first().map(|leaf| (*leaf).into()).ok_or(CrateError::BadMath)
        })
    }

    /// The inclusion proof of an entry, its leaf's sibling first.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ReadError<E>> {
        self.with_tiles(index, |tiles| {
            Ok(prove_record(self.size, index, tiles)?.into_iter().map(Hash::from).collect())
        })
    }

    /// The root that the tree had when it held the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError<E>> {
        match size.checked_sub(1) {
            None => Ok(Hash::EMPTY_ROOT),
            Some(last) => self.with_tiles(last, |tiles| Ok(tree_hash(size, tiles)?.into())),
        }
    }

    /// Runs `read` over authenticated tiles, once it is sure that the tree has the entry.
    fn with_tiles<T>(
        &self,
        index: u64,
        read: impl FnOnce(&TileHashReader<'_>) -> Result<T, CrateError>,
    ) -> Result<T, ReadError<E>> {
        if index >= self.size || self.size >= SIZE_MAX {
            return Err(ReadError::NoSuchEntry { size: self.size, index });
        }
        let source = Source { fetch: &self.fetch, failure: RefCell::new(None) };
        let result = read(&TileHashReader::new(self.size, self.root.inner(), &source));
        let failure = source.failure.into_inner();
        result.map_err(|_| failure.unwrap_or(ReadError::Inconsistent(self.root)))
    }
}

impl<F> fmt::Debug for Reader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("size", &self.size).field("root", &self.root).finish_non_exhaustive()
    }
}

/// Keeps the first failure, for which the crate's own error type has no room.
struct Source<'a, F, E> {
    fetch: &'a F,
    failure: RefCell<Option<ReadError<E>>>,
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> Source<'_, F, E> {
    fn read(&self, tile: &Tile) -> Result<Vec<u8>, CrateError> {
        let kind = Kind::Hashes { level: tile.level() };
        let name = TileName::new(kind, tile.level_index(), tile.width().into());
        let name = name.ok_or(CrateError::InvalidTile)?;
        let failure = match (self.fetch)(name) {
            Ok(octets) if is_whole(name, &octets) => return Ok(octets),
            Ok(_) => ReadError::Length(name),
            Err(error) => ReadError::Fetch(error),
        };
        self.failure.borrow_mut().get_or_insert(failure);
        Err(CrateError::InvalidTile)
    }
}

impl<E, F: Fn(TileName) -> Result<Vec<u8>, E>> TileReader for Source<'_, F, E> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, CrateError> {
        tiles.iter().map(|tile| self.read(tile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}
