"""What messages about a mapping have in common: the nearest name that was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """(did you mean 'x'?), with a blank before it; "" where nothing is near."""
    by_fold = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return f" (did you mean {by_fold[close[0]]!r}?)" if close else ""
