"""The log as a directory: checkpoint, entry bundles, root (C2SP tlog-tiles, RFC 6962)."""

import base64
import hashlib
import pathlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from messagepack import Malformed


def sha256(octets):
    return hashlib.sha256(octets).digest()


def verifies(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def open_checkpoint(note, vkey):
    """The size and root of a note that the key has signed."""
    name, key_id, key = vkey.strip().split("+", 2)
    typed = base64.b64decode(key, validate=True)
    if sha256(name.encode() + b"\n" + typed)[:4].hex() != key_id or typed[0] != 1:
        raise Malformed("the vkey is none")
    text, _, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    own = f"\u2014 {name} ".encode()
    lines = [line[len(own) :] for line in signatures.splitlines() if line.startswith(own)]
    raw = [base64.b64decode(line, validate=True) for line in lines]
    mine = [octets[4:] for octets in raw if octets[:4].hex() == key_id]
    if not mine or not all(verifies(typed[1:], signature, text) for signature in mine):
        raise Malformed("the checkpoint is not signed by the log")
    origin, size, root = text.decode().splitlines()
    if origin != name:
        raise Malformed("the checkpoint is of another log")
    return int(size), base64.b64decode(root, validate=True)


def entries(log, size):
    """All entries; each bundle must hold exactly those that the size implies."""
    found = []
    for bundle in range((size + 255) // 256):
        width = min(256, size - 256 * bundle)
        found += _bundle(pathlib.Path(log), bundle, width)
    return found


def _bundle(log, bundle, width):
    groups = [f"{bundle % 1000:03}"]
    while bundle >= 1000:
        bundle //= 1000
        groups.insert(0, f"x{bundle % 1000:03}")
    full = log.joinpath("tile", "entries", *groups)
    partial = full.with_name(f"{full.name}.p") / str(width)
    is_partial = width < 256 and partial.exists()
    octets = (partial if is_partial else full).read_bytes()
    found, at = [], 0
    while at + 2 <= len(octets):
        (length,) = struct.unpack_from(">H", octets, at)
        found.append(octets[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(octets) or len(found) < width or (is_partial and len(found) != width):
        raise Malformed(f"bundle {bundle} does not hold {width} entries")
    return found[:width]


def leaf(entry):
    return sha256(b"\x00" + entry)


def root(hashes):
    """RFC 6962 2.1 by levels: a node without a sibling rises as it is."""
    if not hashes:
        return sha256(b"")
    while len(hashes) > 1:
        pairs = [hashes[at : at + 2] for at in range(0, len(hashes), 2)]
        hashes = [sha256(b"\x01" + b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return hashes[0]
