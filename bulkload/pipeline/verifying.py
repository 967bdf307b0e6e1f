"""Pure: what a search showed → what is proved of the records in doubt of one batch.

Laws kept here: nothing twice, nothing lost. A record counts as loaded only where so many
records were found that hold all its properties as could have been sent; as absent only where
search would show it and nothing that was found could be it; one id is never two records'.
All else is unclear and stays in doubt.

What can't be told: a record made by another client meanwhile that holds every property sent
is taken for ours.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

import orjson

from bulkload.hubspot.searching import TIMESTAMP, about, milliseconds, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from bulkload.batch import Entry
    from bulkload.hubspot.searching import Result

    Plain = dict[str, Decimal | str]


class Sighting(NamedTuple):
    """What is proved of one record. `id`: the remote's, where it is loaded."""

    ordinal: int
    decision: Literal["loaded", "absent", "unclear"]
    id: str = ""


def weigh(
    doubtful: Sequence[Entry],
    results: Sequence[Result],
    *,
    claimed: Collection[str],
    others: Iterable[Mapping[str, str]],
    fresh: bool,
) -> list[Sighting]:
    """What the results of a search, all its pages, prove of a batch's records, in their order.

    `claimed`: ids that this run knows to be other records', those not tied to one included;
    `others`: the properties sent for records of this run that are in flight or in doubt now
    and not in `doubtful`; `fresh`: whether search shows all that the attempt can have made.
    """
    moments: dict[int, _Moment] = {}
    weighed: dict[int, Sighting] = {}
    for entry in doubtful:
        sent = orjson.loads(entry.body)["properties"]
        stamp, subject = about(sent)
        if stamp is None:
            weighed[entry.ordinal] = Sighting(entry.ordinal, "unclear")
        else:
            alike = moments.setdefault(stamp, _Moment()).alike(plain(sent), subject)
            alike.ordinals.append(entry.ordinal)
    for sent in others:
        stamp = milliseconds(sent.get(TIMESTAMP, ""))
        if stamp is not None and stamp in moments:
            moments[stamp].alike(plain(sent), about(sent)[1]).elsewhere += 1
    for result in sorted(results, key=_age):
        if result.id in claimed:
            continue
        stamp, subject = about(result.properties)
        if stamp is None:
            fresh = False  # it was found by its timestamp and shows none: it could be any
        elif stamp in moments:
            moments[stamp].found(result.id, plain(result.properties), subject)
    for moment in moments.values():
        weighed.update((sighting.ordinal, sighting) for sighting in moment.weigh(fresh=fresh))
    return [weighed[entry.ordinal] for entry in doubtful]


def _age(result: Result) -> tuple[float, int, str]:
    return (inf if result.created is None else result.created, len(result.id), result.id)


@dataclass(slots=True, eq=False)
class _Alike:
    """Records that can't be told apart by what was sent for them."""

    names: frozenset[str]
    subject: str
    ordinals: list[int] = field(default_factory=list)
    elsewhere: int = 0  # how many of `others`
    fitted: bool = False  # something was found that could be one of them

    @property
    def count(self) -> int:
        return len(self.ordinals) + self.elsewhere


class _Moment:
    """Everything with one timestamp: what was sent, what was found."""

    def __init__(self) -> None:
        self._sent: list[_Alike] = []
        self._names: set[str] = set()
        # By the names of their properties, then by the values: found by hash, not by trial.
        self._shapes: dict[tuple[str, ...], dict[tuple[Decimal | str | None, ...], _Alike]] = {}
        self._could_be: dict[str, list[_Alike]] = {}  # id → those that may have made it
        self._unexplained: set[str] = set()  # subjects

    def alike(self, sent: Plain, subject: str) -> _Alike:
        """The records that are like this one, itself among them."""
        names = tuple(sorted(sent))
        values = tuple(sent[name] for name in names)
        shape = self._shapes.setdefault(names, {})
        if values not in shape:
            shape[values] = _Alike(frozenset(names), subject)
            self._sent.append(shape[values])
            self._names.update(names)
        return shape[values]

    def found(self, name: str, shown: Plain, subject: str) -> None:
        """A record at the remote. All that were sent have been told before."""
        makers = [
            alike
            for names, shape in self._shapes.items()
            if (alike := shape.get(tuple(map(shown.get, names)))) is not None
        ]
        if not makers:
            self._unexplained.add(subject)
            return
        changed = self._changed(makers, shown, subject)
        if not changed:
            self._could_be[name] = makers
        for alike in makers + changed:
            alike.fitted = True

    def _changed(self, makers: list[_Alike], shown: Plain, subject: str) -> list[_Alike]:
        """Those that may have made it if the remote changed what they sent: they sent one of the
        properties that it shows and `makers` did not send.
        """
        more = (shown.keys() & self._names).difference(*(alike.names for alike in makers))
        if not more:
            return []
        return [each for each in self._sent if each.subject == subject and each.names & more]

    def weigh(self, *, fresh: bool) -> Iterator[Sighting]:
        own = self._shared_out()
        for alike in self._sent:
            ids = own.get(alike, [])
            if len(ids) >= alike.count:
                for ordinal, name in zip(alike.ordinals, ids, strict=False):
                    yield Sighting(ordinal, "loaded", name)
                continue
            candidate = alike.fitted or alike.subject in self._unexplained
            for ordinal in alike.ordinals:
                yield Sighting(ordinal, "absent" if fresh and not candidate else "unclear")

    def _shared_out(self) -> dict[_Alike, list[str]]:
        """The ids that only one kind of record can have made.

        Where these account for all the records of that kind, what others could have made too
        is theirs; and so on until nothing more follows.
        """
        complete: set[_Alike] = set()
        while True:
            own: defaultdict[_Alike, list[str]] = defaultdict(list)
            for name, makers in self._could_be.items():
                if len(makers) == 1:
                    own[makers[0]].append(name)
            news = {alike for alike, ids in own.items() if len(ids) == alike.count} - complete
            if not news:
                return own
            complete |= news
            for name, makers in self._could_be.items():
                if len(makers) > 1:
                    self._could_be[name] = [alike for alike in makers if alike not in complete]
