"""A doctor's checks as a table: with colours on a terminal, as plain lines elsewhere.

Law kept here: plain output has no control characters, and each check is one line (its next step,
where it has one, another): it can be read by grep.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkload.doctor.facts import Check

_ID = re.compile(r" [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def show(checks: Sequence[Check], stream: TextIO) -> None:
    """Write the checks to `stream`. Raises OSError where nobody listens."""
    if stream.isatty():
        _draw(checks, stream)
    else:
        stream.write("".join(f"{line}\n" for line in plain(checks)))
    stream.flush()


def plain(checks: Iterable[Check]) -> Iterable[str]:
    """A line a check, and one for what to do about it."""
    listed = list(checks)
    width = max((len(check.name) for check in listed), default=0)
    for check in listed:
        yield f"{check.state:<4}  {check.name:<{width}}  {_clean(check.says)}"
        if check.next_step is not None:
            yield f"{'':<4}  {'':<{width}}  → {_clean(check.next_step)}"


def _draw(checks: Sequence[Check], stream: TextIO) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in ("state", "name", "says"):
        table.add_column(overflow="fold")
    for check in checks:
        says = Text(_clean(check.says))
        if check.next_step is not None:
            says.append(f"\n→ {_clean(check.next_step)}", "dim")
        table.add_row(Text(check.state, COLOURS[check.state]), Text(check.name), says)
    Console(file=stream).print(table)


def _clean(text: str) -> str:
    """Without ids of calls, which `--json` has; and what the remote says may hold anything: a
    terminal gets what can be printed.
    """
    text = _ID.sub("", text)
    return "".join(sign if sign.isprintable() else "�" for sign in text)
