"""Pure: in which formats a column's values are dates, and whether day and month are sure.

Law kept here: the order of day and month is decided by values past 12, and where there are none
it is said that nothing decides it.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from bulkload.columns.times import NAMED, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST = 48
_MOST_SHAPES = 8
_STRAYS = 0.05
"""The part of the values that may be no dates."""

_EARLIEST_MS, _LATEST_MS = 631_152_000_000, 4_102_444_800_000
"""1990 and 2100: a number outside these is rather none that counts seconds."""


class Dates(NamedTuple):
    """`formats` read the column, in this order; none: it holds no dates. `rivals` would read it
    as well, as other moments. `strays`: so many values are no dates. `naive`: no zone is said.
    """

    formats: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    strays: int = 0
    naive: bool = False


def dates(values: Sequence[str]) -> Dates:
    """`values` are cells that aren't empty."""
    groups: dict[str, list[str]] = {}
    for value in values:
        text = value.strip()
        shape = _shape(text) if len(text) <= _LONGEST else ""
        groups.setdefault(shape, []).append(text)
        if len(groups) > _MOST_SHAPES:
            return Dates()
    fits = {shape: _fitting(shape, set(found)) for shape, found in groups.items()}
    strays = sum(
        sum(not _reads(text, fits[shape][0]) for text in found) if fits[shape] else len(found)
        for shape, found in groups.items()
    )
    if strays > _STRAYS * len(values) or strays == len(values):
        return Dates()
    read = sorted((s for s in groups if fits[s]), key=lambda shape: -len(groups[shape]))
    sure = {
        order
        for shape in read
        if len(orders := {_month_first(form) for form in fits[shape]}) == 1
        for order in orders
        if order is not None
    }
    chosen: dict[str, None] = {}
    rivals: dict[str, None] = {}
    for shape in read:
        forms = fits[shape]
        if len(sure) == 1:
            forms = [form for form in forms if _month_first(form) in (None, *sure)] or forms
        chosen[forms[0]] = None
        rivals.update(dict.fromkeys(_others(forms, groups[shape])))
    naive = any(_naive(form, groups[shape]) for shape, form in zip(read, chosen, strict=False))
    return Dates(tuple(chosen), tuple(rivals), strays, naive)


def _shape(text: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"[0-9]+", "9", text))


def _fitting(shape: str, texts: set[str]) -> list[str]:
    """The formats that read most of the texts of a shape, the likelier first: nearly all, since
    an old table has a 31st of February; those that read fewer take the day for the month.
    """
    if "9" not in shape:
        return []
    # The Date header's comes last: it reads what others say more exactly.
    forms = [*NAMED[:-1], *_BY_SHAPE.get(shape, ()), NAMED[-1]]
    read = {form: sum(_reads(text, form) for text in texts) for form in forms}
    most = max(read.values())
    if most < (1 - _STRAYS) * len(texts):
        return []
    return [form for form in forms if read[form] == most]


def _reads(text: str, form: str) -> bool:
    at = moment(text, form, "UTC")
    if at is None:
        return False
    if form == "iso":
        return not text.isdigit() or text.startswith(("19", "20"))
    if form == "rfc5322":
        return ":" in text and any(sign.isalpha() for sign in text)
    return not form.startswith("epoch") or _EARLIEST_MS <= at <= _LATEST_MS


def _others(forms: Iterable[str], texts: Iterable[str]) -> list[str]:
    first, *rest = forms
    return [
        form
        for form in rest
        if any(moment(text, form, "UTC") != moment(text, first, "UTC") for text in texts)
    ]


def _month_first(form: str) -> bool | None:
    """None where nobody could mistake one for the other."""
    day, month = form.find("%d"), form.find("%m")
    if day < 0 or month < 0 or form.startswith(("%Y", "%y")):
        return None
    return month < day


def _naive(form: str, texts: Sequence[str]) -> bool:
    if form.startswith("epoch"):
        return False
    return any(moment(text, form, "UTC") != moment(text, form, "Etc/GMT+5") for text in texts)


def _by_shape() -> dict[str, list[str]]:
    """The formats that could read a text, by its shape, the likelier first: trying them all
    takes a second a column.
    """
    days = [
        order.replace("/", sign)
        for sign in ("/", ".", "-")
        for order in ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y")
    ]
    days += [
        form.replace("%b", month)
        for month in ("%b", "%B")
        for form in ("%d %b %Y", "%d. %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y")
    ]
    clocks = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p"]
    clocks += ["%H:%M %z", "%H:%M:%S %z", "%H.%M", "%H.%M.%S"]
    timed = [f"{day}{between}{clock}" for day, between, clock in product(days, (" ", ", "), clocks)]
    # With AM and PM the writer is rather American.
    american = [form for form in timed if "%p" in form and _month_first(form)]
    others = [form for form in timed if form not in set(american)]
    found: dict[str, list[str]] = {}
    for form in (*days, *american, *others):
        letters = re.sub("%[bBp]", "a", form)
        for zone in ("+9", "-9", "+9:9", "-9:9", "a") if "%z" in form else ("",):
            shape = re.sub("%[a-zA-Z]", "9", letters.replace("%z", zone))
            found.setdefault(shape, []).append(form)
    return found


_BY_SHAPE = _by_shape()
