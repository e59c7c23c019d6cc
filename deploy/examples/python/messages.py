"""Messages of the bus as docs/WIRE.md has them: envelopes, signatures, the directory, proofs.

Everything here is a function of octets. Whatever is not as it must be raises `Unbelievable`, and
what cannot be believed is no answer.
"""

import base64
import hashlib
import re

import msgpack
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

CONTEXTS = {
    "job": b"MPIC-job-v1",
    "assignment": b"MPIC-assignment-v1",
    "reply": b"MPIC-reply-v1",
    "decision": b"MPIC-decision-v1",
    "refusal": b"MPIC-decision-v1",
    "directory": b"MPIC-directory-v1",
}
ZEROS = bytes(32)


class Unbelievable(Exception):
    """Octets that nobody should believe."""


def demand(holds, text):
    if not holds:
        raise Unbelievable(text)


def sha256(octets):
    return hashlib.sha256(octets).digest()


def unpack(octets):
    """One MessagePack value that ends where the octets end: keys unique, no extension types."""

    def members(pairs):
        found = dict(pairs)
        demand(len(found) == len(pairs), "a key twice")
        return found

    def extension(code, _):
        raise Unbelievable(f"the extension type {code}")

    try:
        return msgpack.unpackb(octets, object_pairs_hook=members, ext_hook=extension)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise Unbelievable(f"no MessagePack: {error}") from error


def key_id(public):
    return sha256(b"mpic/key/v1\x00" + public)[:8]


def seal(kind, fields, key=None):
    """An envelope around a body, signed where there is a key; and the SHA-256 of the body.

    Only a job is signed this way: it answers nothing, so its signature covers no digest.
    """
    body = msgpack.packb({"type": kind, **fields})
    named, sig = b"", b""
    if key is not None:
        named = key_id(bytes(key.verify_key))
        sig = key.sign(b"\xff" + CONTEXTS[kind] + b"\x00" + body).signature
    envelope = {"v": 1, "type": kind, "key": named, "body": body, "sig": sig}
    return msgpack.packb(envelope), sha256(body)


class Envelope:
    """A message whose form is right. What it says is nobody's word until `verify`."""

    def __init__(self, octets, kind):
        fields = unpack(octets)
        is_envelope = isinstance(fields, dict) and list(fields) == ["v", "type", "key", "body", "sig"]
        demand(is_envelope and fields["v"] == 1, "no envelope of version 1")
        demand(fields["type"] == kind, f"a {fields['type']} in the place of a {kind}")
        self.kind, self.key, self.sig = kind, fields["key"], fields["sig"]
        self.octets = fields["body"]
        self.digest = sha256(self.octets)
        self.body = unpack(self.octets)
        # The signature covers the body alone, so the body repeats what it is.
        demand(next(iter(self.body.items())) == ("type", kind), "the body is of another type")

    def verify(self, public, digest):
        """Signed by this key, as an answer to the message of this digest."""
        signed = b"\xff" + CONTEXTS[self.kind] + b"\x00" + digest + self.octets
        try:
            VerifyKey(public).verify(signed, self.sig)
        except (BadSignatureError, ValueError, TypeError) as error:
            raise Unbelievable(f"the {self.kind}'s signature does not hold") from error


class Directory:
    """The directory document: whose keys count, and when. One key, pinned, signs it."""

    def __init__(self, octets, root):
        algorithm, _, pinned = root.partition(":")
        demand(algorithm == "ed25519", "the root is no Ed25519 key")
        document = Envelope(octets, "directory")
        document.verify(base64.b64decode(pinned, validate=True), ZEROS)
        self.keys = document.body["keys"]

    def signer(self, envelope, role, at_ms):
        """The entry of the key that an envelope names, which has this role and is in force."""
        for key in self.keys:
            ends = [end for end in (key["until_ms"], key["revoked_ms"]) if end is not None]
            holds = key["from_ms"] <= at_ms and all(at_ms < end for end in ends)
            if key["id"] == envelope.key == key_id(key["public"]) and key["role"] == role and holds:
                return key
        raise Unbelievable(f"no {role} in force signed the {envelope.kind}")


def read_key(path):
    """A signing key: base64 of 32 octets on one line."""
    with open(path, encoding="ascii") as file:
        return SigningKey(base64.b64decode(file.read().strip(), validate=True))


def open_checkpoint(note, vkey):
    """Size and root of the tree in a signed note (c2sp.org/signed-note, tlog-checkpoint)."""
    name, hashed, key = vkey.strip().split("+", 2)
    typed = base64.b64decode(key, validate=True)
    known = sha256(name.encode() + b"\n" + typed)[:4]
    demand(known.hex() == hashed and typed[:1] == b"\x01", "the log's key is no Ed25519 vkey")
    text, _, signatures = note.rpartition("\n\n")
    signed = (text + "\n").encode()
    for line in signatures.splitlines():
        match = re.fullmatch(rf"\u2014 {re.escape(name)} ([A-Za-z0-9+/=]+)", line)
        raw = base64.b64decode(match[1]) if match else b""
        if raw[:4] == known:
            try:
                VerifyKey(typed[1:]).verify(signed, raw[4:])
            except (BadSignatureError, ValueError) as error:
                raise Unbelievable("the checkpoint's signature does not hold") from error
            origin, size, root, *_ = text.splitlines()
            demand(origin == name, "the checkpoint is of another log")
            return int(size), base64.b64decode(root, validate=True)
    raise Unbelievable("the log did not sign the checkpoint")


def check_proof(text, vkey, leaf):
    """Index and size: the leaf is in the tree that the log has signed (c2sp.org/tlog-proof).

    The path leads to the root as RFC 9162, section 2.1.3.2 has it.
    """
    head, _, note = text.partition("\n\n")
    header, index, *path = head.splitlines()
    demand(header == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "no proof")
    size, root = open_checkpoint(note, vkey)
    index = int(index.removeprefix("index "))
    demand(0 <= index < size, "the proof is of no entry of the tree")
    at, last, found = index, size - 1, leaf
    for line in path:
        sibling = base64.b64decode(line, validate=True)
        demand(last > 0 and len(sibling) == 32, "the path is too long")
        if at % 2 == 1 or at == last:
            found = sha256(b"\x01" + sibling + found)
            while at % 2 == 0 and at > 0:
                at, last = at // 2, last // 2
        else:
            found = sha256(b"\x01" + found + sibling)
        at, last = at // 2, last // 2
    demand(last == 0 and found == root, "the path does not lead to the root")
    return index, size
