"""What load, resume, replay and undo share: signals, progress, the summary and the exit code."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from bulkload.cli import saying, signals
from bulkload.report import words
from bulkload.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.runs.summary import Summary

    Work = Callable[[asyncio.Event, Progress], Awaitable["E"]]


GARBAGE = 20_000
"""Objects that may be made before cycles among them are looked for: thousands are in flight at a
time, hardly any in a cycle, and each look goes through them all."""


class Ended(Protocol):
    """How a command's work stands when it has ended."""

    @property
    def exit_code(self) -> int: ...
    @property
    def stopped(self) -> str | None: ...
    @property
    def resume(self) -> str | None: ...
    def as_json(self) -> dict[str, Any]: ...


E = TypeVar("E", bound=Ended)


def carry_out(work: Work[Summary], params: dict[str, Any]) -> int:
    """Run `work` to its end and tell how it ended; returns the exit code."""
    return tell(attend(work, params), params, words.summary)


def attend(work: Work[E], params: dict[str, Any]) -> E:
    """Run `work` to its end.

    The first Ctrl-C, SIGTERM or SIGHUP drains, the second aborts: what was in flight is then in
    doubt, and the next resume looks at it first.
    """
    gc.set_threshold(GARBAGE)
    show = not (params["quiet"] or params["no_progress"])
    in_flight = params.get("max_in_flight") or 20
    with Progress(in_flight, show=show, verbose=params["verbose"]) as progress:
        return asyncio.run(_watched(work, progress))


def tell(ended: E, params: dict[str, Any], in_words: Callable[[E], str]) -> int:
    """The result on stdout; returns the exit code."""
    signals.over()
    with saying.result("summary"):
        if params["as_json"]:
            click.echo(saying.as_json(ended.as_json()))
        elif not params["quiet"] or ended.stopped:
            click.echo(in_words(ended))
    if params["as_json"] and ended.stopped:
        saying.aside(f"bulkload: {ended.stopped}")
        if ended.resume:
            saying.aside(f"Go on with it: {ended.resume}")
    return ended.exit_code


async def _watched(work: Work[E], progress: Progress) -> E:
    interrupt = asyncio.Event()

    def again(name: str) -> None:
        progress.say(f"{name} again: aborting; what was open is looked at when you go on")
        progress.close()  # or the terminal's cursor stays hidden

    signals.listen(
        interrupt,
        lambda name: progress.draining(f"{name}: finishing what is in flight; once more aborts"),
        again,
    )
    return await work(interrupt, progress)
