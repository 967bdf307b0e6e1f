"""Outlook's .msg files: a message each, as properties in a compound file [MS-OXMSG].

Law kept here: nothing lost in silence: a file that is no message, or is damaged, is a record that
says so.
"""

from __future__ import annotations

import io
from struct import iter_unpack, unpack_from
from typing import TYPE_CHECKING, Any

from bulkload.sources.eml import EmlSource
from bulkload.sources.extras import needed
from bulkload.sources.outlook import FROM_MSG
from bulkload.sources.outlookitem import (
    CLASS,
    CONTENT,
    PAGE,
    Attached,
    Item,
    Value,
    encoding_of_page,
    message,
    value,
)

if TYPE_CHECKING:
    import os

    from bulkload.model import Record

EXTENSIONS = (".msg",)

_PROPERTIES = "__properties_version1.0"
_HEADERS = {"": 32, "embedded": 24, "part": 8}  # bytes before the first property [MS-OXMSG 2.4.1]
_OBJECT = 0x0D
_FIXED = 8


class MsgSource(EmlSource):
    """One .msg file, or each below a folder. Raises RefusedToStart where olefile is missing."""

    format = "msg"
    extensions = EXTENSIONS

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._olefile = needed("olefile", "pst", f"{self.name}: an Outlook message", FROM_MSG)

    def _wanted(self, entry: os.DirEntry[str]) -> bool:
        return entry.name.lower().endswith(EXTENSIONS) and super()._wanted(entry)

    def _record(self, name: str, index: int) -> Record:
        record = super()._record(name, index)
        if record.raw is None or record.flaw is not None:
            return record
        try:
            item = read_msg(self._olefile, record.raw)
            raw = message(item) if item.is_mail else None
        except Exception as error:  # noqa: BLE001  # damaged in one of many ways
            why = str(error).partition("\n")[0] or type(error).__name__
            return record._replace(flaw=f"no Outlook message can be read in it: {why}", raw=None)
        if raw is None:
            flaw = f"it is no message, but of Outlook's kind {item.properties[CLASS]!r}"
            return record._replace(flaw=flaw, raw=None)
        return record._replace(raw=raw, flags=item.flags)

    def _nothing_found(self) -> str:
        return f"{self.name}: no *.msg file in this folder or below (hidden ones are left out)."


def read_msg(olefile: Any, content: bytes) -> Item:
    """The item in a file's bytes. Raises whatever a damaged one makes its reader raise."""
    with olefile.OleFileIO(io.BytesIO(content)) as file:
        return _item(file, [], _HEADERS[""])


def _item(file: Any, where: list[str], header: int) -> Item:
    properties = _properties(file, where, header)
    children = sorted(
        {path[len(where)] for path in file.listdir(streams=True) if path[: len(where)] == where}
    )
    recipients = [
        _properties(file, [*where, name], _HEADERS["part"], properties)
        for name in children
        if name.startswith("__recip_version1.0_")
    ]
    attached = []
    for name in children:
        if name.startswith("__attach_version1.0_"):
            inside = [*where, name, f"__substg1.0_{CONTENT:04X}{_OBJECT:04X}"]
            held = None
            if file.exists([*inside, _PROPERTIES]):
                held = _item(file, inside, _HEADERS["embedded"])
            found = _properties(file, [*where, name], _HEADERS["part"], properties)
            attached.append(Attached(found, held))
    return Item(properties, recipients, attached)


def _properties(
    file: Any, where: list[str], header: int, above: dict[int, Value] | None = None
) -> dict[int, Value]:
    found: dict[int, Value] = {}
    table = file.openstream([*where, _PROPERTIES]).read()[header:]
    entries = [each for (each,) in iter_unpack("16s", table[: len(table) // 16 * 16])]
    kinds = [(*unpack_from("<HH", entry), entry[_FIXED:]) for entry in entries]
    pages = {number: content for kind, number, content in kinds if number == PAGE}
    page = int.from_bytes(pages[PAGE][:4], "little") if pages else (above or {}).get(PAGE)
    for kind, number, content in kinds:
        stream = [*where, f"__substg1.0_{number:04X}{kind:04X}"]
        stored = file.openstream(stream).read() if file.exists(stream) else content
        if number < 0x8000 and (read := value(kind, stored, encoding_of_page(page))) is not None:
            found[number] = read
    return found
