use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::fleet::ReadyWhen;

/// A directory with shell scripts for binaries.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap() };
        std::fs::create_dir(bench.layout().outputs()).unwrap();
        bench
    }

    fn layout(&self) -> Layout {
        Layout::new(self.dir.path()).unwrap()
    }

    fn system(&self) -> Result<System, SystemError> {
        System::open(self.layout(), Programs::in_dir(Some(self.dir.path())))
    }

    /// A process that runs this script, which gets its name as argument.
    fn process(&self, name: &str, program: &'static str, script: &str) -> Process {
        let path = self.dir.path().join(program);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Process {
            name: name.to_owned(),
            program,
            arguments: &[],
            config: name.into(),
            ready_when: ReadyWhen::Line,
        }
    }

    /// A process that runs until it is asked to end, and then says so in a file.
    fn lasting(&self, name: &str, program: &'static str) -> Process {
        let ended = self.ended().display().to_string();
        let script = format!(
            "trap 'echo $1 >> {ended}; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
        );
        self.process(name, program, &script)
    }

    fn ended(&self) -> PathBuf {
        self.dir.path().join("ended")
    }
}

async fn start(system: &mut System, processes: Vec<Process>) -> Result<Vec<Started>, SystemError> {
    system.start(processes, |_| Ok(())).await
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}/exe")).exists()
}

#[tokio::test]
async fn stages_end_in_reverse_order() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    for (name, program) in [("first", "one"), ("second", "two"), ("third", "three")] {
        start(&mut system, vec![bench.lasting(name, program)]).await.unwrap();
    }
    system.stop().await;
    assert_eq!(std::fs::read_to_string(bench.ended()).unwrap(), "third\nsecond\nfirst\n");
}

#[tokio::test]
async fn a_process_that_ends_is_named_with_the_end_of_its_output() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    start(&mut system, vec![bench.lasting("lasting", "one")]).await.unwrap();
    let go = bench.dir.path().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let script = format!("echo ready; {wait}; echo no such key >&2; exit 78");
    start(&mut system, vec![bench.process("dying", "two", &script)]).await.unwrap();
    std::fs::write(go, "").unwrap();
    let ended = system.watch().await.to_string();
    assert!(ended.starts_with("dying ended with exit status: 78"), "{ended}");
    assert!(ended.ends_with("\n  no such key"), "{ended}");
    system.stop().await;
    assert_eq!(std::fs::read_to_string(bench.ended()).unwrap(), "lasting\n");
}

#[tokio::test]
async fn a_process_that_ends_before_it_is_ready_is_named_too() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    let dying = bench.process("dying", "one", "exit 70");
    let error = start(&mut system, vec![dying]).await.unwrap_err().to_string();
    assert!(error.starts_with("dying ended with exit status: 70"), "{error}");
}

#[tokio::test]
async fn a_step_that_fails_is_named_and_one_that_succeeds_is_forgotten() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    system.run(bench.process("good", "one", "exit 0")).await.unwrap();
    let error = system.run(bench.process("bad", "two", "exit 1")).await.unwrap_err();
    assert!(error.to_string().starts_with("bad ended with exit status: 1"), "{error}");
    assert_eq!(running(&bench.layout()).unwrap().keys().collect::<Vec<_>>(), ["mpic"]);
}

#[tokio::test]
async fn a_directory_has_one_supervisor_and_says_what_runs_there() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    let started = start(&mut system, vec![bench.lasting("lasting", "one")]).await.unwrap();
    let running_there = running(&bench.layout()).unwrap();
    assert_eq!(running_there["lasting"], started[0].pid);
    assert!(is_alive(started[0].pid));
    assert!(matches!(bench.system(), Err(SystemError::Lock(LockError::Running { .. }))));

    system.stop().await;
    drop(system);
    assert!(!is_alive(started[0].pid));
    assert!(running(&bench.layout()).is_err(), "the file is gone");
    assert!(bench.system().is_ok());
}

#[tokio::test]
async fn a_process_that_ignores_the_request_can_be_killed_at_once() {
    let bench = Bench::new();
    let mut system = bench.system().unwrap();
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
    let started = start(&mut system, vec![bench.process("deaf", "one", deaf)]).await.unwrap();
    system.kill().await;
    assert!(!is_alive(started[0].pid));
}

#[test]
fn a_binary_that_is_nowhere_is_named() {
    let programs = Programs::in_dir(None);
    let error = programs.find("mpic-none").unwrap_err().to_string();
    assert!(error.starts_with("cannot find mpic-none"), "{error}");
}
