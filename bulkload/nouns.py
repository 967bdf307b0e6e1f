"""Pure: a count and what is counted, as a person says them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """1 record, 2,000 records; `noun` is one of them."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"
