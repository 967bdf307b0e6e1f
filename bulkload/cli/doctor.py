"""bulkload doctor."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkload.cli import saying
from bulkload.cli.flags import access, access_options
from bulkload.cli.signals import listen
from bulkload.errors import RefusedToStart, StoppedResumable

if TYPE_CHECKING:
    from bulkload.doctor.gathering import Doctor
    from bulkload.doctor.report import Report


@click.command("doctor")
@click.option(
    "--base-url",
    default="https://api.hubapi.com",
    show_default=True,
    envvar="BULKLOAD_BASE_URL",
    help="Where HubSpot is; a sandbox's address to rehearse.",
)
@access_options
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("bulkload-runs"),
    show_default=True,
    metavar="DIR",
    help="The folder that runs are kept in: its disk is looked at.",
)
@click.option("--fix", is_flag=True, help="Make the properties that are missing.")
@click.option(
    "--probe", is_flag=True, help="Make a few emails, see what the portal does, archive them."
)
@click.option(
    "--timeout",
    type=float,
    default=15.0,
    show_default=True,
    help="Seconds without an answer before a call is given up.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each call.")
def command(*, runs: Path, fix: bool, probe: bool, as_json: bool, **params: Any) -> int:
    """Is everything as a load needs it, and what is this portal like?

    Nothing is changed without --fix, and nothing is created without --probe. What probes show is
    kept on this machine, for later runs on the portal.

    \b
    bulkload doctor
    bulkload doctor --fix --probe

    Exit codes: 0 nothing failed · 1 something did · 2 usage or configuration · 3 HubSpot could
    not be reached, or refused the token.
    """  # noqa: D301  # click reads the \b
    from bulkload.doctor.gathering import Wanted
    from bulkload.runs.call import Access

    if not 0 < params["timeout"] <= 3600:  # so that nan is refused too
        raise RefusedToStart("--timeout takes seconds, more than 0 and at most 3600")
    given = Access(**access(params))
    given.check()
    wanted = Wanted(runs, fix=fix, probe=probe)

    async def work() -> Report:
        from bulkload.doctor.gathering import Doctor
        from bulkload.hubspot.auth import RenewalTrouble, Token
        from bulkload.runs.connecting import session

        interrupt = asyncio.Event()
        log = saying.aside if params["verbose"] else _nothing
        url = params["base_url"]
        reached = session(url, given, patience_s=params["timeout"], connections=4)
        async with reached as (client, credentials):
            try:
                await credentials.fresh()
                token = Token(credentials.reveal())
            except RenewalTrouble as trouble:
                raise StoppedResumable(trouble.reason) from None
            doctor = Doctor(client, token, wanted, interrupt, saying.aside, log)
            _listen(interrupt, doctor)
            return await doctor.examine()

    return _tell(asyncio.run(work()), as_json=as_json)


def _listen(interrupt: asyncio.Event, doctor: Doctor) -> None:
    def first(name: str) -> None:
        saying.aside(
            f"{name}: cut short" + ("; archiving the probe records" * bool(doctor.probes_left))
        )

    def again(name: str) -> None:
        if left := doctor.probes_left:
            saying.aside(f"{name} again: the probe emails {', '.join(left)} are left in the portal")

    listen(interrupt, first, again)


def _tell(report: Report, *, as_json: bool) -> int:
    """The report on stdout; returns the exit code, whoever listens."""
    with saying.result("report"):
        if as_json:
            import orjson

            click.echo(orjson.dumps(report.as_json()).decode())
        else:
            from bulkload.report import table

            table.show(report.checks, sys.stdout)
    return report.exit_code


def _nothing(text: str) -> None:
    del text
