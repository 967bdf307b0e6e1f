"""What the user named → sources. Formats by extension, else by the first bytes.

Every refusal comes before anything is sent, and names the file, the position and what to do.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.letters import LettersSource, is_letter
from bulkload.sources.mbox import MboxSource
from bulkload.sources.ndjson import BOM, NdjsonSource
from bulkload.sources.spool import spool_stdin
from bulkload.sources.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.protocols import Source


class Format(NamedTuple):
    """A format as `--format` takes it and the documentation lists it."""

    name: str
    extensions: tuple[str, ...]
    description: str


FORMATS = (
    Format("ndjson", (".ndjson", ".jsonl", ".json"), "one JSON object a line"),
    Format("csv", (".csv", ".tsv"), "a table whose header names the properties"),
    Format("mbox", (".mbox", ".mbx"), "many messages in one file"),
    Format("eml", (".eml",), "one message a file, or a folder of them"),
    Format("letters", (), "a dead-letters.ndjson, as a run wrote it or edited"),
)

SNIFFED_BYTES = 1 << 16
"""How much of a file's beginning decides its format, and is checked for being text."""


def open_sources(
    specs: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002  # the flag's name
    max_record_bytes: int,
    spool_dir: Path | None = None,
) -> list[Source]:
    """The sources that `specs` name: files, folders, globs (sorted), "-" for stdin (NDJSON).

    `format` is one of FORMATS, for all of them; None finds it out for each. Stdin is written
    to `spool_dir`/stdin.ndjson first, so that it can be read again. Raises RefusedToStart.
    """
    names = [known.name for known in FORMATS]
    if format is not None and format not in names:
        raise RefusedToStart(f"--format {format}: unknown; one of {', '.join(names)}.")
    if not specs:
        raise RefusedToStart("no source was named: give a file, a folder, a glob, or - for stdin.")
    sources: list[Source] = []
    seen: dict[Path, str] = {}
    for spec in specs:
        for path in _expanded(spec):
            if path == "-":
                if format not in (None, "ndjson", "letters"):
                    raise RefusedToStart(f"-: stdin is read as NDJSON, not as {format}.")
                source = _stdin(spool_dir, format, max_record_bytes)
            else:
                source = _open(path, format, max_record_bytes)
            resolved = Path(path).resolve()
            if resolved in seen:
                raise RefusedToStart(
                    f"{path}: was named twice (as {seen[resolved]} too): "
                    "its records would be loaded twice. Name it once."
                )
            seen[resolved] = path
            sources.append(source)
    return sources


def _expanded(spec: str) -> list[str]:
    # A file whose own name has brackets in it is that file.
    if spec == "-" or os.path.lexists(spec) or not glob.has_magic(spec):
        return [spec]
    paths = sorted(glob.glob(spec, recursive=True))  # noqa: PTH207  # names as the user gave them
    if not paths:
        raise RefusedToStart(f"{spec}: no file matches. Check the pattern and the folder.")
    return paths


def _stdin(spool_dir: Path | None, form: str | None, limit: int) -> Source:
    if spool_dir is None:
        raise RefusedToStart("-: stdin can't be kept without a run directory; name a file.")
    path = spool_stdin(spool_dir)
    if path.stat().st_size == 0:
        raise RefusedToStart("-: stdin is empty: nothing to load.")
    return _open(str(path), form, limit, name="stdin", default="ndjson")


def _open(
    path: str, form: str | None, limit: int, *, name: str | None = None, default: str | None = None
) -> Source:
    shown = name or path
    if Path(path).is_dir():
        if form not in (None, "eml"):
            raise RefusedToStart(
                f"{shown}: is a folder, and --format {form} reads files. "
                f"Name them, as in '{path.rstrip('/')}/*'."
            )
        folder = EmlSource(path, shown, max_record_bytes=limit, all_files=form == "eml")
        folder.names()
        return folder
    head = _head(path, shown)
    form = form or _by_extension(path) or default or _by_content(head, shown)
    if form in ("ndjson", "letters"):
        _refuse_unless_json_text(head, shown)
        if form == "letters" or is_letter(head):
            return LettersSource(path, shown, max_record_bytes=limit)
        return NdjsonSource(path, shown, max_record_bytes=limit)
    if form == "csv":
        _refuse_utf16(head, shown)
        tab = "\t" if _suffix(path) == ".tsv" else None
        return CsvSource(path, shown, max_record_bytes=limit, delimiter=tab)
    if form == "mbox":
        _refuse_unless_mbox(head, shown)
        return MboxSource(path, shown, max_record_bytes=limit)
    return EmlSource(path, shown, max_record_bytes=limit, all_files=True)


def _head(path: str, shown: str) -> bytes:
    stream = Stream(Path(path), shown)
    try:
        head = stream.read()
        flaw = stream.flaw
    finally:
        stream.close()
    if not head and flaw:
        raise RefusedToStart(f"{shown}: {flaw}.")
    if not head:
        raise RefusedToStart(f"{shown}: is empty: nothing to load.")
    return head[:SNIFFED_BYTES]


def _suffix(path: str) -> str:
    lower = path.lower().removesuffix(".gz")
    return os.path.splitext(lower)[1]  # noqa: PTH122  # of a string that is no path any more


def _by_extension(path: str) -> str | None:
    suffix = _suffix(path)
    return next((known.name for known in FORMATS if suffix in known.extensions), None)


def _by_content(head: bytes, shown: str) -> str:
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"From "):
        return "mbox"
    if start.startswith((b"{", b"[")):
        return "ndjson"
    listed = "; ".join(
        f"{known.name} ({' '.join(known.extensions) or 'by content'}): {known.description}"
        for known in FORMATS
    )
    raise RefusedToStart(
        f"{shown}: its format can't be told from its name or its first bytes. "
        f"Say which with --format. Formats: {listed}."
    )


def _refuse_unless_json_text(head: bytes, shown: str) -> None:
    _refuse_utf16(head, shown)
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"["):
        raise RefusedToStart(
            f"{shown}: is one JSON array; arrays are not supported yet. Make it one object a "
            f"line: jq -c '.[]' {shown} > records.ndjson"
        )
    if start.partition(b"\n")[0].strip() == b"{":
        raise RefusedToStart(
            f"{shown}: is JSON spread over many lines. Make it one object a line: "
            f"jq -c . {shown} > records.ndjson"
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


def _refuse_unless_mbox(head: bytes, shown: str) -> None:
    if not head.removeprefix(BOM).startswith(b"From ") and b"\nFrom " not in head:
        raise RefusedToStart(
            f"{shown}: no line begins with 'From ' at its start, so it is no mbox. "
            "If it is a single message, say so with --format eml."
        )
