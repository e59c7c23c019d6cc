"""MessagePack as the log uses it: one value, text keys that are unique, no extension types."""

import struct


class Malformed(Exception):
    """The octets are not what they must be."""


def decode(octets):
    """The one value that ends where the octets end."""
    value, end = _value(octets, 0, 0)
    if end != len(octets):
        raise Malformed("octets after the value")
    return value


def _take(octets, at, count):
    if at + count > len(octets):
        raise Malformed("the octets end early")
    return octets[at : at + count], at + count


_NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
            0xD3: ">q", 0xCA: ">f", 0xCB: ">d"}
_LENGTHS = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I",
            0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}


def _number(form, octets, at):
    raw, at = _take(octets, at, struct.calcsize(form))
    return struct.unpack(form, raw)[0], at


def _value(octets, at, depth):
    if depth > 8:
        raise Malformed("nested too deep")
    (tag,), at = _take(octets, at, 1)
    if tag <= 0x7F:
        return tag, at
    if tag >= 0xE0:
        return tag - 0x100, at
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    if tag in _NUMBERS:
        return _number(_NUMBERS[tag], octets, at)
    if tag <= 0x8F:
        return _map(octets, at, tag & 0x0F, depth)
    if tag <= 0x9F:
        return _array(octets, at, tag & 0x0F, depth)
    if tag <= 0xBF:
        return _text(octets, at, tag & 0x1F)
    if tag not in _LENGTHS:
        raise Malformed(f"the type {tag:#x}")
    length, at = _number(_LENGTHS[tag], octets, at)
    if tag <= 0xC6:
        return _take(octets, at, length)
    if tag <= 0xDB:
        return _text(octets, at, length)
    return (_array if tag <= 0xDD else _map)(octets, at, length, depth)


def _text(octets, at, length):
    raw, at = _take(octets, at, length)
    try:
        return raw.decode("utf-8"), at
    except UnicodeDecodeError as error:
        raise Malformed("text that is not UTF-8") from error


def _array(octets, at, count, depth):
    items = []
    for _ in range(count):
        item, at = _value(octets, at, depth + 1)
        items.append(item)
    return items, at


def _map(octets, at, count, depth):
    fields = {}
    for _ in range(count):
        name, at = _value(octets, at, depth + 1)
        if not isinstance(name, str) or name in fields:
            raise Malformed(f"the key {name!r}")
        fields[name], at = _value(octets, at, depth + 1)
    return fields, at
