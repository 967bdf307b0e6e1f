"""bulkload demo."""

from __future__ import annotations

from pathlib import Path

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

    number = 1
    while (folder := Path("bulkload-runs") / f"demo-{number}").exists():
        number += 1
    console = Console(highlight=False)
    return 0 if run(folder, console) else 1
