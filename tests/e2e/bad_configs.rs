//! A configuration or a policy that cannot be: the process ends before it connects, and says
//! which key it is and why.

use std::path::Path;
use std::process::Stdio;

use mpic_cli::fleet::{Fleet, Internet, InternetAddresses, Network, Options, Process};
use mpic_common::policy::{Policy, Profile};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_tests::internet::Content;
use mpic_tests::process::program;
use tokio::process::Command;

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: i32 = 78;
/// Nobody listens there: a process that connects would say so, or wait.
const NO_BUS: &str = "nats://127.0.0.1:1";

fn fleet(dir: &Path, policy: Policy) -> Fleet {
    let options = Options {
        remotes: 6.try_into().unwrap(),
        coordinators: 1.try_into().unwrap(),
        internet: Internet::Loopback(Content::new().into_table()),
        policy,
        bus_port: None,
        traces: None,
        gateway: None,
    };
    let fleet = Fleet::plan(dir, options).unwrap();
    fleet.write(SystemClock.now()).unwrap();
    let nowhere =
        |member: &mpic_cli::fleet::Member| (member.code.to_string(), (member.resolver, 53).into());
    let resolvers = fleet.members().map(nowhere).collect();
    let network = Network::Loopback(InternetAddresses { resolvers, http: 80, https: 443 });
    fleet.connect(NO_BUS, &network).unwrap();
    fleet
}

/// One process of each kind that has a configuration of ours.
fn processes(fleet: &Fleet) -> [Process; 3] {
    let (agent, coordinator) = (fleet.agents().remove(1), fleet.coordinator_processes().remove(0));
    [agent, coordinator, fleet.audit()]
}

/// The exit code of a process, and what it said.
async fn ends(process: &Process) -> (Option<i32>, String) {
    let mut command = Command::new(program(process.program));
    command.args(process.arguments).arg(&process.config).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_configuration_ends_a_process_before_it_connects() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(dir.path(), Policy::of(Profile::Strict));
    for process in processes(&fleet) {
        let good = std::fs::read_to_string(&process.config).unwrap();
        for (what, changed, named) in [
            ("an unknown key", format!("unheard_of = 1\n{good}"), "unheard_of"),
            ("no TOML", format!("{good}\n= ="), "expected"),
            ("no bus", good.replace("[bus]", "[boat]"), "bus"),
            ("a key that is no file", good.replace(".key\"", ".none\""), ".none"),
        ] {
            std::fs::write(&process.config, changed).unwrap();
            let (code, said) = ends(&process).await;
            let name = &process.name;
            assert_eq!(code, Some(EXIT_CONFIG), "{name} with {what}: {said}");
            assert!(said.contains(named), "{name} with {what}: {said}");
            assert!(!said.contains(NO_BUS), "{name} with {what} has connected: {said}");
        }
        std::fs::write(&process.config, good).unwrap();
        let (code, said) = ends(&process).await;
        assert_ne!(code, Some(EXIT_CONFIG), "{}: {said}", process.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_looser_than_the_row_in_force_ends_a_coordinator_before_it_connects() {
    let dir = tempfile::tempdir().unwrap();
    let looser = Policy { remotes_min: Some(1), ..Policy::of(Profile::Strict) };
    let coordinator = fleet(dir.path(), looser).coordinator_processes().remove(0);
    let (code, said) = ends(&coordinator).await;
    assert_eq!(code, Some(EXIT_CONFIG), "{said}");
    assert!(said.contains("remotes_min") && said.contains("looser"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_document_that_another_root_signed_ends_every_reader() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fleets = [dir.path(), other.path()].map(|dir| fleet(dir, Policy::of(Profile::Strict)));
    let [own, stranger] = fleets;
    let document = std::fs::read(stranger.layout().directory_file()).unwrap();
    std::fs::write(own.layout().directory_file(), document).unwrap();
    let [agent, coordinator, _] = processes(&own);
    for process in [agent, coordinator] {
        let (code, said) = ends(&process).await;
        assert_eq!(code, Some(EXIT_CONFIG), "{}: {said}", process.name);
        assert!(said.contains("directory"), "{}: {said}", process.name);
    }
}
