"""What load, resume and replay share: signals, progress, the summary and the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
import orjson

from bulkload.report import words
from bulkload.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.summary import Summary

    Work = Callable[[asyncio.Event, Progress], Awaitable[Summary]]


def carry_out(work: Work, params: dict[str, Any]) -> int:
    """Run `work` to its end; returns the exit code.

    The first Ctrl-C or SIGTERM drains, the second aborts: what was in flight is then in
    doubt, and the next resume looks at it first.
    """
    quiet = params["quiet"]
    show = not (quiet or params["no_progress"])
    in_flight = params.get("max_in_flight") or 20
    with Progress(in_flight, show=show, verbose=params["verbose"]) as progress:
        ended = asyncio.run(_watched(work, progress))
    for number in (signal.SIGINT, signal.SIGTERM):  # it has ended: the exit code is what it says
        signal.signal(number, signal.SIG_IGN)
    if params["as_json"]:
        _say(orjson.dumps(ended.as_json()).decode())
        if ended.stopped:
            _say(f"bulkload: {ended.stopped}", err=True)
            if ended.resume:
                _say(f"Go on with it: {ended.resume}", err=True)
    elif not quiet or ended.stopped:
        _say(words.summary(ended))
    return ended.exit_code


def _say(text: str, *, err: bool = False) -> None:
    """Where nobody listens (a closed pipe, a full disk) the exit code still tells the truth."""
    try:
        click.echo(text, err=err)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # what is left in the buffer goes there
        os.dup2(nowhere, 2 if err else 1)
        os.close(nowhere)


async def _watched(work: Work, progress: Progress) -> Summary:
    loop = asyncio.get_running_loop()
    interrupt = asyncio.Event()

    def told(name: str) -> None:
        if interrupt.is_set():
            with suppress(OSError):
                progress.say(f"{name} again: aborting; bulkload resume looks at what was open")
                progress.close()  # or the terminal's cursor stays hidden
            # The journal is durable at every instant: nothing is gained by unwinding.
            os._exit(3)
        interrupt.set()
        with suppress(OSError):  # nobody listens: it drains all the same
            progress.draining(f"{name}: finishing what is in flight; once more aborts")

    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, told, name)
    return await work(interrupt, progress)
