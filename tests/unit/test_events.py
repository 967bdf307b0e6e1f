"""Who observes a load is told, and can't stop it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import events, load
from bulkload.errors import RefusedToStart
from bulkload.runs.call import Call

if TYPE_CHECKING:
    from pathlib import Path


async def awaited(_event: object) -> None:
    raise AssertionError


class Awaited:
    async def __call__(self, _event: object) -> None:
        raise AssertionError

    async def method(self, _event: object) -> None:
        raise AssertionError


class Plain:
    def __call__(self, event: object) -> None: ...


ASYNC = [awaited, Awaited(), Awaited().method, partial(awaited), 7]


@pytest.mark.parametrize("observer", ASYNC)
def test_one_that_would_never_be_told_is_refused_at_once(observer: Any, tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"^observer "):
        asyncio.run(load("a.ndjson", run=tmp_path / "r", token="x", observers=[observer]))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("observer", [print, Plain(), [].append, partial(print, 1), Plain])
def test_what_can_be_called_is_taken(observer: Any) -> None:
    assert Call(observers=(observer,)).observers == (observer,)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
def test_one_that_raises_stops_nothing_and_is_told_no_more(error: type[BaseException]) -> None:
    told: list[events.Event] = []
    failed: list[events.Event] = []

    def raises(event: events.Event) -> None:
        failed.append(event)
        raise error

    tell = events.Announcer((raises, told.append))
    tell(events.Released())
    tell(events.Renewed())
    assert told == [events.Released(), events.Renewed()]
    assert failed == [events.Released()]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_handed_on(error: type[BaseException]) -> None:
    def raises(_event: events.Event) -> None:
        raise error

    with pytest.raises(error):
        events.Announcer((raises,))(events.Released())
