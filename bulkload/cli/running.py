"""What load, resume and replay share: signals, progress, the summary and the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
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
    if params["as_json"]:
        sys.stdout.buffer.write(orjson.dumps(ended.as_json(), option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
        if ended.stopped:
            click.echo(f"bulkload: {ended.stopped}", err=True)
            if ended.resume:
                click.echo(f"Go on with it: {ended.resume}", err=True)
    elif not quiet or ended.stopped:
        click.echo(words.summary(ended))
    return ended.exit_code


async def _watched(work: Work, progress: Progress) -> Summary:
    loop = asyncio.get_running_loop()
    interrupt = asyncio.Event()

    def told(name: str) -> None:
        if interrupt.is_set():
            progress.say(f"{name} again: aborting; bulkload resume looks at what was open")
            progress.close()  # or the terminal's cursor stays hidden
            # The journal is durable at every instant: nothing is gained by unwinding.
            os._exit(3)
        progress.draining(f"{name}: finishing what is in flight; once more aborts")
        interrupt.set()

    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, told, name)
    return await work(interrupt, progress)
