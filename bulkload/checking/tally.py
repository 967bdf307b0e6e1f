"""Pure: verdicts → counts, each with where it was first met.

Laws kept here: every record is counted once, in one of load, dead letter and skip; memory is
bounded, whatever the records hold: what there is too much of is counted as one.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bulkload.checking.estimate import lookups
from bulkload.hubspot.definitions import by_reason
from bulkload.hubspot.seconds import YEARS, words
from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.proposing.trying import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkload.checking.judging import Verdict
    from bulkload.model import Position

PLACES = 3
"""So many records are named for each group."""

MOST_GROUPS = 1000
OTHERS = "others, each different"

_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_NOTE_NUMBER = re.compile(r"(?<![\w.-])(?:\d[\d,.]*\d|\d)(?![\w-])")
"""Not the digits of a name: iso-8859-1 and windows-1252 are two."""


@dataclass(slots=True)
class Group:
    """What many records have in common. `places`: the first of them; `samples`: their words;
    `words`: those of all, where they are the same.
    """

    words: str = ""
    count: int = 0
    places: list[Place] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "positions": [place.as_json() for place in self.places]}


class Groups:
    """By their words; where those have different numbers, without them."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], Group] = {}

    def add(self, kind: tuple[str, ...], words: str, place: Place) -> None:
        if kind not in self.found and len(self.found) >= MOST_GROUPS:
            kind = (*kind[:-1], OTHERS)
        group = self.found.setdefault(kind, Group(words))
        group.count += 1
        group.words = group.words if group.words == words else ""
        if len(group.places) < PLACES:
            group.places.append(place)
            if words not in group.samples:
                group.samples.append(words)

    def most_first(self) -> list[tuple[tuple[str, ...], Group]]:
        groups = sorted(self.found.items(), key=lambda each: -each[1].count)
        return [((*kind[:-1], group.words or kind[-1]), group) for kind, group in groups]


class Tally:
    """All that a check counts. `names` and `nouns`: of the sources."""

    def __init__(self, names: Sequence[str], nouns: Sequence[str]) -> None:
        self._names, self._nouns = names, nouns
        self.creates = self.lookups = self.bytes = 0
        self.read = self.load = self.dead = self.skipped = 0
        self.skipped_by: Counter[str] = Counter()
        self.directions: Counter[str] = Counter()
        self.years: Counter[str] = Counter()
        self.charsets: Counter[str] = Counter()
        self.properties: Counter[tuple[str, str]] = Counter()
        self.mapped = 0
        self.files = self.file_bytes = self.large_files = self.with_files = 0
        self.reasons, self.notes = Groups(), Groups()

    def take(
        self,
        source: int,
        position: Position,
        verdict: Verdict,
        first: int | None = None,
        *,
        largest_file: int | None = None,
    ) -> bool:
        """Count one record. `first`: the record that had its key before. Returns whether it would
        be loaded.
        """
        self.read += 1
        if first is not None or verdict.fate == "skip":
            self.skipped += 1
            self.skipped_by["duplicate" if first is not None else verdict.why] += 1
            return False
        self.mapped += verdict.fate in ("load", "refused")
        place = Place(self._names[source], self._nouns[source], position)
        if verdict.fate != "load":
            self.dead += 1
            reason = "rejected" if verdict.fate == "refused" else verdict.fate
            words = verdict.why.removeprefix(f"{self._nouns[source]} {position.number}: ")
            self.reasons.add((reason, _NUMBER.sub("N", words)), words, place)
            self.properties.update(set(verdict.complaints))
            return False
        self.load += 1
        for note in verdict.notes:
            self.notes.add((_NOTE_NUMBER.sub("N", note),), note, place)
        _count(self.directions, verdict.direction)
        _count(self.years, verdict.year)
        _count(self.charsets, verdict.charset)
        if verdict.attached:
            self.with_files += 1
            fitting = [n for n in verdict.attached if largest_file is None or n <= largest_file]
            self.files += len(fitting)
            self.file_bytes += sum(fitting)
            self.large_files += len(verdict.attached) - len(fitting)
        return True

    def send(self, sizes: Iterable[int], asked: int) -> None:
        """Count one batch: the bytes of each of its records, and the addresses that it asks for."""
        weights = list(sizes)
        if weights:
            self.creates += 1
            self.bytes += ENVELOPE_BYTES + sum(weights)
        calls, size = lookups(asked)
        self.lookups += calls
        self.bytes += size

    def hopeless(self) -> list[str]:
        """Of what the portal would refuse, that which every record has: the mapping can't work."""
        found = by_reason(
            each for each, count in sorted(self.properties.items()) if count == self.mapped
        )
        return [
            f"every record would be refused for {', '.join(names)}: {why}"
            for why, names in sorted(found.items(), key=lambda each: -len(each[1]))
        ]

    def careful(self) -> list[str]:
        """That, and what would be loaded and was hardly meant."""
        early = sum(self.years[year] for year in YEARS)
        return [*self.hopeless(), *(words(early, self.load) if early else ())]


def _count(counter: Counter[str], value: str) -> None:
    if value:
        counter[value if value in counter or len(counter) < MOST_GROUPS else OTHERS] += 1
