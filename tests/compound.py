"""Outlook's .msg files for tests: a compound file with a message's properties in it.

Source: [MS-CFB] 2.2 to 2.6, version 4; [MS-OXMSG] 2.4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Storage: TypeAlias = "dict[str, bytes | Storage]"

_SECTOR, _MINI, _CUTOFF = 4096, 64, 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_UTF8 = 65001


def msg(text: str, kind: str = "IPM.Note", inside: Storage | None = None) -> bytes:
    """A message with that body; `inside`: the storage of a message that is attached to it."""
    return compound(message(text, kind, inside, header=32))


def message(
    text: str,
    kind: str = "IPM.Note",
    inside: Storage | None = None,
    header: int = 24,
    *,
    more: Mapping[int, str] | None = None,
    sent: int | None = None,
) -> Storage:
    """A message's storage; `header`: bytes before its properties, fewer in one that is attached.

    `more`: further texts by their ids; `sent`: in 100 ns since 1601.
    """
    texts = {0x001A: kind, 0x0037: "about it", 0x1000: text, **(more or {})}
    streams: Storage = {f"__substg1.0_{each:04X}001E": texts[each].encode() for each in texts}
    entries = [struct.pack("<HHIII", 3, 0x3FFD, 6, _UTF8, 0)]
    entries += [struct.pack("<HHIII", 0x1E, each, 6, len(texts[each]), 0) for each in texts]
    if sent is not None:
        entries.append(struct.pack("<HHIQ", 0x40, 0x0039, 6, sent))
    streams["__properties_version1.0"] = bytes(header) + b"".join(entries)
    if inside is not None:
        embedded = struct.pack("<HHIII", 3, 0x3705, 6, 5, 0)
        streams["__attach_version1.0_#00000000"] = {
            "__properties_version1.0": bytes(8) + embedded,
            "__substg1.0_3701000D": inside,
        }
    return streams


def compound(root: Storage) -> bytes:
    """A compound file; its version's sectors make it one of at most 440 MB."""
    sectors: list[bytes] = []
    table: list[int] = []
    mini, mini_table = bytearray(), list[int]()

    def stored(content: bytes) -> int:
        blocks = [content[at : at + _SECTOR] for at in range(0, len(content), _SECTOR)]
        first = len(sectors)
        sectors.extend(each.ljust(_SECTOR, b"\0") for each in blocks)
        table.extend([*range(first + 1, first + len(blocks)), _END] if blocks else [])
        return first if blocks else _END

    def small(content: bytes) -> int:
        count, first = -(-len(content) // _MINI), len(mini_table)
        mini.extend(content.ljust(count * _MINI, b"\0"))
        mini_table.extend([*range(first + 1, first + count), _END] if count else [])
        return first if count else _END

    entries: list[bytes] = [b""]  # the root's, once it is known where the small streams are
    waiting: list[tuple[str, Storage, int]] = [("Root Entry", root, 0)]
    beside: dict[int, int] = {}
    rest: dict[int, tuple[str, int, int, int]] = {}  # name, start, size, kind
    below: dict[int, int] = {}
    while waiting:
        _, storage, parent = waiting.pop()
        before = None
        for name, held in storage.items():
            entries.append(b"")
            own = len(entries) - 1
            if before is None:
                below[parent] = own
            else:
                beside[before] = own
            before = own
            if isinstance(held, bytes):
                start = (stored if len(held) >= _CUTOFF else small)(held)
                rest[own] = (name, start, len(held), _STREAM)
            else:
                rest[own] = (name, 0, 0, _STORAGE)
                waiting.append((name, held, own))
    rest[0] = ("Root Entry", stored(bytes(mini)), len(mini), _ROOT)
    for number, (name, start, size, kind) in rest.items():
        letters = name.encode("utf-16-le")
        links = (_FREE, beside.get(number, _FREE), below.get(number, _FREE))
        entries[number] = (
            struct.pack("<64sHBB3I", letters, len(letters) + 2, kind, 1, *links)
            + bytes(36)  # no class, no state, no times
            + struct.pack("<IQ", start, size)
        )
    directory = stored(b"".join(entries))
    small_table = stored(struct.pack(f"<{len(mini_table)}I", *mini_table))
    small_count = -(-len(mini_table) * 4 // _SECTOR)
    count = 0
    while count * (_SECTOR // 4) < len(table) + count:
        count += 1
    first = len(table)
    table += [_FAT] * count
    table += [_FREE] * (count * (_SECTOR // 4) - len(table))
    head = struct.pack(
        "<8s16x5H6x9I",
        *(bytes.fromhex("d0cf11e0a1b11ae1"), 0x3E, 4, 0xFFFE, 12, 6),
        *(-(-len(entries) * 128 // _SECTOR), count, directory, 0, _CUTOFF),
        *(small_table, small_count, _END, 0),
    )
    difat = [*range(first, first + count)] + [_FREE] * (109 - count)
    whole = head + struct.pack("<109I", *difat)
    packed = struct.pack(f"<{len(table)}I", *table)
    return b"".join([whole.ljust(_SECTOR, b"\0"), *sectors, packed])
