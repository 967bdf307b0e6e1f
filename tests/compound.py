"""Outlook's .msg files for tests: properties in a compound file [MS-OXMSG, MS-CFB], as plain as can
be. Every stream is as long as those that need no mini stream, filled up with zeros.
"""

from __future__ import annotations

from struct import pack

SECTOR = 512
SMALLEST = 4096  # [MS-CFB 2.2]: shorter streams lie elsewhere
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_NONE = 0xFFFFFFFF


def compound(streams: dict[str, bytes]) -> bytes:
    """A file with these streams in its root."""
    fat: list[int] = []
    content = bytearray()

    def chained(stored: bytes) -> int:
        first = len(fat)
        count = len(stored) // SECTOR
        fat.extend([*range(first + 1, first + count), END])
        content.extend(stored)
        return first

    entries = [_entry("Root Entry", 5, child=1 if streams else _NONE, first=END)]
    for number, (name, held) in enumerate(streams.items(), 1):
        size = max(len(held), SMALLEST)
        stored = held.ljust(-(-size // SECTOR) * SECTOR, b"\0")
        right = number + 1 if number < len(streams) else _NONE
        entries.append(_entry(name, 2, right=right, first=chained(stored), size=size))
    while len(entries) % 4:
        entries.append(_entry("", 0))
    directory = chained(b"".join(entries))
    tables = 1
    while (len(fat) + tables) > tables * (SECTOR // 4):
        tables += 1
    first_table = len(fat)
    fat.extend([FAT] * tables)
    fat.extend([FREE] * (tables * (SECTOR // 4) - len(fat)))
    assert tables <= 109
    where = [*range(first_table, first_table + tables), *([FREE] * (109 - tables))]
    header = pack(
        "<8s16x5H6x9I109I",
        bytes.fromhex("d0cf11e0a1b11ae1"),
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, tables, directory, 0, SMALLEST, END, 0, END, 0),
        *where,
    )
    return header + bytes(content) + pack(f"<{len(fat)}I", *fat)


def msg(subject: str, text: str, sent: int, message_id: str) -> bytes:
    """A message; `sent` is in 100 ns since 1601."""
    texts = {0x001A: "IPM.Note", 0x0037: subject, 0x1000: text, 0x1035: message_id}
    streams = {
        f"__substg1.0_{number:04X}001F": value.encode("utf-16-le")
        for number, value in texts.items()
    }
    rows = [pack("<HHIQ", 0x1F, number, 6, 0) for number in texts]
    rows.append(pack("<HHIQ", 0x40, 0x0039, 6, sent))
    return compound({"__properties_version1.0": bytes(32) + b"".join(rows), **streams})


def _entry(
    name: str,
    kind: int,
    *,
    right: int = _NONE,
    child: int = _NONE,
    first: int = 0,
    size: int = 0,
) -> bytes:
    stored = name.encode("utf-16-le")
    return pack(
        "<64sHBBIII16xI16xIQ",
        stored,
        len(stored) + 2 if name else 0,
        *(kind, 1),
        *(_NONE, right, child),
        0,
        first,
        size,
    )
