//! The system calls of a shard, one method each, so that tests can fail, count and forget them.

#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A directory and what lies in it. All paths are relative to it; `""` is the directory itself.
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// A file being written.
    type File: Send;
    /// Held as long as the shard is open.
    type Lock: Send + fmt::Debug;

    /// The file's octets.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// The names in a directory, in no order, and whether each is a directory.
    fn list(&self, path: &str) -> io::Result<Vec<(String, bool)>>;
    /// Makes a new, read-only file with these octets, not yet synced.
    fn create(&self, path: &str, octets: &[u8]) -> io::Result<Self::File>;
    /// `fsync`.
    fn sync_file(&self, file: Self::File) -> io::Result<()>;
    /// `mkdir`.
    fn create_directory(&self, path: &str, mode: u32) -> io::Result<()>;
    /// `fsync` of a directory.
    fn sync_directory(&self, path: &str) -> io::Result<()>;
    /// `link`, which fails where the new name exists.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// `rename`, which replaces what has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// `unlink`.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// `rmdir`.
    fn remove_directory(&self, path: &str) -> io::Result<()>;
    /// An exclusive lock, `None` where another process holds it.
    fn lock(&self, path: &str) -> io::Result<Option<Self::Lock>>;
}

/// A directory of the file system.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The directory, which must exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory, made and synced if it is not there. Its parent must exist.
    pub fn create(root: impl Into<PathBuf>) -> io::Result<Self> {
        let disk = Self::new(root);
        match disk.create_directory("", 0o755) {
            Ok(()) => File::open(parent(&disk.root))?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(disk)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Storage for Disk {
    type File = File;
    type Lock = File;

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<(String, bool)>> {
        let entries = fs::read_dir(self.root.join(path))?.map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, entry.file_type()?.is_dir()))
        });
        entries.collect()
    }

    fn create(&self, path: &str, octets: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o444);
        let mut file = options.open(self.root.join(path))?;
        file.write_all(octets)?;
        Ok(file)
    }

    fn sync_file(&self, file: File) -> io::Result<()> {
        file.sync_all()
    }

    fn create_directory(&self, path: &str, mode: u32) -> io::Result<()> {
        DirBuilder::new().mode(mode).create(self.root.join(path))
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.root.join(from), self.root.join(to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.root.join(path))
    }

    fn lock(&self, path: &str) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.root.join(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Where a directory has its name; of one that is named without a path, here.
fn parent(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}
