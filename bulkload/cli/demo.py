"""bulkload demo."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import click


@click.command("demo")
def command() -> int:
    """See it work, in half a minute: no account, no flags.

    Makes a mailbox of a few thousand messages, starts an embedded HubSpot with faults on,
    loads, kills its own loader with SIGKILL, resumes, and compares what the embedded HubSpot
    holds with what went in. Keeps its files below bulkload-runs/.
    """
    from rich.console import Console

    from bulkload.demo.show import run
    from bulkload.errors import RefusedToStart

    number = 1
    while os.path.lexists(folder := Path("bulkload-runs") / f"demo-{number}"):
        number += 1
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RefusedToStart(
            f"{folder}: can't be made ({error.strerror}); run the demo where you may write"
        ) from None
    console = Console(highlight=False)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end)
    return 0 if run(folder, console) else 1


def _end(*_: object) -> NoReturn:
    """Its processes end with it, whichever signal it is, and however often it comes."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
