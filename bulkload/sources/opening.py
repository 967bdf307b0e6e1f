"""One file, or a member of one → its sources. The format by the name's ending, else by the first
bytes; archives by their first bytes: one may hold many sources.

Every refusal comes before anything is sent, and names the file, the position and what to do.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.sources.arrow import ArrowSource
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.holders import in_archive
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
from bulkload.sources.streams import Reading
from bulkload.sources.unpack import PACKED, packing_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked
    from bulkload.sources.members import Member

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tzst", *(f".tar{each}" for each in PACKED))


def in_place(place: Place, name: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """The sources in one file, wherever it is. Raises RefusedToStart."""
    head = head_of(place, name)
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
        return ParquetSource(place, shown, max_record_bytes=limit, exclude=asked.excluded)
    if form == "arrow":
        return ArrowSource(place, shown, max_record_bytes=limit, exclude=asked.excluded)
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
        for told in table.told():
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


def head_of(place: Place, shown: str) -> bytes:
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
