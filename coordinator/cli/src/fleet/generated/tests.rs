use std::collections::BTreeMap;
use std::time::Duration;

use mpic_common::directory::Directory;
use tempfile::TempDir;

use super::super::rotation::{retire_nkey, rotate_nkey, rotate_signing};
use super::super::store::Difference;
use super::*;

const SAMPLE: &str = include_str!("../../../../../deploy/config/fleet.toml");
const NOW: UnixMs = UnixMs(1_795_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A description and the directory of its files.
struct Bench(TempDir);

impl Bench {
    fn of(text: &str) -> Self {
        let bench = Self(TempDir::new().unwrap());
        bench.describe(text);
        bench
    }

    fn describe(&self, text: &str) {
        std::fs::write(self.description(), text).unwrap();
    }

    fn description(&self) -> PathBuf {
        self.0.path().join("fleet.toml")
    }

    fn layout(&self) -> Layout {
        Layout::new(&self.0.path().join("out")).unwrap()
    }

    fn apply(&self, mode: Mode, now: UnixMs) -> Vec<Change> {
        let fleet = Generated::read(&self.description(), self.layout().dir()).unwrap();
        fleet.apply(mode, now).unwrap()
    }

    fn refused(&self) -> String {
        Generated::read(&self.description(), self.layout().dir()).unwrap_err().to_string()
    }

    /// Every file but those of the process that is at work.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![self.layout().dir().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    found.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        found
    }

    fn directory(&self) -> Directory {
        Directory::open_unpinned(&std::fs::read(self.layout().directory_file()).unwrap()).unwrap()
    }

    fn server_config(&self) -> String {
        std::fs::read_to_string(self.layout().configs().join("bus-0.conf")).unwrap()
    }
}

#[test]
fn the_sample_gives_every_process_what_it_needs() {
    let bench = Bench::of(SAMPLE);
    let made = bench.apply(Mode::Write, NOW);
    assert!(made.iter().all(|change| change.what == Difference::Missing));
    assert_eq!(bench.directory().perspectives(NOW).count(), 7);
    let manifest = std::fs::read_to_string(bench.layout().dir().join("FILES")).unwrap();
    for line in manifest.lines().filter(|line| !line.starts_with('#')) {
        let (_, files) = line.split_once(": ").unwrap();
        for file in files.split(' ') {
            assert!(bench.layout().dir().join(file).exists(), "{line}: {file}");
        }
    }
    let agent = std::fs::read_to_string(bench.layout().config("agent-us-east")).unwrap();
    assert!(agent.contains("/etc/mpic/keys/agent-us-east.nk"), "{agent}");
    assert!(agent.contains("backend = \"embedded\"") && agent.contains("format = \"json\""));
    let server = bench.server_config();
    assert!(
        server.contains("sync_interval: always") && server.contains("tls://bus-1.example:6222")
    );
}

#[test]
fn generating_again_changes_nothing() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let files = bench.files();
    assert_eq!(bench.apply(Mode::Write, NOW.plus(DAY)), []);
    assert_eq!(bench.apply(Mode::Check, NOW.plus(DAY)), []);
    assert_eq!(bench.files(), files);
}

#[test]
fn checking_says_what_differs_and_writes_nothing() {
    let bench = Bench::of(SAMPLE);
    assert!(!bench.apply(Mode::Check, NOW).is_empty());
    assert!(!bench.layout().dir().exists());
    bench.apply(Mode::Write, NOW);
    let server = bench.layout().configs().join("bus-0.conf");
    std::fs::write(&server, "listen: 4222").unwrap();
    std::fs::remove_file(bench.layout().nkey("ops")).unwrap();
    let files = bench.files();
    let changes = bench.apply(Mode::Check, NOW);
    assert!(changes.contains(&Change { path: server, what: Difference::Different }));
    let missing = Change { path: bench.layout().nkey("ops"), what: Difference::Missing };
    assert!(changes.contains(&missing));
    assert_eq!(bench.files(), files);
}

