"""What a file is, told from its name, else from its first bytes. Pure.

Law kept here: what can't be told is refused by name, with what to do, before anything is sent.
"""

from __future__ import annotations

import os
from pathlib import Path

from bulkload.errors import RefusedToStart
from bulkload.sources.arrow import MAGIC as ARROW_MAGIC
from bulkload.sources.formats import FORMATS
from bulkload.sources.ndjson import BOM
from bulkload.sources.outlook import outlook_by_content
from bulkload.sources.parquet import MAGIC
from bulkload.sources.unpack import PACKED

SNIFFED_BYTES = 1 << 16
"""How much of a file's beginning decides its format, and is checked for being text."""


def suffix(path: str) -> str:
    """The ending of a name, without that of a compression; in lower case."""
    lower = path.lower()
    for packed in PACKED:
        lower = lower.removesuffix(packed)
    return os.path.splitext(lower)[1]  # noqa: PTH122  # of a string that is no path any more


def by_extension(path: str) -> str | None:
    """The format of a file of that name, None where it does not tell."""
    ending = suffix(path)
    return next((known.name for known in FORMATS if ending in known.extensions), None)


def by_content(head: bytes, shown: str) -> str:
    """The format of a file that begins so. Raises RefusedToStart where that does not tell."""
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"From "):
        return "mbox"
    if head.startswith(MAGIC):
        return "parquet"
    if head.startswith(ARROW_MAGIC):
        return "arrow"
    if start.startswith((b"{", b"[")):
        return "ndjson"
    if form := outlook_by_content(head):
        return form
    listed = "; ".join(
        f"{known.name} ({' '.join(known.extensions) or 'by content'}): {known.description}"
        for known in FORMATS
    )
    raise RefusedToStart(
        f"{shown}: its format can't be told from its name or its first bytes. "
        f"Say which with --format. Formats: {listed}; and zip and tar archives of mail."
    )


def refuse_unless_json_text(head: bytes, shown: str) -> None:
    """Raises RefusedToStart where a file that begins with `head` has no JSON in lines."""
    _refuse_utf16(head, shown)
    start = head.removeprefix(BOM).lstrip()
    if start.partition(b"\n")[0].strip() == b"{":
        raise RefusedToStart(
            f"{shown}: is one JSON object over many lines. Make its records one object a line: "
            f"jq -c '.results[]' {shown} > records.ndjson, or jq -c . where it is several."
        )
    nul = head.find(b"\0")
    if nul >= 0:
        raise RefusedToStart(
            f"{shown}: is a binary file (a NUL byte at byte {nul}), not NDJSON. "
            "Check the path, or say what it is with --format."
        )
    # Only the first line: one bad line further on is that line's fault, not the file's.
    first, newline, _ = head.partition(b"\n")
    try:
        first.decode()
    except UnicodeDecodeError as error:
        if not newline and error.reason == "unexpected end of data":
            return
        raise RefusedToStart(
            f"{shown}: is not UTF-8 (byte {error.start}), so no NDJSON. "
            "Convert it, as in `iconv -t UTF-8`, or say what it is with --format."
        ) from None


def _refuse_utf16(head: bytes, shown: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedToStart(
            f"{shown}: is UTF-16 (a byte order mark at byte 0). "
            f"Convert it: iconv -f UTF-16 -t UTF-8 {shown} > utf8-{Path(shown).name}"
        )
