"""Sources that only a program can give: which of a run's they are, and what is said without them.

It imports nothing that reads, for who only asks how a run stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = ("own", "own-mail")
"""The format of a source of a program's own, and where it holds messages."""


def names(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of a run, by the facts of its journal."""
    return tuple(each["name"] for each in facts["sources"] if each["format"] in OWN)


def unsettled(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that going on with the run reads."""
    _, settled = facts.get("settled", (0, 0))
    return names({"sources": facts["sources"][settled:]})


def from_program(what: str, run: str, own: tuple[str, ...]) -> str:
    """Who can do it, where a command can't."""
    return f"from the program that has {', '.join(own)}: bulkload.{what}({run!r}, ...)"


class NotHandedIn(RefusedToStart):
    """A source of a program's own, which only that program can give."""


def refuse_without(name: str) -> NotHandedIn:
    """For a run whose own source is not handed in again."""
    return NotHandedIn(
        f"{name}: is a source of a program's own, which only that program can read: go on with the "
        "run from there, with the source handed in again"
    )
