"""Mapped records to look at: a table each on a terminal, plain lines elsewhere.

Law kept here: plain output has no control characters, and each property is one line: it can be
read by grep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from bulkload.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkload.proposing.trying import Shown, Tried

LONGEST = 200
"""Characters of a value that are shown."""


def show(tried: Tried, stream: TextIO) -> None:
    """Write records and faults to `stream`. Raises OSError where nobody listens."""
    records(tried.shown, stream)
    stream.write("".join(f"{line}\n" for line in verdict(tried)))
    stream.flush()


def records(shown: Sequence[Shown], stream: TextIO) -> None:
    """Write mapped records alone. Raises OSError where nobody listens."""
    if stream.isatty():
        _draw(shown, stream)
    else:
        stream.write("".join(f"{line}\n" for line in plain(shown)))


def plain(records: Iterable[Shown]) -> Iterator[str]:
    """The place of each record, and a line for each thing about it."""
    for one in records:
        yield _clean(str(one.place))
        lines = list(_lines(one))
        width = max(len(name) for name, _ in lines)
        for name, text in lines:
            yield f"  {name:<{width}}  {text}"
        yield ""


def verdict(tried: Tried) -> Iterator[str]:
    """How many of the records that were read are mapped, and why not the others."""
    are = "is" if tried.good == 1 else "are"
    yield f"Of {counted(tried.read, 'record')} read, {tried.good:,} {are} mapped."
    for fault in tried.faults:
        letters = counted(fault.records, "dead letter")
        yield f"  {letters}: {_clean(fault.reason)} (first: {_clean(str(fault.first))})"


def _lines(one: Shown) -> Iterator[tuple[str, str]]:
    value, people, notes, files, *_ = one.mapped
    for name, text in value.properties.items():
        yield _clean(name), _cut(text)
    for tie in value.associations:
        types = ", ".join(str(kind.get("associationTypeId")) for kind in tie.get("types", ()))
        yield "tied to", _cut(f"{tie.get('to', {}).get('id')} (type {types})")
    if people:
        yield "contacts", _cut(", ".join(each.email for each in people))
    if files:
        yield "attachments", str(files)
    for note in notes:
        yield "note", _cut(note)


def _draw(records: Sequence[Shown], stream: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415  # on a terminal only
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    console = Console(file=stream)
    for one in records:
        table = Table(
            title=Text(_clean(str(one.place)), "bold"),
            title_justify="left",
            box=None,
            pad_edge=False,
            show_header=False,
            padding=(0, 2, 0, 0),
        )
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in _lines(one):
            table.add_row(Text(name), Text(text, "yellow" if name == "note" else ""))
        console.print(table)
        console.print()


def _cut(text: str) -> str:
    more = len(text) - LONGEST
    return _clean(text[:LONGEST]) + (f"… ({more:,} characters more)" if more > 0 else "")


def _clean(text: str) -> str:
    """Line breaks shown as ⏎; a record may hold anything, a terminal gets what can be printed."""
    joined = text.replace("\r\n", "\n").replace("\n", "⏎").replace("\t", " ")
    return "".join(sign if sign.isprintable() else "�" for sign in joined)
