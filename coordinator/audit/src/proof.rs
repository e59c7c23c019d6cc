//! Inclusion proofs as files: `c2sp.org/tlog-proof@v1`.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use mpic_common::octets::Hash;
use thiserror::Error;

use crate::note::{Checkpoint, LogPublicKey, NoteError};
use crate::tree::{HASH_OCTETS, check_inclusion};

/// That an entry is in the log: for ever, whoever serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry's place.
    pub index: u64,
    /// The path to the root, the leaf's sibling first.
    pub path: Vec<Hash>,
    /// The signed note of the tree that the path leads to.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// Not a text of this format.
    #[error("not a c2sp.org/tlog-proof@v1 text")]
    Malformed,
    /// The checkpoint in it is not this log's.
    #[error("the checkpoint of the proof is not one of this log")]
    Checkpoint(#[from] NoteError),
    /// The path does not lead from the entry to the root.
    #[error("the proof is not one of this entry")]
    Path,
}

impl Proof {
    /// Checks that the entry with this leaf hash is in the tree of the checkpoint that it gives.
    pub fn check(&self, key: &LogPublicKey, leaf: Hash) -> Result<Checkpoint, ProofError> {
        let checkpoint = key.open(self.checkpoint.as_bytes())?;
        let Checkpoint { size, root, .. } = checkpoint;
        if check_inclusion(&self.path, size, root, self.index, leaf) {
            Ok(checkpoint)
        } else {
            Err(ProofError::Path)
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADER}\nindex {}\n", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(&hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        parse(text).filter(|proof| proof.to_string() == text).ok_or(ProofError::Malformed)
    }
}

fn parse(text: &str) -> Option<Proof> {
    let (head, checkpoint) = text.split_once("\n\n")?;
    let mut lines = head.strip_prefix(HEADER)?.strip_prefix('\n')?.lines();
    let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
    let path = lines.map(|line| {
        let octets: [u8; HASH_OCTETS] = BASE64.decode(line.as_bytes()).ok()?.try_into().ok()?;
        Some(Hash(octets))
    });
    let path: Option<Vec<_>> = path.collect();
    Some(Proof { index, path: path?, checkpoint: checkpoint.to_owned() })
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::LogKey;
    use crate::tree::{Edge, Reader, leaf_hash};

    fn proof_of_a_small_tree() -> (LogKey, Vec<Hash>, Proof) {
        let leaves: Vec<_> = (0_u8..6).map(|i| leaf_hash(&[i])).collect();
        let tree = Edge::default().append(&leaves).expect("small");
        let root = tree.edge.root();
        let reader = Reader::new(6, root, |name| tree.tiles.get(&name).cloned().ok_or(name));
        let path = reader.expect("its tiles").inclusion(4).expect("in the tree");
        let key = LogKey::new("log.example", &[1; 32]).expect("a valid origin");
        let checkpoint = String::from_utf8(key.sign(6, root).expect("a note")).expect("text");
        (key, leaves, Proof { index: 4, path, checkpoint })
    }

    #[test]
    fn a_proof_is_read_back_and_proves_its_entry_only() {
        let (key, leaves, proof) = proof_of_a_small_tree();
        assert_eq!(proof.to_string().parse(), Ok(proof.clone()));
        assert_eq!(proof.check(key.public(), leaves[4]).expect("valid").size, 6);
        assert_eq!(proof.check(key.public(), leaves[3]), Err(ProofError::Path));
        let other = LogKey::new("log.example", &[2; 32]).expect("a valid origin");
        let refused = proof.check(other.public(), leaves[4]);
        assert!(matches!(refused, Err(ProofError::Checkpoint(_))));
    }

    #[test]
    fn a_proof_with_any_octet_changed_is_refused() {
        let (key, leaves, proof) = proof_of_a_small_tree();
        let text = proof.to_string();
        for place in 0..text.len() {
            let mut octets = text.clone().into_bytes();
            octets[place] ^= 1;
            let changed = String::from_utf8(octets).ok().and_then(|text| text.parse().ok());
            let is_valid = |proof: Proof| proof.check(key.public(), leaves[4]).is_ok();
            assert!(!changed.is_some_and(is_valid), "octet {place}");
        }
    }
}
