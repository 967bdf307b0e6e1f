"""What the user named → sources. Formats by extension, else by the first bytes; archives by
their first bytes, folders by what lies in them: one may hold many sources.

Every refusal comes before anything is sent, and names the file, the position and what to do.
"""

from __future__ import annotations

import glob
import os
import re
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.sources.arrow import ArrowSource
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.files import FileSource
from bulkload.sources.formats import FORMATS
from bulkload.sources.holders import in_archive, in_folder
from bulkload.sources.jsonarray import JsonArraySource
from bulkload.sources.letters import LettersSource, is_letter
from bulkload.sources.mapped import MappedSource, is_mapped
from bulkload.sources.mbox import MboxSource, begins_as_mbox, holds_several, refuse_unless_mbox
from bulkload.sources.members import is_archive, open_stream
from bulkload.sources.msg import MsgSource
from bulkload.sources.ndjson import BOM, NdjsonSource
from bulkload.sources.parquet import ParquetSource
from bulkload.sources.places import Local, Place
from bulkload.sources.pst import PstSource
from bulkload.sources.sniffing import (
    SNIFFED_BYTES,
    by_content,
    by_extension,
    refuse_unless_json_text,
    suffix,
)
from bulkload.sources.spool import spool_stdin
from bulkload.sources.streams import Reading
from bulkload.sources.unpack import PACKED, packing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked
    from bulkload.sources.members import Member
    from bulkload.sources.own import OwnSource


ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tzst", *(f".tar{each}" for each in PACKED))

