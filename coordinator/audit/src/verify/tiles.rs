//! The files below `tile/`, compared with what the entries hash to.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;

use super::{VerifyError, cannot_read};
use crate::bundle;
use crate::finding::{Report, Severity};
use crate::log::{Disk, Storage};
use crate::note::Checkpoint;
use crate::prefix;
use crate::tree::{Edge, HASH_OCTETS, Kind, TILE_WIDTH, TileName, right_edge};

/// What is there, seen once at the start.
pub(super) struct Tiles<'a> {
    disk: &'a Disk,
    size: u64,
    /// By place, the partial ones: what the head needs, older sizes, leftovers of killed runs.
    partials: BTreeMap<(Kind, u64), Vec<TileName>>,
}

impl<'a> Tiles<'a> {
    /// Lists the files; those ahead of the head and of unknown names are worth a note.
    pub(super) fn list(
        disk: &'a Disk,
        head: &Checkpoint,
        report: &mut Report,
    ) -> Result<Self, VerifyError> {
        let mut tiles = Self { disk, size: head.size, partials: BTreeMap::new() };
        let mut directories = vec!["tile".to_owned()];
        while let Some(directory) = directories.pop() {
            let names = match disk.list(&directory) {
                Ok(names) => names,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot_read(disk.root(), &directory)(error)),
            };
            for (name, is_directory) in names {
                let path = format!("{directory}/{name}");
                if is_directory {
                    directories.push(path);
                } else {
                    tiles.classify(&path, report);
                }
            }
        }
        Ok(tiles)
    }

    fn classify(&mut self, path: &str, report: &mut Report) {
        let Some(name) = TileName::parse(path) else {
            let text = format!("{path} is none of the log's files");
            return report.add_general(Severity::Note, "V5", text);
        };
        let in_tree = match name.kind() {
            Kind::Entries => self.size,
            Kind::Hashes { level } => self.size >> (8 * level),
        };
        if name.index() * TILE_WIDTH + u64::from(name.width()) > in_tree {
            let text = format!("{path} is ahead of the checkpoint");
            report.add_general(Severity::Note, "V5", text);
        } else if !name.is_full() {
            self.partials.entry((name.kind(), name.index())).or_default().push(name);
        }
    }

    /// V2: the entries of a bundle, or `None`. V5 for the partial bundles of its place.
    pub(super) fn entries(
        &self,
        bundle: u64,
        report: &mut Report,
    ) -> Result<Option<Vec<Bytes>>, VerifyError> {
        let width = TILE_WIDTH.min(self.size - bundle * TILE_WIDTH);
        let name = TileName::new(Kind::Entries, bundle, width);
        let Some((name, octets)) = self.read_or_report(name, "V2", report)? else {
            return Ok(None);
        };
        let octets = Bytes::from(octets);
        let entries = match bundle::entries(&octets, width) {
            Ok(entries) => entries,
            Err(error) => {
                report.add_general(Severity::Error, "V2", format!("{name}: {error}"));
                return Ok(None);
            }
        };
        for older in self.others(name) {
            let length = prefix::bundle_octets(&entries, older);
            self.compare_older(older, octets.get(..length), report)?;
        }
        Ok(Some(entries.into_iter().map(|entry| octets.slice_ref(entry)).collect()))
    }

    /// V3 for a tile, and V5 for the partial tiles of its place.
    pub(super) fn compare(
        &self,
        name: TileName,
        expected: &[u8],
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        if let Some((_, found)) = self.read_or_report(Some(name), "V3", report)?
            && found != expected
        {
            let text = format!("{name} is not what the entries{} hash to", self.hashed(name));
            report.add_general(Severity::Error, "V3", text);
        }
        for older in self.others(name) {
            let length = usize::from(older.width()) * HASH_OCTETS;
            self.compare_older(older, expected.get(..length), report)?;
        }
        Ok(())
    }

    /// Which entries a tile has the hashes of: where the two differ, either may be the damaged one.
    fn hashed(&self, name: TileName) -> String {
        if name.kind() != (Kind::Hashes { level: 0 }) {
            return String::new();
        }
        let width = TILE_WIDTH.min(self.size - name.index() * TILE_WIDTH);
        let bundle = TileName::new(Kind::Entries, name.index(), width);
        bundle.map_or_else(String::new, |bundle| format!(" of {bundle}"))
    }

    /// The same for the tiles that are not full yet.
    pub(super) fn compare_edge(&self, edge: &Edge, report: &mut Report) -> Result<(), VerifyError> {
        for (level, name) in (0..).zip(right_edge(edge.size()).unwrap_or_default()) {
            if !name.is_full() {
                self.compare(name, edge.partial(level).unwrap_or_default(), report)?;
            }
        }
        Ok(())
    }

    /// The octets of a tile; those of a partial one that is gone are the first of the full one.
    pub(super) fn read(&self, name: TileName) -> Result<Option<Vec<u8>>, VerifyError> {
        if let Some(octets) = self.read_path(&name.to_string())? {
            return Ok(Some(octets));
        }
        let full = name.with_width(TILE_WIDTH).filter(|_| !name.is_full());
        let octets = full.map(|full| self.read_path(&full.to_string())).transpose()?.flatten();
        Ok(octets.and_then(|octets| prefix::of_full(name, &octets)))
    }

    fn read_or_report(
        &self,
        name: Option<TileName>,
        check: &'static str,
        report: &mut Report,
    ) -> Result<Option<(TileName, Vec<u8>)>, VerifyError> {
        let Some(name) = name else { return Ok(None) };
        let octets = self.read(name)?;
        if octets.is_none() {
            report.add_general(Severity::Error, check, format!("{name} is absent"));
        }
        Ok(octets.map(|octets| (name, octets)))
    }

    fn read_path(&self, path: &str) -> Result<Option<Vec<u8>>, VerifyError> {
        match self.disk.read(path) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_read(self.disk.root(), path)(error)),
        }
    }

    fn others(&self, name: TileName) -> impl Iterator<Item = TileName> {
        let of_place = self.partials.get(&(name.kind(), name.index())).into_iter().flatten();
        of_place.copied().filter(move |other| *other != name)
    }

    /// A partial tile that is gone by now has been collected.
    fn compare_older(
        &self,
        name: TileName,
        expected: Option<&[u8]>,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        let found = self.read_path(&name.to_string())?;
        if found.is_some() && found.as_deref() != expected {
            report.add_general(Severity::Error, "V5", format!("{name} contradicts the tree"));
        }
        Ok(())
    }
}
