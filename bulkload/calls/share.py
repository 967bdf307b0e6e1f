"""Pure: the part of the day's calls that is this run's; the rest is for the user's other tools.

Law kept here: what was asked for is understood, or refused with what was expected.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Share(NamedTuple):
    """So many `calls` a day, or that `part` of the account's limit."""

    calls: int | None = None
    part: float | None = None

    @classmethod
    def parse(cls, text: str) -> Share:
        """Text such as 50000 or 80%. Raises ValueError with what was expected."""
        text = text.strip()
        if re.fullmatch(r"[0-9]{1,9}", text) and int(text):
            return cls(calls=int(text))
        if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?\s*%", text):
            part = float(text.rstrip("% ")) / 100
            if 0 < part <= 1:
                return cls(part=part)
        raise ValueError(
            f"{text!r} is not a share of the day's calls: give a number, such as 50000, or a "
            "percentage of the account's limit, such as 80%"
        )

    def of(self, limit: int | None) -> int | None:
        """So many calls a day; None where it is a part of a limit that is not known."""
        if self.calls is not None:
            return self.calls
        if self.part is None or limit is None:
            return None
        return max(int(limit * self.part), 1)
