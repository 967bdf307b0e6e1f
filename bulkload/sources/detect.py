"""What the user named → sources. Formats by extension, else by the first bytes; archives by
their first bytes, folders by what lies in them: one may hold many sources.

Every refusal comes before anything is sent, and names the file, the position and what to do.
"""

from __future__ import annotations

import glob
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.files import FileSource
from bulkload.sources.holders import in_archive, in_folder
from bulkload.sources.letters import LettersSource, is_letter
from bulkload.sources.mapped import MappedSource, is_mapped
from bulkload.sources.mbox import MboxSource, refuse_unless_mbox
from bulkload.sources.members import is_archive, open_stream
from bulkload.sources.ndjson import BOM, NdjsonSource
from bulkload.sources.outlook import outlook_by_content
from bulkload.sources.spool import spool_stdin
from bulkload.sources.streams import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    Format("eml", (".eml", ".emlx"), "one message a file, or a folder of them"),
    Format("maildir", (), "a folder with cur/ and new/, and its folders"),
    Format("mh", (), "a folder of messages named by numbers, and its folders"),
    Format("letters", (), "a dead-letters.ndjson, as a run wrote it or edited"),
    Format("mapped", (), "records as bulkload check --mapped wrote them"),
)

SNIFFED_BYTES = 1 << 16
"""How much of a file's beginning decides its format, and is checked for being text."""


def open_sources(
    specs: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002  # the flag's name
    max_record_bytes: int,
    spool_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Source]:
    """The sources that `specs` name: files, folders, globs (sorted), "-" for stdin (NDJSON).

    `format` is one of FORMATS, for all of them; None finds it out for each. Stdin is written
    to `spool_dir`/stdin.ndjson first, so that it can be read again. `say` is told what was
    found in folders and archives, and what was left out there. Raises RefusedToStart.
    """
    names = [known.name for known in FORMATS]
    if format is not None and format not in names:
        raise RefusedToStart(f"--format {format}: unknown; one of {', '.join(names)}.")
    if not specs:
        raise RefusedToStart("no source was named: give a file, a folder, a glob, or - for stdin.")
    sources: list[Source] = []
    seen: dict[tuple[Path, str, int], str] = {}
    for spec in specs:
        for path in _expanded(spec):
            if path == "-":
                if format not in (None, "ndjson", "letters", "mapped"):
                    raise RefusedToStart(f"-: stdin is read as NDJSON, not as {format}.")
                found = [_stdin(spool_dir, format, max_record_bytes)]
            else:
                found = _open(path, format, max_record_bytes, say)
            for source in found:
                identity = _identity(path, source)
                if identity in seen:
                    raise RefusedToStart(
                        f"{source.name}: was named twice (as {seen[identity]} too): "
                        "its records would be loaded twice. Name it once."
                    )
                seen[identity] = source.name
            sources += found
    return sources


def _identity(path: str, source: Source) -> tuple[Path, str, int]:
    """Two sources that have this in common are one."""
    if isinstance(source, FileSource):
        member = source.member
        return source.path.resolve(), member.name if member else "", member.at if member else -1
    return Path(path).resolve(), source.format, -1


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
    return _open_file(str(path), "stdin", _head(str(path), "stdin"), form or "ndjson", limit)


def _open(path: str, form: str | None, limit: int, say: Callable[[str], None]) -> list[Source]:
    if Path(path).is_dir():
        return in_folder(path, form, limit, say)
    if form in ("maildir", "mh"):
        raise RefusedToStart(f"{path}: is no folder, and --format {form} reads folders.")
    head = _head(path, path)
    if is_archive(head):
        return in_archive(path, form, limit, say)
    if form is None:
        form = _by_extension(path) or _by_content(head, path)
    return [_open_file(path, path, head, form, limit)]


def _open_file(path: str, shown: str, head: bytes, form: str, limit: int) -> Source:
    if form in ("ndjson", "letters", "mapped"):
        _refuse_unless_json_text(head, shown)
        if form == "letters" or is_letter(head):
            return LettersSource(path, shown, max_record_bytes=limit)
        if form == "mapped" or is_mapped(head):
            return MappedSource(path, shown, max_record_bytes=limit)
        return NdjsonSource(path, shown, max_record_bytes=limit)
    if form == "csv":
        _refuse_utf16(head, shown)
        tab = "\t" if _suffix(path) == ".tsv" else None
        return CsvSource(path, shown, max_record_bytes=limit, delimiter=tab)
    if form == "mbox":
        refuse_unless_mbox(head, shown)
        return MboxSource(path, shown, max_record_bytes=limit)
    return EmlSource(path, shown, max_record_bytes=limit, all_files=True)


def _head(path: str, shown: str) -> bytes:
    with closing(open_stream(Path(path), shown)) as stream:
        head = Reading(stream).read(SNIFFED_BYTES)
        flaw = stream.flaw
    if not head and flaw:
        raise RefusedToStart(f"{shown}: {flaw}.")
    if not head:
        raise RefusedToStart(f"{shown}: is empty: nothing to load.")
    return head


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
    if convert := outlook_by_content(head):
        raise RefusedToStart(f"{shown}: is a file of Outlook's, which is not read. {convert}.")
    listed = "; ".join(
        f"{known.name} ({' '.join(known.extensions) or 'by content'}): {known.description}"
        for known in FORMATS
    )
    raise RefusedToStart(
        f"{shown}: its format can't be told from its name or its first bytes. "
        f"Say which with --format. Formats: {listed}; and zip and tar archives of mail."
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
