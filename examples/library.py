# ruff: noqa: INP001, T201 - a script to read and to run: no package, and it prints
"""A load from Python: watch it, stop it in good order, resume it, see what became of it.

    python examples/library.py mail.mbox http://127.0.0.1:8700

The token comes from HUBSPOT_ACCESS_TOKEN. Ctrl-C drains; calling it again resumes.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from bulkload import BulkloadError, Options, Summary, events, load, resume

RUN = Path("example-run")


def watch(event: events.Event) -> None:
    """An observer: it is told after the fact is durable, and can't stop a load."""
    match event:
        case events.Held(seconds=None, reason=reason):
            print(f"waiting until the remote answers again: {reason}", file=sys.stderr)
        case events.Said(text=text):
            print(text, file=sys.stderr)
        case _:
            pass


async def main(source: str, base_url: str) -> int:
    interrupt = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt.set)
    try:
        ended: Summary
        if (RUN / "journal.db").exists():
            ended = await resume(RUN, observers=[watch], interrupt=interrupt)
        else:
            options = Options(base_url=base_url, max_in_flight=10, rate_limit="100/10s")
            ended = await load(
                source, run=RUN, options=options, observers=[watch], interrupt=interrupt
            )
    except BulkloadError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if ended.stopped:
        print(ended.stopped, file=sys.stderr)
    print(
        f"{ended.loaded} loaded, {ended.existing} existing, {ended.dead_lettered} dead letters, "
        f"{ended.in_doubt} in doubt"
    )
    return ended.exit_code


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: library.py SOURCE BASE_URL")
    sys.exit(asyncio.run(main(*sys.argv[1:])))
