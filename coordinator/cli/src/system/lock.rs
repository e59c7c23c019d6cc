//! One supervisor a directory, and the file that says which processes it runs.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;

use crate::fleet::layout::Layout;

/// Why a directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It belongs to a supervisor that runs.
    #[error("a system runs in {dir} already")]
    Running {
        /// Which.
        dir: PathBuf,
    },
    /// The file cannot be locked.
    #[error("cannot lock {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The name of the supervisor in the file.
const SUPERVISOR: &str = "mpic";

/// The lock on a directory; with it go the file and the sockets.
#[derive(Debug)]
pub(super) struct RunFile {
    layout: Layout,
    /// Held as long as this lives; the system lets go of it however the process ends.
    _lock: File,
}

impl RunFile {
    /// Locks the directory, and removes what a killed supervisor left there.
    pub(super) fn lock(layout: &Layout) -> Result<Self, LockError> {
        let path = layout.lock();
        let io = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(layout.dir()).map_err(io)?;
        let lock = File::create(&path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Running { dir: layout.dir().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let run = layout.run();
        if run.exists() {
            std::fs::remove_dir_all(&run).map_err(io)?;
        }
        std::fs::create_dir(&run).map_err(io)?;
        Ok(Self { layout: layout.clone(), _lock: lock })
    }

    /// Says which processes run, the supervisor among them.
    pub(super) fn write(&self, processes: impl Iterator<Item = (String, i32)>) {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let pids: BTreeMap<_, _> = processes.chain([(SUPERVISOR.to_owned(), own)]).collect();
        let text = serde_json::to_string_pretty(&pids).unwrap_or_default();
        let path = self.layout.run_file();
        let new = path.with_extension("new");
        // For people and scripts; nothing rests on it.
        let _ = std::fs::write(&new, text + "\n").and_then(|()| std::fs::rename(&new, &path));
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        // What stays behind is removed at the next start.
        let _ = std::fs::remove_file(self.layout.run_file());
        let _ = std::fs::remove_dir_all(self.layout.run());
    }
}

/// Name to process id of what runs in a directory; the supervisor is `mpic`.
pub fn running(layout: &Layout) -> std::io::Result<BTreeMap<String, i32>> {
    Ok(serde_json::from_slice(&std::fs::read(layout.run_file())?)?)
}
