//! Parsers of octets that others make: one list of entry points, fed with noise by an ordinary test
//! here and by the fuzz targets of `tests/fuzz`.
//!
//! Each runs a parser and panics where an invariant does not hold.

mod checks;
mod messages;
mod requests;

/// A parser of foreign octets.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name of its fuzz target.
    pub name: &'static str,
    /// Octets that it accepts, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parses.
    pub run: fn(&[u8]),
}

/// All of them.
pub const ENTRIES: &[Entry] = &[
    messages::WIRE,
    messages::JOB,
    messages::DIRECTORY,
    messages::LOG_ENTRY,
    messages::LOG_TILE,
    checks::IDENTIFIER,
    checks::DNS_MESSAGE,
    checks::CAA_RDATA,
    checks::ISSUE_VALUE,
    checks::PERSISTENT_RECORD,
    checks::TXT_AND_CONTACTS,
    checks::CERTIFICATE,
    checks::REDIRECT_TARGET,
    requests::GATEWAY_REQUEST,
];

/// The entry of this name.
pub fn entry(name: &str) -> &'static Entry {
    ENTRIES.iter().find(|entry| entry.name == name).expect("a listed name")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    /// Noise, or a seed with some octets replaced, removed or added.
    fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let splice =
            (any::<prop::sample::Index>(), 0_usize..4, prop::collection::vec(any::<u8>(), 0..4));
        let splices = prop::collection::vec(splice, 0..6);
        let changed = (prop::sample::select(seeds), splices).prop_map(|(mut octets, splices)| {
            for (at, removed, added) in splices {
                let from = at.index(octets.len() + 1);
                let to = octets.len().min(from + removed);
                octets.splice(from..to, added);
            }
            octets
        });
        prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..200), 3 => changed]
    }

    #[test]
    fn noise_never_breaks_a_parser() {
        for Entry { name, seeds, run } in ENTRIES {
            let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let ran = TestRunner::new_with_rng(config, rng).run(&inputs(seeds()), |octets| {
                run(&octets);
                Ok(())
            });
            ran.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// Noise around octets that are refused anyway would find little.
    #[test]
    fn every_entry_has_seeds_and_runs_them() {
        for Entry { name, seeds, run } in ENTRIES {
            assert!(!seeds().is_empty(), "{name}");
            for seed in seeds() {
                run(&seed);
            }
        }
    }

    /// One list of entry points: each fuzz target is one of them, and none is left out.
    #[test]
    fn every_entry_has_a_fuzz_target() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let target = |file: std::fs::DirEntry| {
            let path = file.path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("entry(\"{name}\")")), "{name} runs another entry");
            name
        };
        let files = std::fs::read_dir(dir).unwrap().map(|file| target(file.unwrap()));
        let targets: std::collections::BTreeSet<_> = files.collect();
        let entries = ENTRIES.iter().map(|entry| entry.name.to_owned()).collect();
        assert_eq!(targets, entries);
    }
}
