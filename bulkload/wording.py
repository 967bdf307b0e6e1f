"""Pure: how messages say a count, and a name that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SEVERAL, FEW = 8, 3


def counted(count: int, noun: str) -> str:
    """1 record, 2,000 records; `noun` is one of them."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def near(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Those of `known` that may have been meant, the likeliest first."""
    from difflib import get_close_matches  # noqa: PLC0415  # only who is mistaken waits for it

    by_fold = {one.casefold(): one for one in known}
    return [by_fold[fold] for fold in get_close_matches(name.casefold(), by_fold, most)]


def meant(name: str, known: Iterable[str]) -> str:
    """(did you mean 'x'?), with a blank before it; "" where nothing is near."""
    found = near(name, known)
    return f" (did you mean {found[0]!r}?)" if found else ""


def there_is(name: str, known: Iterable[str]) -> str:
    """; there is x, y: what is near, or the first of them; "" where there is none."""
    listed = list(known)
    found = near(name, listed, FEW) or listed[:SEVERAL]
    return f"; there is {', '.join(found)}" if found else ""
