"""Zip and tar archives → their members. Nothing is unpacked, and no name in them is a path.

A zip is read by its directory (zip64 too). A tar has none: it is gone through once, a compressed
one at the speed of what undoes that, and each member is known from then on by where it lies. What
can't be read inside an archive (encrypted, another compression) refuses by name, before anything
is sent.

Law kept here: nothing lost in silence: what is not read is counted; an archive that ends too
early, or is damaged between its members, refuses; where the damage is inside the last
message file, that is read up to it, and has the flaw.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.sources.mbox import ENVELOPE, MBOX_EXTENSIONS
from bulkload.sources.members import Member, is_zip, open_stream
from bulkload.sources.streams import Reading
from bulkload.sources.unpack import packing_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from bulkload.sources.places import Place

TABLES = (".csv", ".tsv", ".ndjson", ".jsonl", ".json")

_HEADER = struct.Struct("<26xHH")
_ENCRYPTED = 1
_PACKINGS = {zipfile.ZIP_STORED: "", zipfile.ZIP_DEFLATED: "deflate"}

# What the standard library raises on a damaged archive, beside its own errors.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
)


class Held(NamedTuple):
    """What an archive holds: its mbox files, its .eml files, its tables, and, by ending, how
    many other files.
    """

    mboxes: list[Member]
    messages: list[Member]
    tables: list[Member]
    left_out: Counter[str]


def held_in(place: Place, name: str) -> Held:
    """What is in the archive, in the archive's order. Raises RefusedToStart."""
    with place.file(name) as file:
        head = file.read(16)
    entries = _of_zip(place, name) if is_zip(head) else _of_tar(place, name, packing_of(head) or "")
    found = Held([], [], [], Counter())
    for member, begins in entries:
        match kind_of(member.name, begins):
            case "mbox":
                found.mboxes.append(member)
            case "eml":
                found.messages.append(member)
            case "table":
                found.tables.append(member)
            case _:
                found.left_out[PurePosixPath(member.name).suffix.lower() or "no ending"] += 1
    return found


def kind_of(member: str, begins: bytes) -> Literal["mbox", "eml", "table", ""]:
    """What a member is, by its name, or by its first bytes where that has no ending."""
    path = PurePosixPath(member)
    suffix = path.suffix.lower()
    if any(part.startswith(".") and part != ".." for part in path.parts):
        return ""
    if suffix in MBOX_EXTENSIONS or (not suffix and begins.startswith(ENVELOPE)):
        return "mbox"
    if suffix in TABLES:
        return "table"
    return "eml" if suffix == ".eml" else ""


def shown(name: str) -> str:
    """A member's name as messages and JSON may have it: UTF-8, and no control characters."""
    plain = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def _of_zip(place: Place, name: str) -> Iterator[tuple[Member, bytes]]:
    try:
        with place.file(name) as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.filename.endswith("/"):
                    continue
                suffix = PurePosixPath(info.filename).suffix
                packing = _PACKINGS.get(info.compress_type)
                if packing is None or info.flag_bits & _ENCRYPTED:
                    if suffix and not kind_of(info.filename, b""):
                        yield Member(shown(info.filename), 0, 0, 0, ""), b""
                        continue
                    raise RefusedToStart(_unreadable(name, info))
                file.seek(info.header_offset)
                at = info.header_offset + _HEADER.size + sum(_HEADER.unpack(_exactly(file)))
                inside = shown(info.filename)
                member = Member(inside, at, info.file_size, info.compress_size, packing, info.CRC)
                begins = b""
                if not suffix:
                    with closing(open_stream(place, name, member=member)) as stream:
                        begins = stream.read()
                yield member, begins
    except _DAMAGE as error:
        raise RefusedToStart(
            f"{name}: is no whole zip archive: {error}. Fetch it again, or mend it: "
            f"zip -FF {name} --out mended.zip"
        ) from None


def _exactly(file: BinaryIO) -> bytes:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise zipfile.BadZipFile("a member lies past the end of the file")
    return header


def _unreadable(name: str, info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return (
            f"{name}: {shown(info.filename)} in it is encrypted: unpack the archive with its "
            "password, and name what comes out."
        )
    return (
        f"{name}: {shown(info.filename)} in it is compressed by method {info.compress_type}; "
        "only stored and deflated members are read. Unpack the archive, and name what comes out."
    )


def _of_tar(place: Place, name: str, packing: str) -> Iterator[tuple[Member, bytes]]:
    with closing(open_stream(place, name)) as stream, place.file(name) as file:
        source: Any = Reading(stream) if packing else file
        last: tuple[Member, bytes] | None = None
        try:
            with tarfile.open(
                fileobj=source,
                mode="r|" if packing else "r:",
                bufsize=1 << 20,
                tarinfo=_Strict,
                errors="surrogateescape",
            ) as archive:
                while (info := archive.next()) is not None:
                    # The list of what was seen would grow with the archive.
                    archive.members = []  # type: ignore[attr-defined]  # not in the stubs
                    if last is not None:
                        yield last
                    last = _of_entry(archive, info, name, packing)
        except _DAMAGE as error:
            ended = stream.offset if packing else place.size() or 0
            if (
                last is None
                or ended >= last[0].at + last[0].size
                or not kind_of(last[0].name, last[1])
            ):
                raise RefusedToStart(
                    f"{name}: is no whole tar archive: {stream.flaw or error}. Fetch it again."
                ) from None
        if last is not None:
            yield last


def _of_entry(
    archive: tarfile.TarFile, info: tarfile.TarInfo, name: str, packing: str
) -> tuple[Member, bytes] | None:
    if not info.isreg():
        return None
    if info.issparse():
        raise RefusedToStart(
            f"{name}: {shown(info.name)} in it is stored with holes: unpack the archive, and name "
            "what comes out."
        )
    begins = b""
    if not PurePosixPath(info.name).suffix and (content := archive.extractfile(info)):
        begins = content.read(len(ENVELOPE))
    return Member(shown(info.name), info.offset_data, info.size, info.size, packing), begins


class _Strict(tarfile.TarInfo):
    """The standard library takes a damaged header for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\0"):
                raise  # the end
            raise tarfile.ReadError(str(error)) from None
