"""One process's work on one run, from the journal's opening to its summary.

Law kept here: what earlier lives of a run left in doubt is looked at before anything new is
sent.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bulkload import events, verdict
from bulkload.calls.hold import Drained
from bulkload.errors import BulkloadError, Mixed, StoppedForGood, StoppedResumable
from bulkload.hubspot.sink import Sink
from bulkload.journal import readers
from bulkload.journal.journal import Journal
from bulkload.pipeline.parts import Parts, Policy, Tally
from bulkload.pipeline.pipeline import Pipeline
from bulkload.records.letters import LetterWriter
from bulkload.records.people import People
from bulkload.records.reading import total_size
from bulkload.records.supply import Supply
from bulkload.runs import binding
from bulkload.runs.connecting import connected
from bulkload.runs.leftover import Leftover, Word
from bulkload.runs.preflight import Preflight
from bulkload.runs.runlog import RunLog
from bulkload.runs.sourcing import all_settled, still_whole
from bulkload.runs.summary import (
    Process,
    Summary,
    finished,
    going_on,
    is_resolved,
    keep,
    standing_besides,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkload.batch import Batch
    from bulkload.calls.traffic import Traffic
    from bulkload.hubspot.client import Client
    from bulkload.journal.settlement import Open
    from bulkload.options import Options
    from bulkload.protocols import Source
    from bulkload.rundir import RunDir
    from bulkload.runs.call import Call


V = TypeVar("V")

QUIET_S = 60.0
"""How long after its time limit a call may still be carried out by the remote."""


async def carry_on(
    directory: RunDir,
    sources: Sequence[Source],
    options: Options,
    call: Call,
    said: Sequence[str] = (),
    *,
    resolving: bool = False,
    word: Word | None = None,
) -> Summary:
    """Work on a committed run until it is settled or has to stop. The lock is held.

    `said`: what there is to tell about its sources, for the observers. `resolving`: only what is
    in doubt is looked at, nothing new is read; `word`: what the user says of it.
    """
    life = _Life(directory, sources, options, call, resolving=resolving, word=word)
    return await life.live(said)


def _interrupted(*, resolving: bool) -> StoppedResumable:
    left = "what is left is looked for" if resolving else "what was in flight is settled"
    return StoppedResumable(f"interrupted; {left}{' by the next resolve' * resolving}")


class _Life:
    """One process's work on one run."""

    def __init__(
        self,
        directory: RunDir,
        sources: Sequence[Source],
        options: Options,
        call: Call,
        *,
        resolving: bool,
        word: Word | None,
    ) -> None:
        self._resolving = resolving
        self._word = word
        self._directory = directory
        self._sources = sources
        self._options = options
        self._call = call
        self._log = RunLog(directory.log)
        self._tell = events.Announcer((self._log, *call.observers))
        self._tally = Tally()
        self._random = random.Random()  # noqa: S311  # jitter, no secret
        self._began = time.monotonic()
        self._interrupt = call.interrupt or asyncio.Event()
        self._looked = False
        self._pipeline: Pipeline | None = None
        self._stop_reading: Callable[[], None] = lambda: None
        self._full: StoppedResumable | None = None
        # One thread reads: in a pool each would grow an arena of its own for the bodies.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")

    async def live(self, said: Sequence[str]) -> Summary:
        stopped: BulkloadError | None = None
        with suppress(OSError):  # a full disk: what it was for has happened
            self._directory.lay_ballast()
        async with AsyncExitStack() as stack:
            journal = Journal.of(
                self._directory, on_full=self._disk_trouble(asyncio.get_running_loop())
            )
            stack.push_async_callback(journal.close)
            stack.enter_context(self._thread)
            self._take_counts(journal)
            for text in said:
                self._tell(events.Said(text))
            client, traffic = await stack.enter_async_context(
                connected(self._options, self._call.access, self._random, self._tell)
            )
            try:
                async with AsyncExitStack() as kept:
                    stopped = await self._work(journal, client, traffic, kept)
            except Drained:
                stopped = _interrupted(resolving=self._resolving)
            except (StoppedResumable, StoppedForGood) as error:
                stopped = error
            if isinstance(stopped, Mixed):
                await journal.note({"mixed": str(stopped)})
            with suppress(BulkloadError):  # a full disk: what left is counted by its intents
                await binding.note_day(journal, traffic, self._options)
        summary = self._summarise(stopped, journal.facts)
        self._log.write(f"ended with exit code {summary.exit_code}: {summary.stopped or 'settled'}")
        keep(self._directory, summary)
        return summary

    def _take_counts(self, journal: Journal) -> None:
        self._tally.take(journal.counts)
        if journal.set_aside is not None:
            self._tell(
                events.Said(
                    f"dead-letters.ndjson had been edited: it is kept as {journal.set_aside.name}"
                )
            )
        expected = total_size(self._sources)
        run, place = journal.facts["run_id"], str(self._directory.path)
        already, most = self._tally.read, self._options.limit
        self._tell(events.Started(run, place, expected, already, most))

    async def _work(
        self, journal: Journal, client: Client, traffic: Traffic, kept: AsyncExitStack
    ) -> BulkloadError | None:
        options, facts = self._options, journal.facts
        whole = facts.get("complete") or facts.get("whole")
        watch = asyncio.create_task(self._drain_when_told())
        kept.callback(watch.cancel)
        await binding.remember(journal, traffic, options)
        preflight = Preflight(
            client, traffic, self._tell, self._random, options.max_outage, self._interrupt
        )
        marks, slow_s = await binding.bind(journal, traffic, preflight, options)
        means: verdict.Means = "key" if marks else options.in_doubt
        run = journal.facts["run_id"]
        letters = LetterWriter(
            run, [source.name for source in self._sources], filter(None, marks or ()), options.key
        )
        supply = kept.enter_context(
            Supply(self._directory, self._sources, options, journal.facts, marks, letters)
        )
        reader, people = supply.reader, People(journal.contact)
        self._stop_reading = reader.stop
        if self._interrupt.is_set():
            reader.stop()
        # Who is cancelled once more goes on behind `_leave`: nothing is closed under who reads.
        kept.callback(self._thread.shutdown)
        kept.push_async_callback(self._leave, supply)
        if not (self._resolving or journal.counts.read):
            await preflight.warn(await self._read(supply.sample))

        async def rebuild(opened: Open) -> Batch:
            return await self._read(
                partial(reader.rebuild, opened.covers, opened.source, opened.position)
            )

        leftover = Leftover(self._sources, journal, rebuild, self._tally, self._tell)
        state, doubted = await leftover.look(means, self._word)
        parts = Parts(
            Sink(client), journal, traffic, letters, self._random, self._tell,
            lambda: reader.consumed(self._tally.read), self._read, reader.stop,
        )  # fmt: skip
        policy = Policy.of(options, means, marks, run, journal.facts.get("began"), QUIET_S + slow_s)
        batches = iter(()) if self._resolving else supply.batches(state, people)
        pipeline = self._pipeline = Pipeline(parts, policy, batches, self._tally, doubted, people)
        if self._full is not None:
            pipeline.drain(self._full)
        if self._interrupt.is_set():
            pipeline.drain(_interrupted(resolving=self._resolving))
        try:
            await pipeline.run()
        finally:
            if people.hits or people.misses:
                self._log.write(
                    f"people: {people.hits:,} were known, {people.misses:,} were to be asked for"
                )
        self._looked = pipeline.stopped is None
        if pipeline.stopped is None and self._resolving and not whole:
            return StoppedResumable("what was in doubt was looked at; the rest is not loaded yet")
        if pipeline.stopped is None:
            await asyncio.to_thread(still_whole, self._sources, facts["fingerprints"])
            total = reader.total
            all_settled(total, self._tally.read)
            await journal.finish(None if total is None else (total, len(self._sources)))
        return pipeline.stopped

    async def _leave(self, supply: Supply) -> None:
        """Who gives up waits for no batch, but for the record that is being read."""
        supply.reader.stop()
        # Shielded: who is cancelled once more would take it back, and leave the sources open.
        leaving = asyncio.get_running_loop().run_in_executor(self._thread, supply.leave)
        await asyncio.shield(leaving)
        for trouble in supply.reader.unclosed:
            self._log.write(f"a source could not be closed: {trouble}")

    async def _drain_when_told(self) -> None:
        await self._interrupt.wait()
        self._stop_reading()
        if self._pipeline is not None:
            self._pipeline.drain(_interrupted(resolving=self._resolving))

    async def _read(self, work: Callable[[], V]) -> V:
        """In the one thread that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _disk_trouble(self, loop: asyncio.AbstractEventLoop) -> Callable[[str], None]:
        """Called in the journal's thread, with what the disk is."""

        def drain(what: str) -> None:
            self._full = self._full or StoppedResumable(
                f"the disk of {self._directory.path} {what}. What was in flight is settled; make "
                "room or mend it, then resume"
            )
            if self._pipeline is not None:
                self._pipeline.drain(self._full)

        def give_room(what: str) -> None:
            self._directory.drop_ballast()
            loop.call_soon_threadsafe(drain, what)

        return give_room

    def _summarise(self, stopped: BulkloadError | None, facts: dict[str, Any]) -> Summary:
        tally, access = self._tally, self._call.access
        besides = standing_besides(self._directory, facts, tally.dead, tally.files_left_out)
        code = finished(tally.doubt, besides) if stopped is None else stopped.exit_code
        # What a resolve looked for, and is not done with, is in doubt as it was.
        cut = not self._looked and (self._resolving or is_resolved(facts))
        sought = readers.under_way(self._directory) if cut else 0
        busy = (tally.last_settled or 0.0) - (tally.first_request or 0.0)
        process = Process(
            tally.requests,
            tally.retries,
            tally.throttled,
            elapsed_s=round(time.monotonic() - self._began, 3),
            records_per_s=round(tally.settled_now / busy, 1) if busy > 0 else 0.0,
        )
        resume = None
        if code == 3:
            resume = going_on(self._directory, facts, access.flags(), resolving=cut)
        why, counts = None if stopped is None else str(stopped), tally.counts
        counts = counts._replace(in_doubt=counts.in_doubt + sought)
        return Summary.of(self._directory, counts, code, resume, why, besides, process)