#[test]
fn what_is_added_comes_in_addition_and_no_key_is_touched() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let secrets = |bench: &Bench| {
        let mut files = bench.files();
        files.retain(|path, _| path.extension().is_some_and(|end| end == "key" || end == "nk"));
        files
    };
    let before = secrets(&bench);
    let more = "[[perspective]]\ncode = \"au-east\"\nregion = \"Sydney\"\nasn = 64508\n\
                egress = { registry = \"APNIC\", latitude = -33.87, longitude = 151.21 }\n";
    bench.describe(&SAMPLE.replace(
        "[[coordinator]]\ncode = \"coordinator-0\"",
        &format!("{more}\n[[coordinator]]\ncode = \"coordinator-0\""),
    ));
    bench.apply(Mode::Write, NOW.plus(DAY));
    let after = secrets(&bench);
    assert!(before.iter().all(|(path, key)| after.get(path) == Some(key)));
    assert_eq!(after.len(), before.len() + 3, "signing key, nkey, key of the certificate");
    assert_eq!(bench.directory().serial(), 2);
}

#[test]
fn certificates_are_renewed_before_they_end_with_the_key_that_they_had() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let key = std::fs::read(bench.layout().tls_key("audit")).unwrap();
    assert_eq!(bench.apply(Mode::Check, NOW.plus(300 * DAY)), []);
    let renewed = bench.apply(Mode::Write, NOW.plus(340 * DAY));
    assert!(renewed.iter().all(|change| change.path.extension().unwrap() == "pem"));
    assert!(renewed.iter().any(|change| change.path == bench.layout().tls_certificate("audit")));
    assert_eq!(std::fs::read(bench.layout().tls_key("audit")).unwrap(), key);
    assert_eq!(bench.apply(Mode::Check, NOW.plus(340 * DAY)), []);
}

#[test]
fn ones_own_certificates_are_named_where_they_are_missing() {
    let own = SAMPLE.replace("# certificates = \"private\"", "certificates = \"own\"");
    let bench = Bench::of(&own);
    let changes = bench.apply(Mode::Write, NOW);
    let expected = bench.layout().tls_certificate("bus-0");
    assert!(changes.iter().any(|change| change.path == expected));
    assert!(!expected.exists() && bench.layout().nkey("audit").exists());
}

#[test]
fn a_gateway_beyond_loopback_has_a_certificate_or_is_refused() {
    let open = SAMPLE.replace("# listen = \"127.0.0.1:8000\"", "listen = \"0.0.0.0:8443\"");
    let bench = Bench::of(&open);
    bench.apply(Mode::Write, NOW);
    let layout = bench.layout();
    assert!(layout.tls_certificate("gateway").exists() && layout.tls_key("gateway").exists());
    let config = std::fs::read_to_string(layout.config("gateway")).unwrap();
    assert!(config.contains("/etc/mpic/tls/gateway.pem"), "{config}");
    let nameless = open.replace("names = [\"mpic.ca.example\"]", "");
    bench.describe(&nameless);
    assert!(bench.refused().contains("gateway.names"), "{}", bench.refused());
    bench.describe(&nameless.replace(
        "[settings.gateway]",
        "[settings.gateway]\ntls = { certificate = \"a.pem\", key = \"a.key\" }",
    ));
    bench.apply(Mode::Write, NOW);
    let config = std::fs::read_to_string(layout.config("gateway")).unwrap();
    assert!(config.contains("\"a.pem\"") && !config.contains("gateway.pem"), "{config}");
}

#[test]
fn a_rotated_signing_key_and_the_new_one_are_both_good_for_a_while() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let layout = bench.layout();
    let rotated = rotate_signing(&layout, "agent-us-east", DAY, NOW.plus(DAY)).unwrap();
    let directory = bench.directory();
    let at = |days: u32| NOW.plus(days * DAY + Duration::from_secs(1));
    let good = |key, now| directory.key(key, now).is_some();
    assert_eq!(directory.serial(), 2);
    assert_eq!((good(rotated.old, at(0)), good(rotated.new, at(0))), (true, false));
    assert_eq!((good(rotated.old, at(1)), good(rotated.new, at(1))), (true, true));
    assert_eq!((good(rotated.old, at(2)), good(rotated.new, at(2))), (false, true));
    assert_eq!(bench.apply(Mode::Check, at(1)), [], "what was rotated is as described");
    assert!(rotate_signing(&layout, "agent-nowhere", DAY, NOW).is_err());
}

