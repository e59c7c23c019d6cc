//! Checkpoints as signed notes (c2sp.org tlog-checkpoint, signed-note), and the log's keys.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use mpic_common::octets::Hash;
use signed_note::{Note, Signer, Verifier, VerifierList, is_key_name_valid, key_id};
use thiserror::Error;

use crate::tree::HASH_OCTETS;

/// The head of a tree: what a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which is also the name of its key.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
}

/// The log's signing key, bound to an origin.
#[derive(Clone)]
pub struct LogKey {
    public: LogPublicKey,
    signing: SigningKey,
}

/// The key that everyone verifies a log's checkpoints with; its text form is the vkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPublicKey {
    origin: String,
    key: VerifyingKey,
}

/// Why a key is not one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not a name that a note can carry: empty, or with white space or a plus sign.
    #[error("{0:?} cannot be the origin of a log")]
    Origin(String),
    /// Not `name+id+base64` with an Ed25519 key of that id.
    #[error("{0:?} is not the vkey of an Ed25519 log key")]
    Vkey(String),
}

/// Why octets are no checkpoint of this log.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// Not a signed note of at most 64 KiB.
    #[error("not a signed note")]
    Malformed,
    /// The text is not origin, size and root, one a line.
    #[error("the text of the note is not a checkpoint")]
    NotACheckpoint,
    /// The checkpoint of another log.
    #[error("the checkpoint is of {found:?}, not of {wanted:?}")]
    Origin {
        /// The origin in the text.
        found: String,
        /// The key's origin.
        wanted: String,
    },
    /// Not signed by the log's key, or wrongly.
    #[error("the log's signature is absent or not valid")]
    Signature,
}

impl LogKey {
    /// The key with this Ed25519 seed, for checkpoints of this origin.
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let signing = SigningKey::from_bytes(seed);
        let public = LogPublicKey::new(origin, signing.verifying_key())?;
        Ok(Self { public, signing })
    }

    /// What others verify with.
    pub fn public(&self) -> &LogPublicKey {
        &self.public
    }

    /// The signed note for a tree of this origin; the same octets whenever it is made.
    pub fn sign(&self, size: u64, root: Hash) -> Result<Vec<u8>, NoteError> {
        let checkpoint = Checkpoint { origin: self.public.origin.clone(), size, root };
        let note = Note::new(checkpoint.to_string().as_bytes(), &[]);
        let mut note = note.map_err(|_| NoteError::Malformed)?;
        note.add_sigs(&[self]).map_err(|_| NoteError::Signature)?;
        Ok(note.to_bytes())
    }
}

impl LogPublicKey {
    /// The key as it is, for checkpoints of this origin.
    pub fn new(origin: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        let is_name = is_key_name_valid(origin) && !origin.contains(char::is_control);
        let origin = is_name.then(|| origin.to_owned()).ok_or(KeyError::Origin(origin.into()))?;
        Ok(Self { origin, key })
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Reads a note: origin and own signature must be right, lines of unknown keys are ignored.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, NoteError> {
        if note.len() > NOTE_OCTETS_MAX {
            return Err(NoteError::Malformed);
        }
        let note = Note::from_bytes(note).map_err(|_| NoteError::Malformed)?;
        let keys = VerifierList::new(vec![Box::new(self.clone())]);
        let (own, _) = note.verify(&keys).map_err(|_| NoteError::Signature)?;
        if own.is_empty() {
            return Err(NoteError::Signature);
        }
        let checkpoint = parse_checkpoint(note.text()).ok_or(NoteError::NotACheckpoint)?;
        if checkpoint.origin == self.origin {
            Ok(checkpoint)
        } else {
            Err(NoteError::Origin { found: checkpoint.origin, wanted: self.origin.clone() })
        }
    }

    fn typed_octets(&self) -> Vec<u8> {
        [&[TYPE_ED25519], self.key.as_bytes().as_slice()].concat()
    }

    fn id(&self) -> u32 {
        key_id(&self.origin, &self.typed_octets())
    }
}

/// The checkpoint in a note whose signatures nobody has verified.
pub fn read_unverified(note: &[u8]) -> Result<Checkpoint, NoteError> {
    let note = Note::from_bytes(note).map_err(|_| NoteError::Malformed)?;
    parse_checkpoint(note.text()).ok_or(NoteError::NotACheckpoint)
}

/// Three lines, with nothing after them.
fn parse_checkpoint(text: &[u8]) -> Option<Checkpoint> {
    let text = str::from_utf8(text).ok()?;
    let mut lines = text.lines();
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let root: [u8; HASH_OCTETS] = BASE64.decode(root.as_bytes()).ok()?.try_into().ok()?;
    let size = size.parse().ok()?;
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: Hash(root) };
    (checkpoint.to_string() == text).then_some(checkpoint)
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{}\n", BASE64.encode(&root.0))
    }
}

impl fmt::Display for LogPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.origin, self.id(), BASE64.encode(&self.typed_octets()))
    }
}

impl FromStr for LogPublicKey {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Vkey(vkey.to_owned());
        // An origin has no plus sign, base64 may.
        let (origin, rest) = vkey.split_once('+').ok_or_else(malformed)?;
        let (_, key) = rest.split_once('+').ok_or_else(malformed)?;
        let key = BASE64.decode(key.as_bytes()).ok().and_then(|octets| {
            let key = octets.strip_prefix(&[TYPE_ED25519])?.try_into().ok()?;
            VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak())
        });
        let key = Self::new(origin, key.ok_or_else(malformed)?)?;
        if key.to_string() == vkey { Ok(key) } else { Err(malformed()) }
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Signer for LogKey {
    fn name(&self) -> &str {
        &self.public.origin
    }

    fn key_id(&self) -> u32 {
        self.public.id()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.signing.try_sign(text)?.to_vec())
    }
}

