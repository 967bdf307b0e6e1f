"""Both that know keys again say the same, asked for many at once or for one after another."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.records.recent import Recent
from bulkload.records.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bulkload.protocols import KeysSeen


@contextmanager
def recent() -> Iterator[Recent]:
    yield Recent()


@contextmanager
def seen() -> Iterator[Seen]:
    with TemporaryDirectory() as directory:
        index = Seen(Path(directory), durable=False)
        yield index
        index.close()


BOTH = [recent, seen]


@pytest.mark.parametrize("opened", BOTH)
@given(groups=st.lists(st.lists(st.integers(0, 30).map(str), min_size=1, max_size=5), max_size=9))
def test_many_at_once_are_first_where_each_would_be(
    opened: Callable[[], AbstractContextManager[KeysSeen]], groups: list[list[str]]
) -> None:
    with opened() as together, opened() as singly:
        ordinal = 0
        for keys in groups:
            each = [singly.first(key, at) for at, key in enumerate(keys, ordinal)]
            assert together.first_of(keys, ordinal) == (each == [None] * len(keys))
            assert [together.first(key, at) for at, key in enumerate(keys, ordinal)] == each
            ordinal += len(keys)


def test_only_the_last_are_remembered() -> None:
    seen = Recent(3)
    assert seen.first_of(["a", "b", "c", "d"], 0)
    assert seen.first("d", 9) == 3
    assert [seen.first(key, at) for at, key in enumerate("efg", 4)] == [None] * 3
    assert [seen.first(key, 9) for key in "efg"] == [4, 5, 6]
    assert seen.first("a", 9) is None