#[test]
fn the_servers_know_both_nkeys_until_the_old_one_is_retired() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let layout = bench.layout();
    let nkey = || mpic_runtime::keys::load_nkey(&layout.nkey("audit")).unwrap().public_key();
    let old = nkey();
    rotate_nkey(&layout, "audit").unwrap();
    let new = nkey();
    bench.apply(Mode::Write, NOW);
    let config = bench.server_config();
    assert!(config.contains(&old) && config.contains(&new));
    assert_eq!(retire_nkey(&layout, "audit").unwrap(), 1);
    bench.apply(Mode::Write, NOW);
    let config = bench.server_config();
    assert!(!config.contains(&old) && config.contains(&new));
}

/// A server's configuration with the name of each party in place of its nkey.
fn anonymous(bench: &Bench, server: &str) -> String {
    let path = bench.layout().configs().join(format!("{server}.conf"));
    let config = std::fs::read_to_string(path).unwrap();
    let parties =
        Generated::read(&bench.description(), bench.layout().dir()).unwrap().plan.parties();
    parties.iter().map(Party::name).fold(config, |config, name| {
        let nkey = mpic_runtime::keys::load_nkey(&bench.layout().nkey(&name)).unwrap();
        config.replace(&nkey.public_key(), &format!("@{name}@"))
    })
}

#[test]
fn the_configurations_of_servers_that_people_are_shown_are_those_that_are_generated() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/nats");
    for server in ["bus-0", "leaf-us-west"] {
        let shown = std::fs::read_to_string(format!("{dir}/{server}.conf")).unwrap();
        let (note, shown) = shown.split_once("\n\n").unwrap();
        assert!(note.lines().all(|line| line.starts_with("# ")), "{note}");
        assert_eq!(shown, anonymous(&bench, server), "{server}");
    }
}

/// The unit of this name in deploy/systemd, for one instance where it has any.
fn unit(name: &str, instance: &str) -> String {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/systemd");
    std::fs::read_to_string(format!("{dir}/{name}.service")).unwrap().replace("%i", instance)
}

#[test]
fn units_name_files_that_are_generated_and_hand_over_every_private_one_that_is_configured() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let out = bench.layout();
    for (name, instance, config) in [
        ("mpic-agent@", "us-east", "agent-us-east"),
        ("mpic-coordinator@", "coordinator-0", "coordinator-0"),
        ("mpic-audit", "", "audit"),
        ("mpic-gateway", "", "gateway"),
    ] {
        let unit = unit(name, instance);
        let settings: Vec<_> = unit.lines().filter(|line| !line.starts_with('#')).collect();
        let named = settings.iter().flat_map(|line| line.split([' ', ':', '=']));
        let named: Vec<_> = named.filter_map(|word| word.strip_prefix("/etc/mpic/")).collect();
        assert!(named.contains(&format!("config/{config}.toml").as_str()), "{name}: {named:?}");
        for file in named {
            assert!(out.dir().join(file).exists(), "{name}: {file}");
        }
        let configured = std::fs::read_to_string(out.config(config)).unwrap();
        let secrets = configured.split('"').filter_map(|text| text.strip_prefix("/etc/mpic/"));
        for secret in
            secrets.filter(|file| matches!(file.rsplit_once('.'), Some((_, "nk" | "key"))))
        {
            let (dir, file) = secret.split_once('/').unwrap();
            let one = format!("LoadCredential={dir}_{file}:/etc/mpic/{secret}");
            let all = format!("LoadCredential={dir}:/etc/mpic/{dir}");
            assert!(settings.iter().any(|line| *line == one || *line == all), "{name}: {one}");
        }
    }
}

