"""Pure: times that were likely meant as seconds, which HubSpot takes for milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

YEARS = tuple(map(str, range(1970, 1975)))
"""Nobody's emails are of these, and seconds of any time until the year 6970 seem to be."""

_END_MS = 157_766_400_000
"""1975 begins."""


def suspected(sample: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """What there is to say of records' properties."""
    times = [properties.get("hs_timestamp", "") for properties in sample]
    early = sum(text.isdecimal() and len(text) <= 12 and int(text) < _END_MS for text in times)
    yield from words(early, len(times))


def words(early: int, of: int) -> Iterator[str]:
    """The same of so many records with a time in `YEARS`, where they are most."""
    if early * 2 > of:
        yield (
            f"{early:,} of {of:,} records have an hs_timestamp of {YEARS[0]} to {YEARS[-1]}: these "
            "look like seconds, and HubSpot takes milliseconds. A mapping reads them, with "
            'format = "epoch"'
        )