impl Verifier for LogPublicKey {
    fn name(&self) -> &str {
        &self.origin
    }

    fn key_id(&self) -> u32 {
        self.id()
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

/// Room for well over 16 signatures, of post-quantum keys too.
const NOTE_OCTETS_MAX: usize = 64 * 1_024;

/// The signature type of Ed25519 in c2sp.org signed-note.
const TYPE_ED25519: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "audit.example/mpic/2026h2";
    const VKEY: &str =
        "audit.example/mpic/2026h2+1015db77+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    const NOTE: &str = "audit.example/mpic/2026h2\n2\ngJdd2JBZiHhmoj8GODmXNt7T8y0e/U1PXUML6sel1RA=\n\
        \n— audit.example/mpic/2026h2 EBXbd8BZrrYFjwMXk0cth3MoTW+eVAhUjP9apti0MSDfjzbr\
        +6TyIJGeP8UrHv7lsBuujtZhxwpjnB/xlTo8CZbwvAs=\n";

    fn key() -> LogKey {
        LogKey::new(ORIGIN, &[1; 32]).expect("a valid origin")
    }

    #[test]
    fn the_key_of_the_test_vector_has_its_vkey() {
        assert_eq!(key().public().to_string(), VKEY);
        assert_eq!(&VKEY.parse::<LogPublicKey>().expect("a vkey"), key().public());
    }

    #[test]
    fn the_checkpoint_of_the_test_vector_is_signed_and_read() {
        let checkpoint = key().public().open(NOTE.as_bytes()).expect("a valid note");
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), (ORIGIN, 2));
        assert_eq!(key().sign(2, checkpoint.root).expect("a note"), NOTE.as_bytes());
    }

    #[test]
    fn a_note_with_any_bit_flipped_is_refused() {
        for place in 0..NOTE.len() {
            for bit in 0..8 {
                let mut note = NOTE.as_bytes().to_vec();
                note[place] ^= 1 << bit;
                assert!(key().public().open(&note).is_err(), "octet {place}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_line_of_an_unknown_key_is_ignored_and_a_wrong_one_of_the_own_key_is_not() {
        let witness = LogKey::new("witness.example", &[9; 32]).expect("a valid origin");
        let text = NOTE.split("\n\n").next().expect("text");
        let mut note = Note::new(format!("{text}\n").as_bytes(), &[]).expect("a note");
        note.add_sigs(&[&witness]).expect("signed");
        let only_witness = note.to_bytes();
        assert_eq!(key().public().open(&only_witness), Err(NoteError::Signature));
        note.add_sigs(&[&key()]).expect("signed");
        assert_eq!(key().public().open(&note.to_bytes()).expect("both").size, 2);
        let forged = NOTE.replace("EBXbd8B", "EBXbd8C");
        assert_eq!(key().public().open(forged.as_bytes()), Err(NoteError::Signature));
    }

    #[test]
    fn a_checkpoint_of_another_origin_or_with_more_lines_is_refused() {
        let sign = |text: &str| {
            let mut note = Note::new(text.as_bytes(), &[]).expect("a note");
            note.add_sigs(&[&key()]).expect("signed");
            key().public().open(&note.to_bytes())
        };
        let root = BASE64.encode(&[5; 32]);
        assert!(sign(&format!("{ORIGIN}\n7\n{root}\n")).is_ok());
        assert!(matches!(sign(&format!("other\n7\n{root}\n")), Err(NoteError::Origin { .. })));
        for text in [
            format!("{ORIGIN}\n7\n{root}\nextension\n"),
            format!("{ORIGIN}\n07\n{root}\n"),
            format!("{ORIGIN}\n+7\n{root}\n"),
            format!("{ORIGIN}\n7\n{}\n", BASE64.encode(&[5; 31])),
            format!("{ORIGIN}\n7\n"),
        ] {
            assert_eq!(sign(&text), Err(NoteError::NotACheckpoint), "{text:?}");
        }
    }

    #[test]
    fn a_vkey_is_read_as_it_is_shown_whatever_its_base64_holds() {
        let keys = (0..=255).map(|octet| LogKey::new(ORIGIN, &[octet; 32]).expect("a key"));
        let shown: Vec<_> = keys.map(|key| key.public().to_string()).collect();
        assert!(shown.iter().any(|vkey| vkey.matches('+').count() > 2), "a plus sign in base64");
        for vkey in shown {
            assert_eq!(vkey.parse::<LogPublicKey>().map(|key| key.to_string()), Ok(vkey));
        }
    }

    #[test]
    fn names_that_break_a_note_and_vkeys_that_do_not_add_up_are_refused() {
        for origin in ["", "a b", "a+b", "a\nb", "a\u{7f}b"] {
            assert!(LogKey::new(origin, &[1; 32]).is_err(), "{origin:?}");
        }
        for vkey in [VKEY.replace("1015", "1016"), VKEY.replace("+AY", "+AZ"), "a+b".into()] {
            assert!(vkey.parse::<LogPublicKey>().is_err(), "{vkey}");
        }
    }
}
