use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use mpic_common::cohort::{Cohort, PrimaryPlace};
use mpic_common::directory::Directory;
use mpic_common::policy::Profile;
use tempfile::TempDir;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn options(remotes: usize) -> Options {
    Options {
        remotes: NonZeroUsize::new(remotes).unwrap(),
        coordinators: NonZeroUsize::MIN,
        internet: Internet::Loopback(toml::Table::new()),
        policy: Policy::of(Profile::Strict),
        bus_port: None,
        traces: None,
        gateway: None,
    }
}

fn written(dir: &TempDir, remotes: usize, now: UnixMs) -> Fleet {
    let fleet = Fleet::plan(dir.path(), options(remotes)).unwrap();
    fleet.write(now).unwrap();
    fleet
}

fn connected(fleet: &Fleet) -> ClientConfig {
    let address =
        |member: &Member| (member.code.to_string(), SocketAddr::new(member.resolver.into(), 5_300));
    let resolvers = fleet.members().map(address).collect();
    let internet = InternetAddresses { resolvers, http: 8_080, https: 8_443 };
    fleet.connect("nats://127.0.0.1:4222", &Network::Loopback(internet)).unwrap();
    ClientConfig::load(&fleet.layout().client()).unwrap()
}

fn directory(fleet: &Fleet) -> Directory {
    connected(fleet).directory().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn key_files(fleet: &Fleet) -> BTreeMap<PathBuf, String> {
    let files = std::fs::read_dir(fleet.layout().keys()).unwrap();
    files.map(|file| file.unwrap().path()).map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn a_fleet_written_again_keeps_its_keys_and_its_document() {
    let dir = TempDir::new().unwrap();
    let fleet = written(&dir, 6, NOW);
    let keys = key_files(&fleet);
    let document = std::fs::read(fleet.layout().directory_file()).unwrap();
    let again = written(&dir, 6, NOW.plus(Duration::from_secs(60)));
    assert_eq!(key_files(&again), keys);
    assert_eq!(std::fs::read(again.layout().directory_file()).unwrap(), document);
}

#[test]
fn another_fleet_has_a_document_with_the_next_serial_in_which_old_keys_stay_in_force() {
    let dir = TempDir::new().unwrap();
    assert_eq!(directory(&written(&dir, 2, NOW)).serial(), 1);
    let keys = key_files(&written(&dir, 2, NOW));
    let later = NOW.plus(Duration::from_secs(60));
    let fleet = written(&dir, 3, later);
    let directory = directory(&fleet);
    assert_eq!((directory.serial(), directory.issued_ms()), (2, later));
    assert_eq!(
        (directory.perspectives(NOW).count(), directory.perspectives(later).count()),
        (3, 4)
    );
    let now = key_files(&fleet);
    assert!(keys.iter().all(|(path, key)| now.get(path) == Some(key)), "none is overwritten");
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    let dir = TempDir::new().unwrap();
    let fleet = written(&dir, 1, NOW);
    for path in key_files(&fleet).keys() {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let mode = fleet.layout().keys().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn the_largest_fleet_is_a_cohort() {
    let dir = TempDir::new().unwrap();
    let fleet = written(&dir, COHORT_MAX, NOW);
    let directory = directory(&fleet);
    let listed = |member: &Member| directory.perspective(&member.code, NOW).unwrap().clone();
    let remotes: Vec<_> = fleet.remotes().iter().map(listed).collect();
    let primary = listed(fleet.primary());
    let cohort =
        Cohort::new(PrimaryPlace::Perspective(&primary), &remotes.iter().collect::<Vec<_>>());
    assert_eq!(cohort.unwrap().remotes().len(), COHORT_MAX);
    let larger = Fleet::plan(dir.path(), options(COHORT_MAX + 1));
    assert!(matches!(larger, Err(FleetError::Remotes(21))));
}

#[test]
fn the_coordinator_allows_what_the_agents_of_a_small_internet_relax_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let fleet = written(&dir, 1, NOW);
    connected(&fleet);
    let coordinator: toml::Table =
        toml::from_str(&read(&fleet.layout().config("coordinator-0"))).unwrap();
    let relaxations = [
        "addr.allow=[\"127.0.0.0/8\"]",
        "lab.ports={ 443 = 8443, 80 = 8080 }",
        "names.allow_suffix=[\"example\"]",
    ];
    assert_eq!(coordinator["relaxations"], toml::Value::try_from(relaxations).unwrap());
    for (dns, relaxations) in [
        (Dns::Forwarder(([127, 0, 0, 1], 53).into()), Vec::new()),
        (Dns::Forwarder(([9, 9, 9, 9], 53).into()), vec!["dns.forwarder_remote=true"]),
        (Dns::default(), Vec::new()),
        (
            Dns::Embedded(Roots { root_hints: Some("/lab/hints".into()), trust_anchor: None }),
            vec!["dns.root_hints=\"/lab/hints\""],
        ),
    ] {
        let network = Network::Real { dns, lab: Lab::default() };
        fleet.connect("nats://127.0.0.1:4222", &network).unwrap();
        let coordinator: toml::Table =
            toml::from_str(&read(&fleet.layout().config("coordinator-0"))).unwrap();
        assert_eq!(coordinator["relaxations"], toml::Value::try_from(relaxations).unwrap());
    }
}

#[test]
fn the_small_internet_has_a_view_a_perspective_besides_its_content() {
    let dir = TempDir::new().unwrap();
    let plan = Fleet::plan(dir.path(), options(6)).unwrap();
    let content = demo::content(plan.primary(), plan.remotes()).unwrap();
    let options = Options { internet: Internet::Loopback(content), ..options(6) };
    let fleet = Fleet::plan(dir.path(), options).unwrap();
    fleet.write(NOW).unwrap();
    let config: toml::Table = toml::from_str(&read(&fleet.layout().config("internet"))).unwrap();
    let count = |key: &str| config[key].as_array().unwrap().len();
    assert_eq!((count("view"), count("zone")), (7, 5));
    let hijacked = config["record"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["data"].as_str() == Some(demo::ATTACKER.digest));
    let views = hijacked.unwrap()["views"].as_array().unwrap();
    assert_eq!(views.len(), 3, "the primary and two remotes");
}

#[test]
fn a_digest_of_the_demo_is_that_of_its_key_authorization() {
    use sha2::{Digest, Sha256};
    for applicant in [demo::OWNER, demo::ATTACKER] {
        let digest = Sha256::digest(applicant.key_authorization);
        assert_eq!(data_encoding::BASE64URL_NOPAD.encode(&digest), applicant.digest);
    }
}
