//! Processes under one supervisor: started in order, ended in reverse order, and all of them as
//! soon as one ends unasked.

mod child;
mod lock;
mod programs;
mod readiness;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::fleet::Process;
use crate::fleet::layout::Layout;
use child::Child;
use lock::RunFile;
use readiness::Readiness;

pub use lock::{LockError, running};
pub use programs::{Programs, ProgramsError};

/// How long a process may take to be ready; a debug build on a busy machine is slow.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long a stage may take to end before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Lines of a dead process's output that are shown.
const TAIL_LINES: usize = 15;

/// The processes of one fleet.
#[derive(Debug)]
pub struct System {
    layout: Layout,
    programs: Programs,
    run_file: RunFile,
    /// In the order of their start.
    running: Vec<Running>,
    /// Each ends with its process.
    exits: JoinSet<Exit>,
    stages: usize,
}

#[derive(Debug)]
struct Running {
    name: String,
    pid: Pid,
    stage: usize,
}

#[derive(Debug)]
struct Exit {
    name: String,
    status: std::io::Result<ExitStatus>,
}

/// A process that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// What it says of itself: where the bus listens, or the small Internet's line of JSON.
    pub said: String,
}

/// Why a system does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// Another supervisor has the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A binary is not there.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// A process cannot be started.
    #[error("cannot start {name}")]
    Start {
        /// Which.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A process did not say that it is ready.
    #[error("{name} is not ready within {READY_WITHIN:?}; its output is in {output}{tail}")]
    NotReady {
        /// Which.
        name: String,
        /// Where its output is.
        output: PathBuf,
        /// The end of it, each line after a line break.
        tail: String,
    },
    /// A process ended unasked.
    #[error("{name} ended with {status}; its output is in {output}{tail}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: String,
        /// Where its output is.
        output: PathBuf,
        /// The end of it, each line after a line break.
        tail: String,
    },
}

impl System {
    /// Takes hold of the fleet's directory, which no other supervisor may have.
    pub fn open(layout: Layout, programs: Programs) -> Result<Self, SystemError> {
        let run_file = RunFile::lock(&layout)?;
        let (running, exits) = (Vec::new(), JoinSet::new());
        Ok(Self { layout, programs, run_file, running, exits, stages: 0 })
    }

    /// Starts processes that do not need each other, and waits until all are ready; `on_ready` is
    /// told of each.
    pub async fn start(
        &mut self,
        processes: Vec<Process>,
        mut on_ready: impl FnMut(&Started) -> std::io::Result<()>,
    ) -> Result<Vec<Started>, SystemError> {
        self.stages += 1;
        let mut waiting = JoinSet::new();
        for process in processes {
            let (pid, readiness) = self.spawn(&process)?;
            waiting.spawn(async move {
                let said = tokio::time::timeout(READY_WITHIN, readiness.wait()).await;
                (process.name, pid, said)
            });
        }
        let mut all = Vec::new();
        while !waiting.is_empty() {
            let ready = tokio::select! {
                Some(Ok(ready)) = waiting.join_next() => ready,
                Some(Ok(exit)) = self.exits.join_next() => return Err(self.ended(exit)),
            };
            let (name, pid, said) = ready;
            let start = |source| SystemError::Start { name: name.clone(), source };
            let said = said.map_err(|_| self.not_ready(&name))?.map_err(start)?;
            let started = Started { name: name.clone(), pid: pid.as_raw_nonzero().get(), said };
            on_ready(&started).map_err(start)?;
            all.push(started);
        }
        Ok(all)
    }

    /// Runs a process to its end.
    pub async fn run(&mut self, process: Process) -> Result<(), SystemError> {
        self.stages += 1;
        self.spawn(&process)?;
        match self.exits.join_next().await {
            Some(Ok(Exit { name, status: Ok(status) }))
                if name == process.name && status.success() =>
            {
                self.forget(&name);
                Ok(())
            }
            Some(Ok(exit)) => Err(self.ended(exit)),
            _ => Ok(()),
        }
    }

    /// Waits until a process ends, which none should.
    pub async fn watch(&mut self) -> SystemError {
        match self.exits.join_next().await {
            Some(Ok(exit)) => self.ended(exit),
            // Nothing runs, so nothing can end.
            _ => std::future::pending().await,
        }
    }

    /// Ends the stages in reverse order: asks, and kills what does not end in time.
    pub async fn stop(&mut self) {
        while let Some(last) = self.running.last() {
            let stage = last.stage;
            self.signal(stage, Signal::TERM);
            // A process that was stopped by hand does not see the first signal before this one.
            self.signal(stage, Signal::CONT);
            if tokio::time::timeout(STOP_WITHIN, self.stage_ended(stage)).await.is_err() {
                self.signal(stage, Signal::KILL);
                self.stage_ended(stage).await;
            }
        }
    }

    /// Ends all at once.
    pub async fn kill(&mut self) {
        for stage in 0..=self.stages {
            self.signal(stage, Signal::KILL);
        }
        while !self.running.is_empty() && self.reap().await {}
    }

    fn spawn(&mut self, process: &Process) -> Result<(Pid, Readiness), SystemError> {
        let name = process.name.clone();
        let program = self.programs.find(process.program)?;
        let spawned = Child::spawn(&self.layout, &program, process);
        let Child { process: mut child, pid, readiness } =
            spawned.map_err(|source| SystemError::Start { name: name.clone(), source })?;
        self.running.push(Running { name: name.clone(), pid, stage: self.stages });
        self.exits.spawn(async move { Exit { name, status: child.wait().await } });
        self.write_run_file();
        Ok((pid, readiness))
    }

    fn signal(&self, stage: usize, signal: Signal) {
        for process in self.running.iter().filter(|process| process.stage == stage) {
            // One that has just ended is found by its exit.
            let _ = kill_process(process.pid, signal);
        }
    }

    async fn stage_ended(&mut self, stage: usize) {
        while self.running.iter().any(|process| process.stage == stage) && self.reap().await {}
    }

    /// Waits for the next process to end; errs on the side of stopping where none can be waited
    /// for.
    async fn reap(&mut self) -> bool {
        match self.exits.join_next().await {
            Some(Ok(exit)) => self.forget(&exit.name),
            _ => self.running.clear(),
        }
        !self.running.is_empty()
    }

    fn forget(&mut self, name: &str) {
        self.running.retain(|process| process.name != name);
        self.write_run_file();
    }

    fn write_run_file(&self) {
        let pid = |process: &Running| (process.name.clone(), process.pid.as_raw_nonzero().get());
        self.run_file.write(self.running.iter().map(pid));
    }

    fn not_ready(&self, name: &str) -> SystemError {
        let (output, tail) = self.output(name);
        SystemError::NotReady { name: name.to_owned(), output, tail }
    }

    fn ended(&mut self, exit: Exit) -> SystemError {
        self.forget(&exit.name);
        let (output, tail) = self.output(&exit.name);
        let status =
            exit.status.map_or_else(|error| error.to_string(), |status| status.to_string());
        SystemError::Ended { name: exit.name, status, output, tail }
    }

    /// Where a process's output is, and the end of it.
    fn output(&self, name: &str) -> (PathBuf, String) {
        let path = self.layout.output(name);
        let text = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
        (path, last.flat_map(|line| ["\n  ", line]).collect())
    }
}

#[cfg(test)]
mod tests;
