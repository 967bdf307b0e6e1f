"""How a check ended, as values: what `--json` prints and the words are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.checking.estimate import Estimate
    from bulkload.checking.tally import Tally
    from bulkload.proposing.trying import Shown


@dataclass(frozen=True, slots=True)
class People:
    """Distinct addresses that records are tied to; `found` and `missing` None: nobody was asked."""

    addresses: int
    found: int | None = None
    missing: int | None = None
    unknown: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "addresses": self.addresses,
            "found": self.found,
            "missing": self.missing,
            "first_missing": list(self.unknown),
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """What a load would do. `said`: what was guessed of the sources, and what could not be asked.

    `asked`: whether the portal was. `rate`: by what the seconds are reckoned. `stopped`: why it
    ended before its end.
    """

    tally: Tally
    people: People
    estimate: Estimate
    rate: str
    asked: bool
    elapsed_s: float
    said: Sequence[str] = ()
    hopeless: Sequence[str] = ()
    samples: Sequence[Shown] = ()
    stopped: str | None = None

    @property
    def exit_code(self) -> int:
        if self.stopped is not None:
            return 3
        return 1 if self.tally.dead else 0

    def as_json(self) -> dict[str, Any]:
        tally = self.tally
        return {
            "read": tally.read,
            "would_load": tally.load,
            "would_dead_letter": tally.dead,
            "skipped": tally.skipped,
            "skipped_by": dict(tally.skipped_by.most_common()),
            "reasons": [
                {"reason": reason, "message": message, **group.as_json(), "samples": group.samples}
                for (reason, message), group in tally.reasons.most_first()
            ],
            "notes": [
                {"note": note, **group.as_json()} for (note,), group in tally.notes.most_first()
            ],
            "directions": dict(tally.directions.most_common()),
            "years": dict(sorted(tally.years.items())),
            "charsets": dict(tally.charsets.most_common()),
            "attachments": {
                "records": tally.with_files,
                "count": tally.files,
                "bytes": tally.file_bytes,
                "too_large": tally.large_files,
            },
            "properties": [
                {"name": name, "complaint": why, "count": count}
                for (name, why), count in tally.properties.most_common()
            ],
            "contacts": self.people.as_json(),
            **self.estimate.as_json(),
            "rate": self.rate,
            "asked_portal": self.asked,
            "said": list(self.said),
            "hopeless": list(self.hopeless),
            "samples": [sample.as_json() for sample in self.samples],
            "elapsed_s": round(self.elapsed_s, 3),
            "stopped": self.stopped,
            "exit_code": self.exit_code,
        }
