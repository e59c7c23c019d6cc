//! A log of a real system is accepted, and refused after any of its octets is changed.

use std::path::{Path, PathBuf};

use mpic_audit::finding::Severity;
use mpic_audit::note::LogPublicKey;
use mpic_audit::verify::{Options, verify};
use mpic_tests::certification_authority::{CertificationAuthority, caa, octets};
use mpic_tests::cluster::{AUDIT, Cluster};
use mpic_tests::internet::Content;

#[tokio::test(flavor = "multi_thread")]
async fn no_octet_of_the_log_can_be_changed_unseen() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    ca.refusal(&octets("no job")).await;
    ca.decision(&caa("honest.example")).await;
    cluster.audited(&ca).await;
    cluster.terminate(AUDIT).await;
    let (log, key) = (cluster.layout().log(), cluster.log_key());
    assert!(accepts(&log, &key));
    let files = files(&log);
    assert!(files.len() >= 5, "checkpoints, tiles and bundles, not {files:?}");
    for file in files {
        no_octet_can_be_changed(&log, &key, &file);
        cannot_be_cut_or_lost(&log, &key, &file);
    }
    assert!(accepts(&log, &key), "as it was");
}

/// Octets of a file that are tried: every one of a small file, of others some.
const TRIED: usize = 300;

fn no_octet_can_be_changed(log: &Path, key: &LogPublicKey, file: &Path) {
    let whole = take(file);
    for index in (0..whole.len()).step_by(whole.len().div_ceil(TRIED)) {
        let mut changed = whole.clone();
        changed[index] ^= 1 << (index % 8);
        std::fs::write(file, changed).unwrap();
        assert!(!accepts(log, key), "octet {index} of {}", file.display());
    }
    std::fs::write(file, whole).unwrap();
}

fn cannot_be_cut_or_lost(log: &Path, key: &LogPublicKey, file: &Path) {
    let whole = take(file);
    for changed in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
        std::fs::write(file, changed).unwrap();
        assert!(!accepts(log, key), "{} octets of {}", changed.len(), file.display());
    }
    std::fs::write(file, whole).unwrap();
}

/// The octets of a file, which the log's writer had made unchangeable.
fn take(file: &Path) -> Vec<u8> {
    let whole = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();
    whole
}

fn accepts(log: &Path, key: &LogPublicKey) -> bool {
    verify(log, key, &Options::default()).is_ok_and(|report| report.has_passed(Severity::Warning))
}

/// Every file that auditors read: not those that begin with a dot.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .partition(|path| path.is_dir());
    dirs.iter().flat_map(|dir| self::files(dir)).chain(files).collect()
}
