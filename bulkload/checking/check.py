"""`check`: the public API. A load into nothing: what it would make of its sources, and how long.

Law kept here: nothing is sent but reads, and those only where there is a token.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkload.calls.room import RateLimit
from bulkload.checking.checked import Checked, People
from bulkload.checking.estimate import estimate, lookups
from bulkload.checking.portal import Known, Missing, reached
from bulkload.checking.scanning import Scan, Wanted
from bulkload.doctor.asking import CutShort
from bulkload.errors import RefusedToStart
from bulkload.hubspot.definitions import Definitions
from bulkload.options import AUTO, Options
from bulkload.records.deciding import decide, has_mail
from bulkload.runs.call import Access
from bulkload.sources.detect import named, open_sources

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from bulkload.checking.estimate import Estimate
    from bulkload.checking.portal import Portal
    from bulkload.checking.scanning import Now
    from bulkload.checking.tally import Tally
    from bulkload.sources.own import OwnSource

USUAL = RateLimit(190, 10.0)
"""A private app's limit from Professional on: what is reckoned with until the account says more."""

INTERRUPTED = "interrupted; what is said is of what was read until then"


async def check(
    *sources: str | os.PathLike[str] | OwnSource,
    options: Options | None = None,
    wanted: Wanted = Wanted(),  # noqa: B008  # a value
    offline: bool = False,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    tell: Callable[[Now], None] = lambda _: None,
    interrupt: asyncio.Event | None = None,
) -> Checked:
    """What a load of `sources` with these options would do.

    The portal is asked where there is a token (as `load` finds it) and not `offline`. `tell` is
    called in another thread, after each group of records. Set `interrupt` to end it early.

    Raises RefusedToStart for bad options, sources or files.
    """
    options, began = options or Options(), time.monotonic()
    interrupt = interrupt or asyncio.Event()
    given = named(sources)
    specs = [each for each in given if isinstance(each, str)]
    if own := [each.name for each in given if not isinstance(each, str)]:
        raise RefusedToStart(
            f"{own[0]}: a source of a program's own can't be checked. Load its first records as a "
            "run of their own, with Options(limit=100)"
        )
    if "-" in specs:
        raise RefusedToStart("-: stdin can be read only once; write it to a file, and check that")
    if wanted.jobs is not None and wanted.jobs < 1:
        raise RefusedToStart("--jobs must be at least 1")
    access = Access.of(token, token_file, oauth_file, ca_file)
    said: list[str] = []
    opened = await asyncio.to_thread(
        open_sources,
        specs,
        options.asked(),
        say=said.append,
    )
    mail = has_mail(opened)
    decided = await asyncio.to_thread(decide, options, opened)
    said += decided.said
    if options.unknown_contacts == "reject" and decided.rules.people:
        said.append(
            "records whose people have no contact are counted as loaded (--unknown-contacts)"
        )
    known = Known(Definitions({}), None, None, None, {}, [])
    people, stopped = People(0), None
    async with AsyncExitStack() as stack:
        portal: Portal | None = None
        usable = None if offline else _usable(access)
        if usable is not None:
            asks = replace(options, on_quota="stop", max_outage=10.0)
            portal = await stack.enter_async_context(reached(asks, usable, interrupt, said.append))
            try:
                known = await portal.know(options, mail=mail)
            except Missing as error:
                portal = None
                said.append(f"the portal was not asked: {error}")
            except CutShort:
                portal = None
        elif mail and options.owners == AUTO:
            said.append("owners are not known: the portal was not asked")
        rules = decided.rules.owned(known.owners) if known.owners else decided.rules
        enough = threading.Event()
        watch = asyncio.create_task(_watched(interrupt, enough))
        stack.callback(watch.cancel)
        scan = stack.enter_context(
            Scan(opened, rules, options, known.definitions, known.marks, wanted, enough, tell)
        )
        await _to_its_end(scan, enough)
        stopped = None if scan.whole else INTERRUPTED
        people = People(scan.addresses.count)
        if portal is not None and scan.whole and people.addresses:
            try:
                found, missing, first = await portal.missing(scan.addresses)
                people = replace(people, found=found, missing=missing, unknown=tuple(first))
            except Missing as error:
                known.troubles.append(f"contacts were not looked up: {error}")
            except CutShort:
                stopped = INTERRUPTED
        rate = _rate(options, known.rate)
        return Checked(
            scan.tally,
            people,
            _estimate(scan, people, options, rate, known),
            str(rate),
            portal is not None,
            time.monotonic() - began,
            (*said, *known.troubles),
            _careful(scan.tally, mapped=decided.rules.columns is not None, mail=mail),
            scan.samples,
            stopped,
        )


def _careful(tally: Tally, *, mapped: bool, mail: bool) -> list[str]:
    said = tally.careful()
    if tally.hopeless() and not (mail or mapped):
        said.append("bulkload map proposes how columns become properties")
    return said


async def _to_its_end(scan: Scan, enough: threading.Event) -> None:
    """Who gives up on a check waits until its thread is over: its files are closed next."""
    running = asyncio.create_task(asyncio.to_thread(scan.run))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        enough.set()
        while not running.done():
            with suppress(asyncio.CancelledError):  # asked once more: it is over soon
                await asyncio.wait([running])
        raise


def _usable(access: Access) -> Access | None:
    """None where no token is named, and none is in the environment."""
    named = access.token or access.token_file or access.oauth_file
    try:
        access.check()
    except RefusedToStart:
        if named or access.ca_file:
            raise
        return None
    return access


async def _watched(interrupt: asyncio.Event, enough: threading.Event) -> None:
    await interrupt.wait()
    enough.set()


def _rate(options: Options, told: RateLimit | None) -> RateLimit:
    most = options.most_calls()
    if most is None or (
        told is not None and told.calls / told.window_s < most.calls / most.window_s
    ):
        return told or most or USUAL
    return most


def _estimate(
    scan: Scan, people: People, options: Options, rate: RateLimit, known: Known
) -> Estimate:
    tally = scan.tally
    calls = {"create emails": tally.creates, "look up contacts": tally.lookups}
    size = tally.bytes
    if options.unknown_contacts == "create" and people.missing:
        makes, make_bytes = lookups(people.missing)
        calls |= {"create contacts": makes, "name contacts": makes}
        size += 4 * make_bytes
    if options.attachments == "upload":
        calls["upload files"] = tally.files
        size += tally.file_bytes
    return estimate(calls, size, rate, options.share_of_rate(), known.day)
