"""Pure: a mapping tried on records: how many it maps, why not the others, and some to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.errors import RecordError
from bulkload.hubspot.properties import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkload.model import Mapped, Position, Record


class Place(NamedTuple):
    """Where a record stands, as "mail.csv, row 2"; in a folder its file."""

    source: str
    noun: str
    position: Position

    def __str__(self) -> str:
        at, number = self.position
        if isinstance(at, str):
            return f"{self.source.rstrip('/')}/{at}"
        return f"{self.source}, {self.noun} {number}"

    def as_json(self) -> dict[str, Any]:
        return {"source": self.source, "position": self.position.as_json()}


class Shown(NamedTuple):
    """A record to look at."""

    place: Place
    mapped: Mapped

    def as_json(self) -> dict[str, Any]:
        made = {**self.place.as_json(), "input": as_json(self.mapped.input)}
        people = [each.email for each in self.mapped.people]
        return {**made, "people": people, "notes": list(self.mapped.notes)}


class Fault(NamedTuple):
    """Why so many `records` can't be mapped, and the first of them."""

    reason: str
    records: int
    first: Place

    def as_json(self) -> dict[str, Any]:
        return {"reason": self.reason, "records": self.records, "first": self.first.as_json()}


class Tried(NamedTuple):
    """`read` records, of which `good` are mapped to what HubSpot takes."""

    read: int
    good: int
    faults: tuple[Fault, ...]
    shown: tuple[Shown, ...]


def try_out(
    records: Sequence[tuple[Place, Record]],
    to: Callable[[Record], Mapped],
    refused: Callable[[Mapped], str] = lambda _: "",
    show: int = 5,
) -> Tried:
    """`to` raises RecordError; `refused` says why HubSpot would not take what it made, "" where it
    would. The records shown stand evenly apart among the good ones; if there are none, among those
    that would be refused.
    """
    good: list[Shown] = []
    bad: list[Shown] = []
    faults: dict[str, Fault] = {}
    for place, record in records:
        try:
            made = Shown(place, to(record))
            why = refused(made.mapped)
            (bad if why else good).append(made)
        except RecordError as error:
            why = str(error)
        if why:
            known = faults.get(why, Fault(why, 0, place))
            faults[why] = known._replace(records=known.records + 1)
    among = good or bad
    count = min(show, len(among))
    shown = tuple(among[at * len(among) // count] for at in range(count))
    most = tuple(sorted(faults.values(), key=lambda fault: -fault.records))
    return Tried(len(records), len(good), most, shown)
