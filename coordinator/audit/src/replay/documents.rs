//! The directory documents that the log holds, and the keys that they list.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::directory::{Directory, DirectoryError, Key, Owner};
use mpic_common::octets::Hash;
use mpic_common::signature::{KeyId, Strict, Verifier};
use mpic_common::time::UnixMs;
use mpic_common::wire::Seal;

/// What was logged so far in one shard, and what the auditor brought along.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    by_hash: BTreeMap<Hash, Arc<Directory>>,
    newest: Option<Arc<Directory>>,
    /// The document before this shard, for the chain of roots alone.
    before: Option<Arc<Directory>>,
    /// The auditor's own, the newest last. Their roots alone are trusted, where there are any.
    brought: Vec<Arc<Directory>>,
}

/// Whose signatures count, and what verifies them.
#[derive(Clone, Copy)]
pub(super) struct Grounds<'a> {
    pub(super) documents: &'a Documents,
    pub(super) verifier: &'a dyn Verifier,
}

impl<'a> Grounds<'a> {
    /// Every signature is verified at once.
    pub(super) fn strict(documents: &'a Documents) -> Self {
        Self { documents, verifier: &Strict }
    }
}

impl Deref for Grounds<'_> {
    type Target = Documents;

    fn deref(&self) -> &Documents {
        self.documents
    }
}

/// Opens what an auditor brings along, the newest last.
pub(super) fn open(brought: &[Vec<u8>]) -> Result<Vec<Arc<Directory>>, DirectoryError> {
    let opened = brought.iter().map(|octets| Directory::open_unpinned(octets).map(Arc::new));
    let mut opened: Vec<_> = opened.collect::<Result<_, _>>()?;
    opened.sort_by_key(|directory| directory.serial());
    Ok(opened)
}

impl Documents {
    /// Nothing is logged; the auditor's documents apply from the start.
    pub(super) fn new(brought: Vec<Arc<Directory>>) -> Self {
        Self { brought, ..Self::default() }
    }

    /// A shard that goes on after this one.
    pub(super) fn next_shard(&self) -> Self {
        let before = self.newest.clone().or_else(|| self.before.clone());
        Self { before, brought: self.brought.clone(), ..Self::default() }
    }

    /// The document of this hash.
    pub(super) fn by_hash(&self, hash: &Hash) -> Option<&Arc<Directory>> {
        self.by_hash.get(hash)
    }

    /// The newest document.
    pub(super) fn newest(&self) -> Option<&Arc<Directory>> {
        self.newest.as_ref()
    }

    /// R4: takes a logged document, or says why it breaks the chain. Equal octets may come again.
    /// Gives the time of issue.
    pub(super) fn add(&mut self, octets: &[u8]) -> Result<UnixMs, String> {
        let document = match Directory::open_unpinned(octets) {
            Ok(document) => Arc::new(document),
            Err(error) => return Err(chain(&error)),
        };
        if self.by_hash.contains_key(&document.hash()) {
            return Ok(document.issued_ms());
        }
        if let Some(last) = self.newest.as_ref().or(self.before.as_ref()) {
            let is_again = document.hash() == last.hash();
            if !is_again && document.serial() <= last.serial() {
                let (serial, last) = (document.serial(), last.serial());
                return Err(format!("serial {serial} does not rise above {last}"));
            }
            check_root(last, &document)?;
        }
        self.check_pinned(&document)?;
        self.by_hash.insert(document.hash(), Arc::clone(&document));
        let issued = document.issued_ms();
        self.newest = Some(document);
        Ok(issued)
    }

    /// R4: the root of a logged document is one that the auditor trusts. That a document names a
    /// trusted root as its next one says nothing: anybody can name it.
    fn check_pinned(&self, document: &Directory) -> Result<(), String> {
        let is_trusted = self.brought.iter().any(|brought| brought.root() == document.root());
        if is_trusted || self.brought.is_empty() {
            return Ok(());
        }
        let (root, serial) = (document.root(), document.serial());
        Err(format!(
            "serial {serial} is signed by the root {root}, of which no directory document was given"
        ))
    }

    /// R4: the auditor's newest document is the log's newest one or follows it.
    pub(super) fn check_brought(&self) -> Result<(), String> {
        let last = self.newest.as_ref().or(self.before.as_ref());
        let (Some(brought), Some(last)) = (self.brought.last(), last) else { return Ok(()) };
        if brought.hash() == last.hash() {
            return Ok(());
        }
        if brought.serial() <= last.serial() {
            let (serial, last) = (brought.serial(), last.serial());
            return Err(format!("the document given has serial {serial}, the log's newest {last}"));
        }
        check_root(last, brought)
    }

    /// Whose a key is, by the newest document that lists it.
    pub(super) fn owner(&self, id: KeyId) -> Option<&Owner> {
        let mut documents = self.newest.iter().chain(self.by_hash.values());
        documents.find_map(|document| document.owner(id))
    }

    /// R3: the key that a seal names, listed in the newest document, in force at `at`, and
    /// revoked by no document then.
    pub(super) fn key(&self, seal: Option<Seal>, at: UnixMs) -> Result<&Key, String> {
        let id = seal.ok_or("it is not signed")?.key;
        let newest = self.newest.as_ref().ok_or("no directory document was logged before")?;
        self.check_revoked(id, at)?;
        let key = newest.key(id, at);
        key.ok_or_else(|| format!("no key {id} is in force at {at}"))
    }

    /// R3 for what a decision carries: the key is revoked by no document, and in force in the
    /// newest one too, unless that was issued so late that processes need not have had it.
    pub(super) fn check_carried(&self, seal: Option<Seal>, at: UnixMs) -> Result<(), String> {
        let Some(seal) = seal else { return Ok(()) };
        self.check_revoked(seal.key, at)?;
        match &self.newest {
            Some(newest) if at.since(newest.issued_ms()) > RELOAD_MAX => {
                let found = newest.key(seal.key, at);
                let gone =
                    || format!("the newest document has no key {} in force at {at}", seal.key);
                found.map(|_| ()).ok_or_else(gone)
            }
            _ => Ok(()),
        }
    }

    /// Errs where any document has the key as revoked by then, be it logged later than it was used.
    pub(super) fn check_revoked(&self, id: KeyId, at: UnixMs) -> Result<(), String> {
        let documents = self.by_hash.values().chain(&self.brought);
        let revoked = documents.filter_map(|document| document.revoked_ms(id)).min();
        match revoked.filter(|revoked| *revoked <= at) {
            Some(revoked) => Err(format!("the key {id} was revoked at {revoked}")),
            None => Ok(()),
        }
    }
}

/// Errs unless the key is this owner's.
pub(super) fn check_owner(key: &Key, owner: &Owner) -> Result<(), String> {
    if key.owner == *owner {
        Ok(())
    } else {
        Err(format!("it is signed by the key of {:?}, not of {owner:?}", key.owner))
    }
}

/// The root of a document is one that the document before it names.
fn check_root(last: &Directory, next: &Directory) -> Result<(), String> {
    if next.root() == last.root() || last.next_root() == Some(next.root()) {
        Ok(())
    } else {
        Err(format!("its root {} is none that serial {} names", next.root(), last.serial()))
    }
}

/// Processes take a new document within this time.
pub(super) const RELOAD_MAX: Duration = Duration::from_secs(60);

fn chain(error: &DirectoryError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