_STREAMED = ("ndjson", "json", "csv", "mbox", "letters", "mapped")
"""What is read from stdin; without a format NDJSON, or an mbox that begins as one."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_ADDRESSED = {
    **dict.fromkeys(("postgresql", "postgres", "mysql", "mariadb", "sqlite"), "sql"),
    **dict.fromkeys(("imaps", "imap"), "imap"),
    **dict.fromkeys(("s3", "gs", "az", "https", "http", "sftp"), "remote"),
}
"""By scheme (what stands before a +), the module of this package whose `opened(address, asked,
say)` gives the sources that an address names, or `named(address)` the places, and
`public(address)` that without what is secret.
"""


def open_sources(
    specs: Sequence[str],
    asked: Asked,
    *,
    spool_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Source]:
    """The sources that `specs` name: files, folders, globs (sorted), addresses (scheme://...), "-"
    for stdin.

    The format asked for is one of FORMATS, for all of them. Stdin is written
    to `spool_dir`/stdin.ndjson first, so that it can be read again. `say` is told what was
    found in folders and archives, and what was left out there. Raises RefusedToStart.
    """
    names = [known.name for known in FORMATS]
    format = asked.format  # noqa: A001  # the flag's name
    if format is not None and format not in names:
        raise RefusedToStart(f"--format {format}: unknown; one of {', '.join(names)}.")
    if not specs:
        raise RefusedToStart("no source was named: give a file, a folder, a glob, or - for stdin.")
    sources: list[Source] = []
    seen: dict[Hashable, str] = {}
    for spec in specs:
        for path in _expanded(spec):
            found = [_stdin(spool_dir, asked, say)] if path == "-" else _open(path, asked, say)
            for source in found:
                identity = _identity(path, source)
                if identity in seen:
                    other = seen[identity]
                    also = f" (as {other} too)" if other != source.name else ""
                    raise RefusedToStart(
                        f"{source.name}: was named twice{also}: "
                        "its records would be loaded twice. Name it once."
                    )
                seen[identity] = source.name
            sources += found
    return sources


def opened_all(
    given: Sequence[str | OwnSource],
    asked: Asked,
    *,
    spool_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Source]:
    """As `open_sources`; those of a program's own come behind. Raises RefusedToStart."""
    specs = [each for each in given if isinstance(each, str)]
    own = [each for each in given if not isinstance(each, str)]
    names = [each.name for each in own]
    if len({*names}) < len(names):
        raise RefusedToStart(f"two sources are named {max(names, key=names.count)!r}: name each.")
    found = open_sources(specs, asked, spool_dir=spool_dir, say=say) if specs or not own else []
    return [*found, *own]


def kept(given: Sequence[str | OwnSource]) -> list[str]:
    """What the user named, as a later life finds it from anywhere; stdin has no later."""
    return [
        _module(scheme).public(spec) if (scheme := _scheme(spec)) else str(Path(spec).absolute())
        for spec in given
        if isinstance(spec, str) and spec != "-"
    ]


def _identity(path: str, source: Source) -> Hashable:
    """Two sources that have this in common are one."""
    if isinstance(source, FileSource):
        return source.place.identity, source.member
    if _scheme(path):
        return source.name
    return Path(path).resolve(), source.format


def _scheme(spec: str) -> str:
    """That of an address, in lower case; "" of a path."""
    found = _SCHEME.match(spec)
    return found[1].lower() if found and not os.path.lexists(spec) else ""


def _expanded(spec: str) -> list[str]:
    # A file whose own name has brackets in it is that file.
    if spec == "-" or _scheme(spec) or os.path.lexists(spec) or not glob.has_magic(spec):
        return [spec]
    paths = sorted(glob.glob(spec, recursive=True))  # noqa: PTH207  # names as the user gave them
    if not paths:
        raise RefusedToStart(f"{spec}: no file matches. Check the pattern and the folder.")
    return paths


def _stdin(spool_dir: Path | None, asked: Asked, say: Callable[[str], None]) -> Source:
    form = asked.format
    if form not in (None, *_STREAMED):
        listed = ", ".join(_STREAMED)
        raise RefusedToStart(f"-: stdin can't hold {form}; it is read as {listed}.")
    if spool_dir is None:
        raise RefusedToStart("-: stdin can't be kept without a run directory; name a file.")
    path = spool_stdin(spool_dir)
    if path.stat().st_size == 0:
        raise RefusedToStart("-: stdin is empty: nothing to load.")
    place = Local(path)
    head = _head(place, "stdin")
    if form is None:
        form = "mbox" if begins_as_mbox(head) else "ndjson"
    return open_place(place, "stdin", head, form, asked, say)


def _open(path: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    if scheme := _scheme(path):
        return _addressed(scheme, path, asked, say)
    form = asked.format
    if Path(path).is_dir():
        return in_folder(path, asked, say)
    if form in ("maildir", "mh"):
        raise RefusedToStart(f"{path}: is no folder, and --format {form} reads folders.")
    return in_place(Local(path), path, asked, say)


def _addressed(scheme: str, address: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    module = _module(scheme)
    if hasattr(module, "named"):  # files, and of any format
        return _in_places(module.named(address), asked, say)
    found: list[Source] = module.opened(address, asked, say)
    return found


def _in_places(found: Sequence[Place], asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """Of several, those whose names tell a format; the others are said."""
    if len(found) == 1 or asked.format is not None:
        return [source for each in found for source in in_place(each, str(each), asked, say)]
    known = [each for each in found if by_extension(str(each)) or str(each).endswith(ARCHIVES)]
    if left := len(found) - len(known):
        say(f"{left:,} of {len(found):,} files there have no ending that is read, and are left out")
    return [source for each in known for source in in_place(each, str(each), asked, say)]


def _module(scheme: str) -> Any:
    kind = scheme.partition("+")[0]  # what follows names a driver
    if kind not in _ADDRESSED:
        known = ", ".join(f"{each}://" for each in _ADDRESSED)
        raise RefusedToStart(
            f"{scheme}://: nothing is read from there. Fetch what it holds and name that; known "
            f"are {known}."
        )
    return import_module(f"bulkload.sources.{_ADDRESSED[kind]}")


def in_place(place: Place, name: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """The sources in one file, wherever it is. Raises RefusedToStart."""
    head = _head(place, name)
    if is_archive(head):

        def open_table(member: Member, shown: str) -> Source | None:
            begins = _begins(place, shown, member)
            form = asked.format or by_extension(shown) or "ndjson"
            return open_place(place, shown, begins, form, asked, say, member) if begins else None

        return in_archive(place, name, asked, say, open_table)
    form = asked.format or by_extension(name) or by_content(head, name)
    if form == "eml" and asked.format is None and _is_mbox(place, name, head, asked):
        say(f"{name}: holds several messages: it is read as the mbox that it is")
        form = "mbox"
    if form in ("parquet", "arrow") and packing_of(_stored(place, name)):
        raise RefusedToStart(
            f"{name}: is a compressed {form.title()} file, which can't be read from its end: "
            "unpack it, and name what comes out."
        )
    return [open_place(place, name, head, form, asked, say)]


def _is_mbox(place: Place, name: str, head: bytes, asked: Asked) -> bool:
    """Whether a file that is named as a message holds several, or more than one may be."""
    if not begins_as_mbox(head):
        return False
    with closing(open_stream(place, name)) as stream:
        whole = Reading(stream).read(asked.max_record_bytes + 1)
    return len(whole) > asked.max_record_bytes or holds_several(whole)


def open_place(
    place: Place,
    shown: str,
    head: bytes,
    form: str,
    asked: Asked,
    say: Callable[[str], None] = lambda _: None,
    member: Member | None = None,
) -> Source:
    """The file there, or that member of it, which begins with `head`, as that format.

    Raises RefusedToStart.
    """
    limit = asked.max_record_bytes
    begins = head.removeprefix(BOM).lstrip()[:1]
    if form == "json" or (form == "ndjson" and begins == b"[" and asked.format is None):
        return JsonArraySource(place, shown, max_record_bytes=limit, member=member)
    if form in ("ndjson", "letters", "mapped"):
        refuse_unless_json_text(head, shown)
        if form == "letters" or is_letter(head):
            return LettersSource(place, shown, max_record_bytes=limit, member=member)
        if form == "mapped" or is_mapped(head):
            return MappedSource(place, shown, max_record_bytes=limit, member=member)
        return NdjsonSource(place, shown, max_record_bytes=limit, member=member)
    if form == "parquet":
        return ParquetSource(place, shown, max_record_bytes=limit, exclude=asked.exclude)
    if form == "arrow":
        return ArrowSource(place, shown, max_record_bytes=limit, exclude=asked.exclude)
    if form == "csv":
        table = CsvSource(
            place,
            shown,
            max_record_bytes=limit,
            delimiter=asked.delimiter or ("tab" if suffix(shown) == ".tsv" else None),
            encoding=asked.encoding,
            quote=asked.quote,
            member=member,
        )
        if told := table.told():
            say(told)
        return table
    if form == "mbox":
        refuse_unless_mbox(head, shown)
        return MboxSource(place, shown, max_record_bytes=limit)
    if form == "pst":
        file = PstSource(place, shown, max_record_bytes=limit)
        left = file.left_out()
        listed = ", ".join(f"{count:,} {kind}" for kind, count in left.most_common())
        if file.items == left.total():
            holds = f" (but {listed})" if left else ""
            raise RefusedToStart(f"{shown}: holds no message{holds}: nothing to load.")
        if left:
            say(f"{shown}: no mail, left out: {listed}")
        return file
    if not isinstance(place, Local):
        raise RefusedToStart(
            f"{shown}: single messages are read from this machine's disk, or inside an archive: "
            "fetch them, or put them into a .zip or .tgz."
        )
    if form == "msg":
        return MsgSource(place.path, shown, max_record_bytes=limit)
    return EmlSource(place.path, shown, max_record_bytes=limit, all_files=True)


def _head(place: Place, shown: str) -> bytes:
    head = _begins(place, shown)
    if not head:
        raise RefusedToStart(f"{shown}: is empty: nothing to load.")
    return head


def _begins(place: Place, shown: str, member: Member | None = None) -> bytes:
    with closing(open_stream(place, shown, member=member)) as stream:
        head = Reading(stream).read(SNIFFED_BYTES)
        flaw = stream.flaw
    if not head and flaw:
        raise RefusedToStart(f"{shown}: {flaw}.")
    return head


def _stored(place: Place, shown: str) -> bytes:
    """As it is stored."""
    with closing(place.open(shown)) as stream:
        return stream.head()
