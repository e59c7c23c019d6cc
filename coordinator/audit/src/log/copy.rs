//! A second copy of a log, into which files are only ever added.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use super::files::{Files, io_error};
use super::open::prepare;
use super::shard::{CHECKPOINT, CHECKPOINTS, checkpoint_name};
use super::{Disk, LogError, Steps, Storage};

/// The directory of a copy, held by its lock.
#[derive(Debug)]
pub struct Copy {
    files: Files<Disk>,
    _lock: <Disk as Storage>::Lock,
}

impl Copy {
    /// Opens the directory, or makes it; its parent must exist.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        let disk = Disk::create(directory).map_err(io_error("create", ""))?;
        let files = Files::new(disk, Steps::default(), THREADS);
        let lock = prepare(&files)?;
        Ok(Self { files, _lock: lock })
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> Result<bool, LogError> {
        let path = self.files.storage.root().join(name);
        path.try_exists().map_err(io_error("look at", name))
    }

    /// Adds files, durably. A name that is taken must have the same octets.
    pub fn add(&self, files: &[(String, Vec<u8>)]) -> Result<(), LogError> {
        let temporaries = self.files.write(files)?;
        self.files.link(&temporaries)?;
        self.files.sync_names(files.iter().map(|(name, _)| name.as_str()))
    }

    /// Makes this the head, over files that are all there.
    pub fn publish(&self, size: u64, note: &[u8]) -> Result<(), LogError> {
        let name = checkpoint_name(size);
        if !self.has(&name)? {
            self.add(&[(name, note.to_vec())])?;
        }
        self.files.replace(CHECKPOINT, note)
    }
}

/// The checkpoints that a log has kept, by name and octets, up to a size.
pub(crate) fn commits(disk: &Disk, size: u64) -> io::Result<Vec<(String, Vec<u8>)>> {
    let last = checkpoint_name(size);
    let mut notes = Vec::new();
    for (name, _) in disk.list(CHECKPOINTS)? {
        let path = format!("{CHECKPOINTS}/{name}");
        match disk.read(&path) {
            Ok(note) if path <= last => notes.push((path, note)),
            Ok(_) => {}
            // Thinned out since the directory was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(notes)
}

/// Files written side by side.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
