"""Pure: a table whose first row is rather a record than names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.proposing.content import look

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGITS = re.compile(r"[+-]?[0-9][0-9., ]{4,}")


def headless(header: Sequence[str]) -> str:
    """What says so, by the number of the column: nothing that a record holds is quoted. "" where
    all may be names.
    """
    for number, cell in enumerate(header, 1):
        seen = look([cell.strip()] if cell.strip() else [])
        if seen.addresses:
            return f"column {number} is named by an address"
        if seen.dates.formats:
            return f"column {number} is named by a date"
        if _DIGITS.fullmatch(cell.strip()):
            return f"column {number} is named by a number"
    return ""
