# ruff: noqa: INP001, T201 - a script to read and to run: no package, and it prints
"""A source of your own: an async iterator of records with positions is enough.

    python examples/own_source.py http://crm.example/mails http://127.0.0.1:8700

It pages through a web service that gives {"rows": [...], "more": true}, by the id of the last row.
The position is that id, so a resume asks for the rows from there on and for none before. The token
comes from HUBSPOT_ACCESS_TOKEN. Calling it again, after a kill or a failure of the service, goes on
where it was.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from bulkload import BulkloadError, Options, OwnSource, load, resume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUN = Path("own-run")


def service(address: str) -> OwnSource:
    """Its rows, from the id `start` on."""

    async def read(start: int | str | None) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        first = int(start or 0)
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            while True:
                async with session.get(address, params={"from": first}) as answer:
                    page = await answer.json()
                for row in page["rows"]:
                    yield row["id"], {"hs_timestamp": row["sent"], "hs_email_subject": row["about"]}
                if not page["more"]:
                    return
                first = page["rows"][-1]["id"] + 1

    return OwnSource("crm", read, bound={"service": address})


def main(address: str, hubspot: str) -> int:
    source = service(address)
    if (RUN / "journal.db").exists():
        summary = asyncio.run(resume(RUN, source))
    else:
        summary = asyncio.run(load(source, run=RUN, options=Options(base_url=hubspot)))
    if summary.stopped:
        print(summary.stopped, file=sys.stderr)
        if source.failure is not None:
            traceback.print_exception(source.failure)
    print(
        f"{summary.loaded} loaded, {summary.existing} existing, "
        f"{summary.dead_lettered} dead letters"
    )
    return summary.exit_code


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: own_source.py SERVICE BASE_URL")
    try:
        sys.exit(main(*sys.argv[1:]))
    except BulkloadError as error:
        sys.exit(f"own_source: {error}")
