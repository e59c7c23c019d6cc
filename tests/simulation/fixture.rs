//! What runs share and do not change: keys, the directory document, configurations.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use mpic_agent::check::Rules;
use mpic_agent::directory::Directories;
use mpic_audit::config::Config;
use mpic_common::code::CoordinatorId;
use mpic_common::directory::{DirectoryDocument, KeyEntry, Owner, PlaceEntry, Role};
use mpic_common::octets::{Fixed, Hash};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::signature::SigningKey;
use mpic_common::testing::Fleet;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_coordinator::directory::Candidates;
use mpic_runtime::directory::{Document, Source};
use tempfile::TempDir;

use crate::internet;
use crate::op::AGENTS;

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) document: Document,
    pub(crate) audit: Config,
    pub(crate) rules: Rules,
    directories: BTreeMap<&'static str, Arc<Directories>>,
}

const NOW: UnixMs = UnixMs(1_800_000_000_000);

impl Fixture {
    pub(crate) fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("directory");
        std::fs::write(&file, signed(&listed())).unwrap();
        let source = |owner, key: &str| Source {
            file: file.clone(),
            root: Fleet::key("root").public().to_string(),
            owner,
            key: Fleet::key(key).public(),
        };
        let directories = AGENTS.into_iter().map(|code| {
            let source = source(Owner::Agent(code.parse().unwrap()), code);
            (code, Arc::new(Directories::load(source, code.parse().unwrap(), NOW).unwrap()))
        });
        let directories = directories.collect();
        let document = source(Owner::Coordinator("c0".parse().unwrap()), "c0").load(NOW).unwrap();
        let key = dir.path().join("log.key");
        std::fs::write(&key, BASE64.encode(&[3; 32])).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let audit = format!(
            "data_dir = \"/nowhere\"\nshard = \"s\"\norigin = \"audit.example/s\"\n\
             io_threads = 1\nlog_key_file = {key:?}\n[bus]\nservers = [\"nats://127.0.0.1:1\"]\n",
        );
        let audit = toml::from_str(&audit).unwrap();
        Arc::new(Self { dir, document, audit, rules: internet::rules(), directories })
    }

    pub(crate) fn directories_of(&self, code: &str) -> Arc<Directories> {
        Arc::clone(&self.directories[code])
    }

    /// The directory document with the next serial, in which the key of `code` is revoked.
    pub(crate) fn revoking(code: &str, at: UnixMs) -> Vec<u8> {
        let mut document = listed();
        document.serial += 1;
        let is_its_own = |key: &&mut KeyEntry| key.name == code;
        document.keys.iter_mut().find(is_its_own).unwrap().revoked_ms = Some(at);
        signed(&document)
    }

    pub(crate) fn candidates(file: PathBuf, code: &CoordinatorId, key: &SigningKey) -> Candidates {
        let source = Source {
            file,
            root: Fleet::key("root").public().to_string(),
            owner: Owner::Coordinator(code.clone()),
            key: key.public(),
        };
        Candidates { source, primary: "p0".parse().unwrap() }
    }
}

/// Six remotes and two coordinators.
fn listed() -> DirectoryDocument {
    let octets = Fleet::new(6).document();
    let body = Envelope::parse(&octets, usize::MAX).unwrap().body;
    let mut document: DirectoryDocument = decode_body(Kind::Directory, body).unwrap();
    let public = Fleet::key("c1").public();
    document.keys.push(KeyEntry {
        id: public.id(),
        public: Fixed(public.octets()),
        role: Role::Coordinator,
        name: "c1".to_owned(),
        perspective: None,
        from_ms: UnixMs(0),
        until_ms: None,
        revoked_ms: None,
        reason: None,
    });
    // Its own primary perspective, in the sea: far from each remote.
    document.cas[0].primary = Some(PlaceEntry {
        registry: RegionalInternetRegistry::RipeNcc,
        latitude_udeg: 45_000_000,
        longitude_udeg: -30_000_000,
    });
    document
}

fn signed(document: &DirectoryDocument) -> Vec<u8> {
    let body = encode_body(Kind::Directory, document);
    envelope::seal(Kind::Directory, &body, &Fleet::key("root"), Some(Hash::ZERO))
}
