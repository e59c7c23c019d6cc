//! Where the binaries are: beside this one, or on the path.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where to look.
#[derive(Debug, Clone)]
pub struct Programs {
    dirs: Vec<PathBuf>,
    nats_server: Option<PathBuf>,
}

/// A binary is nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// The bus.
    #[error(
        "cannot find nats-server: install it (Debian, Ubuntu: apt-get install nats-server), put \
         it on the PATH, or name it in NATS_SERVER"
    )]
    NatsServer,
    /// The bus, where the environment says.
    #[error("NATS_SERVER names {}, which is no program", .0.display())]
    Named(PathBuf),
    /// One of the project's own.
    #[error("cannot find {program} beside this binary or on the PATH: build it with `cargo build`")]
    Own {
        /// Which.
        program: &'static str,
    },
}

/// Where Debian keeps daemons, which is not on the path of everyone.
const SYSTEM_DIRS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

impl Programs {
    /// The directory of the running binary, then the path of the environment.
    pub fn from_environment() -> Self {
        let beside = std::env::current_exe().ok();
        Self::in_dir(beside.as_deref().and_then(Path::parent))
    }

    /// `dir`, then the path of the environment.
    pub fn in_dir(dir: Option<&Path>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = dir.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        Self {
            dirs: dirs.chain(SYSTEM_DIRS.map(PathBuf::from)).collect(),
            nats_server: std::env::var_os("NATS_SERVER").map(PathBuf::from),
        }
    }

    /// The binary of this name.
    pub fn find(&self, program: &'static str) -> Result<PathBuf, ProgramsError> {
        let is_bus = program == "nats-server";
        if let Some(named) = self.nats_server.clone().filter(|_| is_bus) {
            return if is_executable(&named) {
                Ok(named)
            } else {
                Err(ProgramsError::Named(named))
            };
        }
        let error = if is_bus { ProgramsError::NatsServer } else { ProgramsError::Own { program } };
        self.dirs.iter().map(|dir| dir.join(program)).find(|path| is_executable(path)).ok_or(error)
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
