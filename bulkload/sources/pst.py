"""Outlook's .pst and .ost files, by libpff. The position is a folder's number and a place in it.

Folder by folder, in the order in which they are kept, each before those in it. What is no mail
(contacts, appointments, notes) is left out, and was counted when the file was named. Items that
are in no folder any more (libpff's orphans and recovered ones) are not looked for. Of a message
that is attached to another only the name is known: libpff's Python binding does not open it.

Law kept here: nothing lost in silence: an item that can't be read is a record that says so, where
it is the file that is damaged; where it is the disk that fails, the run stops and can be resumed.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.model import Position, Record
from bulkload.sources.extras import needed
from bulkload.sources.files import FileSource
from bulkload.sources.lines import too_large
from bulkload.sources.outlook import FROM_PST
from bulkload.sources.outlookitem import (
    CLASS,
    CONTENT,
    LONG_NAME,
    METHOD,
    NAME,
    PAGE,
    Attached,
    Item,
    Value,
    encoding_of_page,
    is_mail,
    message,
    value,
)
from bulkload.sources.places import Local

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_TOP = 0x35E0  # the entry id of the folder that the user sees as the top [MS-PST 2.4.3.1]
_EMBEDDED = 5  # how it is attached [MS-OXCMSG 2.2.2.9]
_REFUSED_BY_SYSTEM = "unable to read from file with error: "  # libcfile's, with the system's words
_UNNAMED = "unnamed"
_NOT_READ = (
    b"Here an item of Outlook's is attached, such as a message, which can't be read out of its "
    b"file by the library that reads the rest. readpst of libpst can.\n"
)


class PstSource(FileSource):
    """A file of Outlook's, on this machine's disk. Raises RefusedToStart where libpff is missing,
    or can't open it.
    """

    format = "pst"
    noun = "message"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._pypff = needed("pypff", "pst", f"{self.name}: an Outlook file", FROM_PST)
        if not isinstance(self.place, Local):
            raise RefusedToStart(
                f"{self.name}: an Outlook file is read from this machine's disk. Fetch it first."
            )
        with self._file() as file:
            self.items = sum(int(each.number_of_sub_messages) for _, each in _folders(file))
        self._seen = 0

    def consumed(self) -> int:
        return (self.size() or 0) * self._seen // max(1, self.items)

    def left_out(self) -> Counter[str]:
        """What is no mail, by Outlook's name of its kind. Goes through all items."""
        counted: Counter[str] = Counter()
        with self._file() as file:
            for _, folder in _folders(file):
                for place in range(folder.number_of_sub_messages):
                    kind = self._kind(folder, place)
                    if not is_mail(kind):
                        counted[kind] += 1
        return counted

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        number = start.number if start else 1
        wanted, first = map(int, str(start.at).split(":")) if start else (None, 0)
        self._seen = 0
        with self._file() as file:
            for path, folder in _folders(file):
                count = folder.number_of_sub_messages
                if wanted is not None and folder.identifier != wanted:
                    self._seen += count
                    continue
                self._seen += first
                for place in range(first, count):
                    position = Position(f"{folder.identifier}:{place}", number)
                    record = self._record(folder, place, position, path, file)
                    self._seen += 1
                    if record is not None:
                        yield record
                        number += 1
                wanted, first = None, 0

    def _record(
        self, folder: Any, place: int, position: Position, path: str, file: Any
    ) -> Record | None:
        try:
            if not is_mail(self._kind(folder, place)):
                return None
            found = folder.get_sub_message(place)
            size = sum(found.get_attachment(n).size for n in range(found.number_of_attachments))
            if size > self.max_record_bytes:
                flaw = too_large("message", size, self.max_record_bytes)
                return Record(position, "mail", None, None, flaw, path)
            item = _item(found, file.ascii_codepage or "cp1252")
            raw = message(item)
        except StoppedResumable:
            raise
        except Exception as error:  # noqa: BLE001  # damaged in one of many ways
            self._stop_where_the_disk_fails(error)
            why = str(error).partition(". ")[0] or type(error).__name__
            flaw = f"this item can't be read: {why}. Let Outlook's scanpst mend the file"
            return Record(position, "mail", None, None, flaw, path)
        if len(raw) > self.max_record_bytes:
            flaw = too_large("message", len(raw), self.max_record_bytes)
            return Record(position, "mail", None, None, flaw, path)
        return Record(position, "mail", raw, None, None, path, item.flags)

    def _kind(self, folder: Any, place: int) -> str:
        """Outlook's name of what an item is, "" where it can't be read: that is found out later."""
        try:
            sets = folder.get_sub_message(place).record_sets
            return next(
                (str(_value(entry, "cp1252")) for each in sets for entry in each.entries
                 if entry.entry_type == CLASS), ""
            )  # fmt: skip
        except (OSError, RuntimeError, ValueError) as error:
            self._stop_where_the_disk_fails(error)
            return ""

    def _stop_where_the_disk_fails(self, error: Exception) -> None:
        """Raises StoppedResumable where the system refused to read, as libpff's words tell."""
        _, failed, why = str(error).partition(_REFUSED_BY_SYSTEM)
        if failed:
            raise StoppedResumable(
                f"{self.name}: can't be read: {why.partition(' lib')[0].rstrip('.')}. Resume when "
                "the disk answers again."
            ) from error

    @contextmanager
    def _file(self) -> Iterator[Any]:
        with self.place.file(self.name):
            pass  # where it can't be opened, that says why
        file = self._pypff.file()
        try:
            file.open(str(self.place))
            try:
                yield file
            finally:
                file.close()
        except (OSError, RuntimeError) as error:
            self._stop_where_the_disk_fails(error)
            why = str(error).partition(".")[0]
            raise RefusedToStart(
                f"{self.name}: is no Outlook file that can be read: {why}. Close Outlook, or let "
                "its scanpst mend the file."
            ) from None