#[test]
fn an_agent_behind_a_leaf_node_is_known_there_alone() {
    let bench = Bench::of(SAMPLE);
    bench.apply(Mode::Write, NOW);
    let (server, leaf) = (anonymous(&bench, "bus-0"), anonymous(&bench, "leaf-us-west"));
    assert!(!server.contains("@agent-us-west@") && server.contains("@agent-us-east@"));
    assert!(leaf.contains("@agent-us-west@") && !leaf.contains("@agent-us-east@"));
    let agent = |code| std::fs::read_to_string(bench.layout().config(code)).unwrap();
    let leaf = "servers = [\"tls://leaf.us-west.example:4222\"]";
    assert!(agent("agent-us-west").contains(leaf));
    assert!(!agent("agent-us-east").contains("leaf.us-west.example"));
}

#[test]
fn leaf_nodes_before_2_10_are_let_hear_checks_but_those_of_others() {
    let bench = Bench::of(&SAMPLE.replace("release = \"2.12\"", "release = \"2.9\""));
    bench.apply(Mode::Write, NOW);
    let server = bench.server_config();
    let (_, leaf) = server.split_once("# a leaf node of us-west").unwrap();
    let (_, denied) = leaf.split_once("deny: [").unwrap();
    for listed in bench.directory().perspectives(NOW) {
        let subject = format!("\"mpic.v1.check.{}\"", listed.code);
        assert_eq!(denied.contains(&subject), listed.code.as_str() != "us-west", "{subject}");
    }
    assert!(!server.contains("sync_interval: always,") && !server.contains("min_version"));
}

/// Replaces `from` in the sample by `to`, which must be refused.
fn refused(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "{from}");
    Bench::of(&SAMPLE.replacen(from, to, 1)).refused()
}

#[test]
fn what_cannot_be_is_refused_with_line_field_value_and_reason() {
    let line = |text: &str| SAMPLE.lines().position(|line| line == text).unwrap() + 1;
    let primary = refused("primary = \"eu-central\"", "primary = \"eu-north\"");
    let expected = format!(
        "line {}: primary `eu-north`: no such perspective",
        line("primary = \"eu-central\"")
    );
    assert!(primary.contains(&expected), "{primary}");
    let place = refused("latitude = 39.04", "latitude = 95.0");
    assert!(place.contains("perspective.egress `95, -77.49`"), "{place}");
    let twice = refused("code = \"us-west\"", "code = \"us-east\"");
    assert!(twice.contains("perspective.code `agent-us-east`: the name is taken"), "{twice}");
    let shared = refused("code = \"coordinator-2\"", "code = \"ca1\"");
    assert!(shared.contains("ca.code `ca1`: the name is taken"), "{shared}");
    let auditor = refused("code = \"auditor-one\"", "code = \"one\"");
    assert!(auditor.contains("auditor.code `one`: an auditor's code begins"), "{auditor}");
    let unknown = refused("asn = 64502", "asn = 64502\nsurprise = 1");
    assert!(unknown.contains("surprise") && unknown.contains("line"), "{unknown}");
    let code = refused("code = \"us-east\"", "code = \"us.east\"");
    assert!(code.contains("us.east") && code.contains("line"), "{code}");
    let names = refused("names = [\"bus-1.example\"]", "names = []");
    assert!(names.contains("server.names"), "{names}");
    let nowhere = refused("perspective = \"us-west\"", "perspective = \"us-north\"");
    assert!(nowhere.contains("leaf.perspective `us-north`: no such perspective"), "{nowhere}");
    let address = refused("[\"leaf.us-west.example\"]", "[\"192.0.2.7\"]");
    assert!(address.contains("leaf.names `192.0.2.7`: one must be a host name"), "{address}");
    let server = refused("[\"leaf.us-west.example\"]", "[\"bus-1.example\"]");
    assert!(server.contains("leaf.names `bus-1.example`: the name is taken"), "{server}");
}
