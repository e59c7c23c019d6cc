//! The right edge of a tree: all that appending needs, and all of it that is kept in memory.

use mpic_common::octets::Hash;
use thiserror::Error;
use tlog_tiles::{Tile, node_hash};

use super::{EMPTY_ROOT, HASH_OCTETS, Kind, SIZE_MAX, TILE_WIDTH, TileName, Tiles, ours};

/// The tree so far: its size, and of each level the tile that is not yet full.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    size: u64,
    partials: Vec<Vec<u8>>,
}

/// What appending gives.
#[derive(Debug)]
pub struct Append {
    /// The edge of the larger tree.
    pub edge: Edge,
    /// Every tile that the larger tree has and the smaller has not, with its octets.
    pub tiles: Tiles,
}

/// Why a tree cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EdgeError {
    /// More entries than the tiles can name.
    #[error("a tree of {size} entries is too large")]
    TooLarge {
        /// The size asked for.
        size: u64,
    },
    /// A right-edge tile is absent or has the wrong length.
    #[error("tile {tile} is not {} octets long", usize::from(tile.width()) * HASH_OCTETS)]
    Length {
        /// Its name.
        tile: TileName,
    },
    /// The tiles are those of another tree.
    #[error("the tiles have the root {found}, not {wanted}")]
    Root {
        /// The root of the tiles.
        found: Hash,
        /// The root that was given.
        wanted: Hash,
    },
}

impl Edge {
    /// The edge of the tree of this size and root, from the octets of its last tile of each level.
    pub fn restore(size: u64, root: Hash, tiles: &Tiles) -> Result<Self, EdgeError> {
        let mut partials = Vec::new();
        for tile in super::right_edge(size).ok_or(EdgeError::TooLarge { size })? {
            let octets = tiles.get(&tile).filter(|octets| is_whole(tile, octets));
            let octets = octets.ok_or(EdgeError::Length { tile })?;
            partials.push(if tile.is_full() { Vec::new() } else { octets.clone() });
        }
        let edge = Self { size, partials };
        let found = edge.root();
        if found == root { Ok(edge) } else { Err(EdgeError::Root { found, wanted: root }) }
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut root = None;
        for tile in &self.partials {
            let mut left = tile.as_slice();
            while !left.is_empty() {
                let span = 1 << (left.len() / HASH_OCTETS).trailing_zeros();
                let (rest, subtree) = left.split_at(left.len() - span * HASH_OCTETS);
                let hash = Tile::subtree_hash(subtree);
                root = Some(root.map_or(hash, |right| node_hash(hash, right)));
                left = rest;
            }
        }
        root.map_or(EMPTY_ROOT, ours)
    }

    /// The leaf hash of an entry of the last tile of level 0, unless that is full.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        let place = index.checked_sub(self.size - self.size % TILE_WIDTH)?;
        super::hashes(self.partials.first()?).nth(usize::try_from(place).ok()?)
    }

    /// The octets of the tile of this level that is not full, empty if there is none.
    pub fn partial(&self, level: u8) -> Option<&[u8]> {
        self.partials.get(usize::from(level)).map(Vec::as_slice)
    }

    /// Adds leaves, leaving this edge as it is.
    pub fn append(&self, leaves: &[Hash]) -> Result<Append, EdgeError> {
        let size = self.size.saturating_add(leaves.len() as u64);
        if size >= SIZE_MAX {
            return Err(EdgeError::TooLarge { size });
        }
        let mut edge = self.clone();
        let mut tiles = Tiles::new();
        for leaf in leaves {
            edge.push(*leaf, &mut tiles);
        }
        edge.collect_partials(self.size, &mut tiles);
        Ok(Append { edge, tiles })
    }

    /// Adds one leaf; each tile that it fills goes to `full`, its hash into the level above.
    fn push(&mut self, leaf: Hash, full: &mut Tiles) {
        let mut hash = leaf;
        for level in 0.. {
            if self.partials.len() <= usize::from(level) {
                self.partials.push(Vec::new());
            }
            let Some(tile) = self.partials.get_mut(usize::from(level)) else { break };
            tile.extend_from_slice(&hash.0);
            if tile.len() < FULL_OCTETS {
                break;
            }
            let octets = std::mem::take(tile);
            hash = ours(Tile::subtree_hash(&octets));
            if let Some(name) = self.last_tile(level, TILE_WIDTH) {
                full.insert(name, octets);
            }
        }
        self.size += 1;
    }

    /// The partial tiles of levels that have grown since the tree had `old_size` entries.
    fn collect_partials(&self, old_size: u64, tiles: &mut Tiles) {
        for (level, octets) in (0_u8..).zip(&self.partials) {
            let has_grown = self.size >> (8 * level) > old_size >> (8 * level);
            let width = (octets.len() / HASH_OCTETS) as u64;
            if has_grown && let Some(name) = self.last_tile(level, width) {
                tiles.insert(name, octets.clone());
            }
        }
    }

    /// The tile in which the last entry lies, or will lie, at this level.
    fn last_tile(&self, level: u8, width: u64) -> Option<TileName> {
        TileName::new(Kind::Hashes { level }, self.size >> (8 * (level + 1)), width)
    }
}

/// Whether a tile has exactly its hashes.
pub(super) fn is_whole(tile: TileName, octets: &[u8]) -> bool {
    octets.len() == usize::from(tile.width()) * HASH_OCTETS
}

const FULL_OCTETS: usize = 256 * HASH_OCTETS;
