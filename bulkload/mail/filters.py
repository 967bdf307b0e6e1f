"""Pure: which messages are left out, and by which filter.

Law kept here: nothing lost: what is left out is left out by one filter, whose name is counted, and
the same message is judged the same whatever came before it. They are asked in this order:

    never-log       anybody in it is on the never-log list
    filter: …       it is not what a --filter wants, or what one excludes
    draft, spam, trash, auto-reply, list, internal
                    as --leave-out says: all of them if it says nothing

Each of the latter is judged by the folder, the labels, the flags of a Maildir name and by what the
message says of itself (`mail/traits.py`). A bounce is never an auto-reply and never internal; the
mail of a group of ours is no list's; internal is what has a sender and a recipient and nobody who
is not mine, where mine is a domain or several addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.mail.expressions import moment, read, told, unknown
from bulkload.mail.folders import folder_kind, folder_name
from bulkload.mail.mine import participants, recipients
from bulkload.mail.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from bulkload.mail.mine import Mine
    from bulkload.model import Email, Record

LEAVE_OUT = {
    "drafts": "draft",
    "spam": "spam",
    "trash": "trash",
    "auto-replies": "auto-reply",
    "lists": "list",
    "internal": "internal",
}
"""What --leave-out can name → the name under which it is counted."""

_NOBODY = Patterns()


class Rule(NamedTuple):
    """What a --filter says of one field: one of `values` must be there, or none may."""

    field: str
    wanted: bool
    values: tuple[str, ...]

    @property
    def reason(self) -> str:
        return f"filter: {self.field}" if self.wanted else f"filter: not {self.field}"


@dataclass(frozen=True, slots=True)
class Filters:
    """`after` (included) and `before` (not included) are milliseconds since the epoch, as
    `Email.sent_at`; `leave_out` holds names as they are counted.
    """

    after: int | None = None
    before: int | None = None
    rules: tuple[Rule, ...] = ()
    leave_out: frozenset[str] = frozenset(LEAVE_OUT.values())
    never_log: Patterns = _NOBODY

    @classmethod
    def parse(
        cls,
        filters: Iterable[str] = (),
        leave_out: Iterable[str] = (),
        never_log: Iterable[str] = (),
        zone: tzinfo = UTC,
    ) -> Filters:
        """As on a command line: `filters` are field=value,… or field!=value,…; `leave_out` names
        of LEAVE_OUT or none, between commas, all where it is empty. Dates without a zone are
        clock times of `zone`.

        What is given several times for a field is any of it; all fields must hold. Raises
        RefusedToStart quoting what can't be read.
        """
        found: dict[tuple[str, bool], list[str]] = {}
        for expression in filters:
            field, wanted, values = read(expression)
            found.setdefault((field, wanted), []).extend(values)
        moments = {
            field: [moment(field, written, zone) for written in found.pop((field, True), ())]
            for field in ("after", "before")
        }
        return cls(
            after=min(moments["after"], default=None),
            before=max(moments["before"], default=None),
            rules=tuple(
                Rule(field, wanted, tuple(sorted(set(values))))
                for (field, wanted), values in sorted(found.items())
            ),
            leave_out=_leave_out(leave_out),
            never_log=Patterns.parse(never_log, "--never-log"),
        )

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Filters:
        """What `as_json` wrote."""
        return cls.parse(options["filters"], options["leave_out"], options["never_log"])

    def as_json(self) -> dict[str, Any]:
        """As `parse` takes them; dates in UTC."""
        dates = (("after", self.after), ("before", self.before))
        filters = [f"{name}={told(at)}" for name, at in dates if at is not None]
        filters += [
            f"{field}{'=' if wanted else '!='}{','.join(values)}"
            for field, wanted, values in self.rules
        ]
        names = [name for name, counted in LEAVE_OUT.items() if counted in self.leave_out]
        return {
            "filters": filters,
            "leave_out": names or ["none"],
            "never_log": self.never_log.as_json(),
        }

    def reason(self, email: Email, record: Record, mine: Mine) -> str | None:
        """The name of the filter that leaves the message out; None: it is to be loaded.

        A message without a date passes after and before: mapping has its say on it.
        """
        if self.never_log and any(map(self.never_log.holds, participants(email))):
            return "never-log"
        if email.sent_at is not None:
            if self.after is not None and email.sent_at < self.after:
                return "filter: after"
            if self.before is not None and email.sent_at >= self.before:
                return "filter: before"
        for rule in self.rules:
            if _matches(rule, email, record) is not rule.wanted:
                return rule.reason
        for counted in LEAVE_OUT.values():
            if counted in self.leave_out and _is(counted, email, record, mine):
                return counted
        return None


def read_never_log(text: str, name: str) -> tuple[str, ...]:
    """The patterns of a file, one a line; empty lines and lines that begin with # don't count.

    Raises RefusedToStart naming the line of file `name` that is none.
    """
    found: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found += Patterns.parse([line], f"{name}, line {number}:").as_json()
    return tuple(found)


def _is(counted: str, email: Email, record: Record, mine: Mine) -> bool:
    traits = email.traits
    if counted == "draft":
        return "draft" in traits or "D" in record.flags or _lies_in("drafts", email, record)
    if counted == "spam":
        return "spam" in traits or _lies_in("spam", email, record)
    if counted == "trash":
        return "deleted" in traits or "T" in record.flags or _lies_in("trash", email, record)
    if counted == "auto-reply":
        return "auto-reply" in traits and "bounce" not in traits
    if counted == "list":
        return "list" in traits and "bounce" not in traits and not mine.holds_list(email.list_id)
    return "bounce" not in traits and _internal(email, mine)


def _lies_in(kind: str, email: Email, record: Record) -> bool:
    return any(folder_kind(name) == kind for name in (record.folder, *email.labels))


def _internal(email: Email, mine: Mine) -> bool:
    if not (mine.domains or mine.above or len(mine.addresses) > 1):
        return False
    known = bool(email.from_ or email.sender) and any(recipients(email))
    return known and all(map(mine.holds, participants(email)))


def _matches(rule: Rule, email: Email, record: Record) -> bool:
    if rule.field == "from":
        return any(_whom(rule.values).holds(each.email) for each in email.from_ or email.sender)
    if rule.field == "to":
        return any(_whom(rule.values).holds(each.email) for each in recipients(email))
    names = email.labels if rule.field == "label" else _paths(record.folder)
    return any(_globs(rule.values).fullmatch(name.casefold()) for name in names)


@lru_cache(maxsize=4096)
def _paths(folder: str) -> tuple[str, str]:
    """The folder by its whole path and by its own name."""
    path = folder_name(folder)
    return path, path.rpartition("/")[2]


@lru_cache(maxsize=256)
def _whom(values: tuple[str, ...]) -> Patterns:
    return Patterns.parse(values, "--filter")


@lru_cache(maxsize=256)
def _globs(values: tuple[str, ...]) -> re.Pattern[str]:
    """* is anything and ? one letter. Brackets are themselves: Gmail's folders have them."""
    globs = (re.escape(each.casefold()).replace(r"\*", ".*").replace(r"\?", ".") for each in values)
    return re.compile("|".join(globs), re.DOTALL)


def _leave_out(given: Iterable[str]) -> frozenset[str]:
    names = [name.strip().lower() for several in given for name in several.split(",")]
    names = [name for name in names if name]
    if not names:
        return frozenset(LEAVE_OUT.values())
    if names == ["none"]:
        return frozenset()
    for name in names:
        if name == "none":
            raise RefusedToStart("--leave-out none: it stands alone, or is left away")
        if name not in LEAVE_OUT:
            known = unknown(name, (*LEAVE_OUT, "none"), "kind of mail")
            raise RefusedToStart(f"--leave-out {name!r}: {known}")
    return frozenset(LEAVE_OUT[name] for name in names)
