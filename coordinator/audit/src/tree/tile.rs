//! Names of tiles and bundles, and their paths below a shard.

use std::fmt;

use super::{SIZE_MAX, TILE_WIDTH};

/// Hashes of one level of tiles, or the entries below level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of subtrees of 256^level entries.
    Hashes {
        /// 0 for leaf hashes.
        level: u8,
    },
    /// An entry bundle.
    Entries,
}

/// One file below `tile/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileName {
    kind: Kind,
    index: u64,
    width: u16,
}

impl TileName {
    /// `width` is 1 to 256; `None` for anything else, and for what lies beyond [`SIZE_MAX`].
    pub fn new(kind: Kind, index: u64, width: u64) -> Option<Self> {
        let level = if let Kind::Hashes { level } = kind { level } else { 0 };
        let last = index.checked_add(1)?.checked_mul(TILE_WIDTH)?;
        let in_tree = level < LEVELS && last <= SIZE_MAX >> (8 * level);
        let width = u16::try_from(width).ok().filter(|w| (1..=256).contains(w))?;
        in_tree.then_some(Self { kind, index, width })
    }

    /// What it holds.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Its place in its level.
    pub fn index(self) -> u64 {
        self.index
    }

    /// The number of hashes or entries in it.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether nothing will ever be added to it.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same place, with another width.
    pub fn with_width(self, width: u64) -> Option<Self> {
        Self::new(self.kind, self.index, width)
    }

    /// Reads a path such as `tile/0/x001/067.p/8` or `tile/entries/000`, in its one true form.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes { level: level.parse().ok()? },
        };
        let (place, width) = match place.split_once(".p/") {
            Some((place, width)) => (place, width.parse().ok()?),
            None => (place, TILE_WIDTH),
        };
        let index = place.split('/').try_fold(0_u64, |index, digits| {
            let digits: u64 = digits.trim_start_matches('x').parse().ok()?;
            index.checked_mul(1_000)?.checked_add(digits)
        })?;
        let name = Self::new(kind, index, width)?;
        (name.to_string() == path).then_some(name)
    }

    /// The same tile for `tlog_tiles`, whose ranges [`TileName::new`] guarantees.
    pub(super) fn inner(self) -> tlog_tiles::Tile {
        let (level, is_data) = match self.kind {
            Kind::Hashes { level } => (level, false),
            Kind::Entries => (0, true),
        };
        tlog_tiles::Tile::new(8, level, self.index, self.width.into(), is_data)
    }
}

/// The path below the shard, for example `tile/entries/x001/234.p/5`.
impl fmt::Display for TileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.inner().path();
        let place = path.strip_prefix("tile/8/").unwrap_or(&path);
        match place.strip_prefix("data/") {
            Some(place) => write!(f, "tile/entries/{place}"),
            None => write!(f, "tile/{place}"),
        }
    }
}

/// A tree smaller than [`SIZE_MAX`], which is 256^6, never fills its tile of level 5.
const LEVELS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: Kind, index: u64, width: u64) -> TileName {
        TileName::new(kind, index, width).expect("a name in range")
    }

    #[test]
    fn paths_are_those_of_tlog_tiles_with_entries_instead_of_data() {
        let leaves = Kind::Hashes { level: 0 };
        assert_eq!(name(leaves, 1_234_067, 256).to_string(), "tile/0/x001/x234/067");
        assert_eq!(name(leaves, 67, 3).to_string(), "tile/0/067.p/3");
        assert_eq!(name(Kind::Entries, 1_067, 256).to_string(), "tile/entries/x001/067");
        assert_eq!(name(Kind::Hashes { level: 2 }, 0, 1).to_string(), "tile/2/000.p/1");
    }

    #[test]
    fn a_path_parses_only_in_the_form_in_which_it_is_written() {
        for path in ["tile/0/000", "tile/0/x001/067.p/8", "tile/entries/000.p/255"] {
            assert_eq!(TileName::parse(path).expect(path).to_string(), path);
        }
        for path in [
            "tile/0/0",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/x000/001",
            "tile/data/000",
            "tile/8/0/000",
            "tile/00/000",
            "tile/entries/000.p/08",
            "tile/63/000",
            "tile/0/",
            "entries/000",
            "tile/0/000/",
            "tile/0/+01",
        ] {
            assert_eq!(TileName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn widths_and_places_outside_the_tree_have_no_name() {
        assert_eq!(TileName::new(Kind::Entries, 0, 0), None);
        assert_eq!(TileName::new(Kind::Entries, 0, 257), None);
        assert_eq!(TileName::new(Kind::Hashes { level: 0 }, u64::MAX, 1), None);
        assert_eq!(TileName::new(Kind::Hashes { level: 0 }, SIZE_MAX / 256, 1), None);
    }
}