def _folders(file: Any) -> Iterator[tuple[str, Any]]:
    """What the user sees as the top, by its name, and each folder below it, by its path from
    there; each before those in it.
    """
    root = file.root_folder
    top = _top(file)
    stack: list[tuple[str, Any, bool]] = [("", root, top is None)]
    while stack:
        path, folder, inside = stack.pop()
        if inside:
            yield path or _name(folder), folder
        for number in reversed(range(folder.number_of_sub_folders)):
            below = folder.get_sub_folder(number)
            own = f"{path}/{_name(below)}" if path and inside else _name(below)
            found = not inside and below.identifier == top
            stack.append(("" if found else own, below, inside or found))


def _name(folder: Any) -> str:
    return str(folder.name or "").replace("/", "_") or _UNNAMED


def _top(file: Any) -> int | None:
    for each in file.message_store.record_sets:
        for entry in each.entries:
            if entry.entry_type == _TOP and len(entry.data or b"") >= 24:
                return int.from_bytes(entry.data[20:24], "little")
    return None


def _item(found: Any, page: str) -> Item:
    properties = _properties(found, page)
    page = encoding_of_page(properties[PAGE]) if PAGE in properties else page
    recipients: list[dict[int, Value]] = []
    if (people := found.recipients) is not None:
        recipients = [_values(each.entries, page) for each in people.record_sets]
    attached = []
    for number in range(found.number_of_attachments):
        held = found.get_attachment(number)
        own = _properties(held, page)
        if own.get(METHOD) == _EMBEDDED:
            name = own.get(NAME)
            name = name if isinstance(name, str) and name else "message"
            own |= {LONG_NAME: f"{name}.txt", CONTENT: _NOT_READ}
        elif held.size:
            held.seek_offset(0, 0)
            own[CONTENT] = held.read_buffer(held.size)
        attached.append(Attached(own))
    return Item(properties, recipients, attached)


def _properties(found: Any, page: str) -> dict[int, Value]:
    merged: dict[int, Value] = {}
    for each in found.record_sets:
        entries = list(each.entries)
        own = {entry.entry_type: entry for entry in entries}
        if PAGE in own:
            page = encoding_of_page(_value(own[PAGE], page))
        merged |= _values(entries, page)
    return merged


def _values(entries: Any, page: str) -> dict[int, Value]:
    found: dict[int, Value] = {}
    for entry in entries:
        if (
            entry.entry_type is not None
            and entry.entry_type < 0x8000
            and entry.entry_type != CONTENT
        ):
            read = _value(entry, page)
            if read is not None:
                found[entry.entry_type] = read
    return found


def _value(entry: Any, page: str) -> Value | None:
    return value(entry.value_type, entry.data or b"", page)
