//! Files of a shard: synced under a temporary name, then linked to the name they keep.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{LogError, Step, Steps, Storage};

/// The storage of a shard, and how to use it.
#[derive(Debug)]
pub(super) struct Files<S> {
    pub(super) storage: S,
    steps: Steps,
    threads: NonZeroUsize,
    temporaries: AtomicU64,
}

/// A file with its octets on the disk, under a name that start-up removes.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    path: String,
    name: String,
    octets: &'a [u8],
}

impl<S: Storage> Files<S> {
    pub(super) fn new(storage: S, steps: Steps, threads: NonZeroUsize) -> Self {
        Self { storage, steps, threads, temporaries: AtomicU64::new(0) }
    }

    pub(super) fn reached(&self, step: Step) -> Result<(), LogError> {
        let stopped =
            |source| LogError::Io { operation: "go on after", path: step.to_string(), source };
        self.steps.reached(step).map_err(stopped)
    }

    /// Writes and syncs each file under a temporary name.
    pub(super) fn write<'a>(
        &self,
        files: &'a [(String, Vec<u8>)],
    ) -> Result<Vec<Temporary<'a>>, LogError> {
        self.in_parallel(files, |(name, octets)| self.write_one(name, octets))
    }

    pub(super) fn write_one<'a>(
        &self,
        name: &str,
        octets: &'a [u8],
    ) -> Result<Temporary<'a>, LogError> {
        let path = format!("{TEMPORARY}/{}", self.temporaries.fetch_add(1, Ordering::Relaxed));
        let file = self.storage.create(&path, octets).map_err(io_error("write", &path))?;
        self.storage.sync_file(file).map_err(sync_error(&path))?;
        Ok(Temporary { path, name: name.to_owned(), octets })
    }

    /// Gives each file its name, and its directories where they are missing.
    pub(super) fn link(&self, files: &[Temporary<'_>]) -> Result<(), LogError> {
        self.in_parallel(files, |file| self.link_one(file)).map(drop)
    }

    /// A name that is taken must have the same octets.
    pub(super) fn link_one(&self, file: &Temporary<'_>) -> Result<(), LogError> {
        let Temporary { path, name, octets } = file;
        let mut linked = self.storage.link(path, name);
        if is(&linked, io::ErrorKind::NotFound) {
            self.create_directories(name)?;
            linked = self.storage.link(path, name);
        }
        if is(&linked, io::ErrorKind::AlreadyExists) {
            let found = self.storage.read(name).map_err(io_error("read", name))?;
            if found != *octets {
                return Err(LogError::Conflict { path: name.clone() });
            }
        } else {
            linked.map_err(io_error("link", name))?;
        }
        self.storage.remove(path).map_err(io_error("remove", path))
    }

    /// Replaces a file, durably.
    pub(super) fn replace(&self, name: &str, octets: &[u8]) -> Result<(), LogError> {
        let file = self.write_one(name, octets)?;
        self.storage.rename(&file.path, name).map_err(io_error("rename", name))?;
        self.sync_directory("")
    }

    /// Makes the names of these files durable: every directory from the shard down to each.
    pub(super) fn sync_names<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), LogError> {
        let directories: BTreeSet<_> = names.flat_map(directories_above).collect();
        let directories: Vec<_> = directories.into_iter().collect();
        self.in_parallel(&directories, |path| self.sync_directory(path)).map(drop)
    }

    pub(super) fn sync_directory(&self, path: &str) -> Result<(), LogError> {
        self.storage.sync_directory(path).map_err(sync_error(path))
    }

    /// Makes a directory unless it is there.
    pub(super) fn create_directory(&self, path: &str, mode: u32) -> Result<(), LogError> {
        let created = self.storage.create_directory(path, mode);
        if is(&created, io::ErrorKind::AlreadyExists) {
            return Ok(());
        }
        created.map_err(io_error("create", path))
    }

    fn create_directories(&self, name: &str) -> Result<(), LogError> {
        directories_above(name)
            .filter(|path| !path.is_empty())
            .try_for_each(|path| self.create_directory(path, 0o755))
    }

    /// Removes what killed runs have left.
    pub(super) fn remove_temporaries(&self) -> Result<(), LogError> {
        let left = self.storage.list(TEMPORARY).map_err(io_error("list", TEMPORARY))?;
        left.into_iter().try_for_each(|(name, _)| {
            let path = format!("{TEMPORARY}/{name}");
            self.storage.remove(&path).map_err(io_error("remove", &path))
        })
    }

    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, LogError> {
        self.storage.read(path).map_err(io_error("read", path))
    }

    /// Blocking calls side by side, on as many threads as configured; one means in order.
    fn in_parallel<'a, T: Sync, R: Send>(
        &self,
        items: &'a [T],
        work: impl Fn(&'a T) -> Result<R, LogError> + Sync,
    ) -> Result<Vec<R>, LogError> {
        let share = items.len().div_ceil(self.threads.get());
        if share == items.len() {
            return items.iter().map(work).collect();
        }
        let work = &|items: &'a [T]| items.iter().map(&work).collect::<Result<Vec<_>, _>>();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                items.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
            let mut results = Vec::with_capacity(items.len());
            for thread in threads {
                let ended = thread.join().map_err(|_| LogError::Ended)?;
                results.extend(ended?);
            }
            Ok(results)
        })
    }
}

/// The directory of files that have no name yet.
pub(super) const TEMPORARY: &str = ".state/tmp";

/// From the shard itself, `""`, down to the one that holds the file.
fn directories_above(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.char_indices().filter(|(_, c)| *c == '/');
    std::iter::once("").chain(ends.filter_map(|(end, _)| name.get(..end)))
}

fn is(result: &io::Result<()>, kind: io::ErrorKind) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == kind)
}

pub(super) fn io_error(operation: &'static str, path: &str) -> impl FnOnce(io::Error) -> LogError {
    move |source| LogError::Io { operation, path: path.to_owned(), source }
}

fn sync_error(path: &str) -> impl FnOnce(io::Error) -> LogError {
    move |source| LogError::Sync { path: path.to_owned(), source }
}
