//! A file system that remembers what was synced, fails at a chosen call and forgets at a cut.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a broken disk should panic")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Storage;

/// Shared by its clones, as a disk is by two runs of a process.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    directories: BTreeMap<String, Directory>,
    calls: Vec<Call>,
    fail_at: Option<(usize, Flavour)>,
}

#[derive(Clone, Debug)]
struct File {
    octets: Vec<u8>,
    is_synced: bool,
}

/// Names as they are, and as they would be after a loss of power.
#[derive(Clone, Debug, Default)]
struct Directory {
    present: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

/// A call that changes something, or syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    SyncFile,
    CreateDirectory,
    SyncDirectory,
    Link,
    Rename,
    Remove,
}

/// Whether the call that fails has had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Persisted,
    NotPersisted,
}

impl Memory {
    /// An empty disk.
    pub fn new() -> Self {
        let memory = Self::default();
        memory.state().directories.insert(String::new(), Directory::default());
        memory
    }

    /// From now on the n-th call, counted from 0, fails.
    pub fn fail_at(&self, call: usize, flavour: Flavour) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some((call, flavour));
    }

    /// Forgets the calls so far and fails no more.
    pub fn reset(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = None;
    }

    /// The calls since it was last set to fail or reset.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Whether the call that was to fail has been made.
    pub fn has_failed(&self) -> bool {
        let state = self.state();
        state.fail_at.is_some_and(|(at, _)| at < state.calls.len())
    }

    /// The disk as another process finds it now; what has it open changes it no more.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut state = self.state().clone();
        state.calls.clear();
        state.fail_at = None;
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after a loss of power: of what was not synced, `choose` (below the number given)
    /// decides what is there.
    #[must_use]
    pub fn cut(&self, mut choose: impl FnMut(usize) -> usize) -> Self {
        let mut state = self.state().clone();
        state.calls.clear();
        state.fail_at = None;
        for file in state.files.iter_mut().filter(|file| !file.is_synced) {
            let kept = choose(file.octets.len() + 1);
            file.octets.truncate(kept);
            file.is_synced = true;
        }
        for directory in state.directories.values_mut() {
            let Directory { present, durable } = std::mem::take(directory);
            for name in present.keys().chain(durable.keys()) {
                let either = [present.get(name), durable.get(name)];
                if let Some(node) = either[choose(2)] {
                    directory.present.insert(name.clone(), *node);
                }
            }
            directory.durable = directory.present.clone();
        }
        let paths: Vec<_> = state.directories.keys().cloned().collect();
        for path in paths.into_iter().filter(|path| !path.is_empty()) {
            // Parents sort before their children, so a lost parent loses these too.
            if state.node(&path).ok() != Some(Node::Directory) {
                state.directories.remove(&path);
            }
        }
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }

    /// Counts a call, and fails it where asked.
    fn change<T>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let failure = state.fail_at.filter(|(at, _)| *at == state.calls.len());
        state.calls.push(call);
        match failure {
            Some((_, Flavour::NotPersisted)) => Err(io::Error::other("scripted failure")),
            Some((_, Flavour::Persisted)) => {
                effect(&mut state).ok();
                Err(io::Error::other("scripted failure"))
            }
            None => effect(&mut state),
        }
    }
}

impl State {
    fn names(&mut self, path: &str) -> io::Result<&mut BTreeMap<String, Node>> {
        let directory = self.directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut directory.present)
    }

    fn node(&mut self, path: &str) -> io::Result<Node> {
        let (directory, name) = split(path);
        self.names(directory)?.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn insert(&mut self, path: &str, node: Node) -> io::Result<()> {
        let (directory, name) = split(path);
        let names = self.names(directory)?;
        if names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name.to_owned(), node);
        Ok(())
    }

    fn take(&mut self, path: &str) -> io::Result<Node> {
        let (directory, name) = split(path);
        self.names(directory)?.remove(name).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Storage for Memory {
    type File = usize;
    type Lock = ();

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        match state.node(path)? {
            Node::File(file) => Ok(state.files[file].octets.clone()),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<(String, bool)>> {
        let mut state = self.state();
        let names = state.names(path)?.iter();
        Ok(names.map(|(name, node)| (name.clone(), *node == Node::Directory)).collect())
    }

    fn create(&self, path: &str, octets: &[u8]) -> io::Result<usize> {
        self.change(Call::Create, |state| {
            let file = state.files.len();
            state.insert(path, Node::File(file))?;
            state.files.push(File { octets: octets.to_vec(), is_synced: false });
            Ok(file)
        })
    }

    fn sync_file(&self, file: usize) -> io::Result<()> {
        self.change(Call::SyncFile, |state| {
            state.files[file].is_synced = true;
            Ok(())
        })
    }

    fn create_directory(&self, path: &str, _: u32) -> io::Result<()> {
        self.change(Call::CreateDirectory, |state| {
            state.insert(path, Node::Directory)?;
            state.directories.insert(path.to_owned(), Directory::default());
            Ok(())
        })
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.change(Call::SyncDirectory, |state| {
            let directory = state.directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
            directory.durable = directory.present.clone();
            Ok(())
        })
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Call::Link, |state| {
            let node = state.node(from)?;
            state.insert(to, node)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Call::Rename, |state| {
            let node = state.take(from)?;
            let (directory, name) = split(to);
            state.names(directory)?.insert(name.to_owned(), node);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change(Call::Remove, |state| state.take(path).map(drop))
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        self.change(Call::Remove, |state| {
            if !state.names(path)?.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            state.directories.remove(path);
            state.take(path).map(drop)
        })
    }

    fn lock(&self, _: &str) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
