use super::*;
use crate::challenge::{AccountUri, Challenge};
use crate::testing::{Fleet, dns_01_job};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// The document of a fleet of six, changed and signed again.
fn changed(change: impl FnOnce(&mut DirectoryDocument)) -> Directory {
    let octets = Fleet::new(6).document();
    let envelope = Envelope::parse(&octets, DIRECTORY_OCTETS_MAX).unwrap();
    let mut document: DirectoryDocument = decode_body(Kind::Directory, envelope.body).unwrap();
    document.serial += 1;
    change(&mut document);
    let root = Fleet::key("root");
    let body = crate::wire::encode_body(Kind::Directory, &document);
    let octets = crate::wire::envelope::seal(Kind::Directory, &body, &root, Some(Hash::ZERO));
    Directory::open(&octets, &root.public()).unwrap()
}

fn restricted(change: impl FnOnce(&mut DirectoryDocument)) -> Directory {
    Fleet::new(6).directory().restricted_by(&changed(change))
}

#[test]
fn a_document_that_takes_nothing_away_restricts_nothing() {
    let (old, same) = (Fleet::new(6).directory(), restricted(|_| ()));
    assert_eq!(format!("{old:?}"), format!("{same:?}"));
}

#[test]
fn a_key_that_the_next_document_revokes_ends_or_leaves_out_counts_no_more() {
    let id = Fleet::key("r0").public().id();
    let holds = |directory: Directory| directory.key(id, NOW).is_some();
    let entry = |document: &mut DirectoryDocument| {
        document.keys.iter().position(|key| key.id == id).unwrap()
    };
    assert!(holds(restricted(|_| ())));
    assert!(!holds(restricted(|document| {
        let index = entry(document);
        document.keys[index].revoked_ms = Some(UnixMs(NOW.0 - 1));
    })));
    assert!(!holds(restricted(|document| {
        let index = entry(document);
        document.keys[index].until_ms = Some(NOW);
    })));
    assert!(!holds(restricted(|document| document.keys.retain(|key| key.id != id))));
}

#[test]
fn a_perspective_that_the_next_document_leaves_out_or_moves_is_asked_no_more() {
    let code: PerspectiveId = "r0".parse().unwrap();
    let listed = |directory: Directory| directory.perspective(&code, NOW).is_some();
    assert!(listed(restricted(|_| ())));
    assert!(!listed(restricted(|document| document.perspectives.retain(|one| one.code != code))));
    assert!(!listed(restricted(|document| {
        let moved = document.perspectives.iter_mut().find(|one| one.code == code).unwrap();
        moved.latitude_udeg += 1;
    })));
}

#[test]
fn what_the_next_document_adds_is_not_there_yet() {
    let mut old = Fleet::new(3).directory();
    old.perspectives.retain(|code, _| code.as_str() != "r1");
    let restricted = old.restricted_by(&changed(|_| ()));
    assert_eq!(restricted.hash(), old.hash());
    assert_eq!(restricted.listed().count(), 3, "the primary and two remotes");
}

#[test]
fn an_account_that_is_not_the_cas_is_not_looked_for() {
    let (directory, mut job) = (Fleet::new(6).directory(), dns_01_job("a.example"));
    let mut admits = |account: &str| {
        let account_uris = vec![AccountUri::try_from(account.to_owned()).unwrap()];
        let challenge = Challenge::DnsPersistent { account_uris };
        job.dcv.as_mut().unwrap().challenge = challenge;
        let octets = crate::wire::envelope::unsigned(Kind::Job, &job.to_body());
        let envelope = Envelope::parse(&octets, octets.len()).unwrap();
        directory.admit(&envelope, &job, NOW).map(|_| ()).map_err(|NotAdmitted(error)| error.field)
    };
    assert_eq!(admits("https://ca.example/acct/1"), Ok(()));
    assert_eq!(admits("https://other.example/acct/1"), Err("dcv.account_uris".to_owned()));
}

#[test]
fn a_ca_keeps_no_issuer_that_the_next_document_takes_from_it() {
    let code: CaId = "ca1".parse().unwrap();
    let restricted = restricted(|document| {
        document.cas[0].issuer_domains = vec!["other.example".to_owned()];
        document.cas[0].sign_jobs = true;
    });
    let ca = restricted.ca(&code).unwrap();
    assert!(ca.issuer_domains.is_empty() && ca.sign_jobs);
}
