"""bulkload check."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkload.cli import saying
from bulkload.cli.flags import (
    access,
    access_options,
    add_options,
    given,
    mapping_options,
)
from bulkload.cli.knobs import OPTIONS, READING
from bulkload.cli.signals import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.checking.checked import Checked

MATTER = (
    "base-url", "limit", "batch-size", "max-batch-bytes", "rate-limit", "rate-share", "timeout",
    "key", "key-property",
)  # fmt: skip
"""Of a run's options, those that change what a check says."""


def _options(function: Callable[..., int]) -> Callable[..., int]:
    return add_options(function, (*(each for each in OPTIONS if each[0] in MATTER), *READING))


@click.command("check")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--sample", type=click.IntRange(min=0), default=0, help="Show N mapped records.")
@click.option(
    "--mapped",
    type=click.Path(path_type=Path),
    help="Write all mapped records to this file (NDJSON): a source itself. Not overwritten.",
)
@click.option("--offline", is_flag=True, help="Ask the portal nothing, though there is a token.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes. [default: one a core]")
@_options
@mapping_options
@access_options
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
@click.option("--no-progress", is_flag=True, help="No progress lines on stderr.")
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], **_: Any) -> int:
    """What would a load of SOURCES do? Nothing is sent.

    Every record is read and mapped, on all cores: what would be loaded, skipped, refused, and
    why; how many calls and bytes that makes, and how long it takes. With a token the portal's
    properties, contacts and limits are read too.

    \b
    bulkload check mail.mbox --mine example.com
    bulkload check mail.mbox --sample 5 --offline
    bulkload check mail.mbox --mapped mapped.ndjson     # then: bulkload load mapped.ndjson

    Exit codes: 0 all would be loaded or skipped · 1 some would be dead letters · 2 usage or
    configuration · 3 interrupted.
    """  # noqa: D301  # click reads the \b
    from bulkload.checking.check import check
    from bulkload.checking.scanning import Wanted
    from bulkload.options import Options
    from bulkload.report.scanned import Scanned

    params = ctx.params
    options = Options(**given(ctx))
    wanted = Wanted(params["sample"], params["mapped"], params["jobs"])
    progress = Scanned(show=not params["no_progress"])

    async def work() -> Checked:
        interrupt = asyncio.Event()
        listen(
            interrupt,
            lambda name: saying.aside(f"{name}: ending with what is known; once more aborts"),
            lambda _: progress.close(),
        )
        return await check(
            *sources,
            options=options,
            wanted=wanted,
            offline=params["offline"],
            **access(params),
            tell=progress,
            interrupt=interrupt,
        )

    try:
        checked = asyncio.run(work())
    finally:
        progress.close()
    return _tell(checked, as_json=params["as_json"])


def _tell(checked: Checked, *, as_json: bool) -> int:
    """What was found on stdout; returns the exit code, whoever listens."""
    from bulkload.report import mapped
    from bulkload.report.checked import words

    with saying.result("result"):
        if as_json:
            click.echo(saying.as_json(checked.as_json()))
        else:
            mapped.records(checked.samples, sys.stdout)
            click.echo(words(checked))
    return checked.exit_code
