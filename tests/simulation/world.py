"""One run in virtual time: its lives, its crashes, until it is complete; all from one seed.

The loop, the disk and the remote are the simulation's; all between them is the product. A crash
stops everything at once: what was committed stays, what left goes on at the remote. Commits are
made inline and in groups, on a database in memory, which so always stands as of the last commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from bulkload.calls.hold import Drained
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit, Room
from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.journal import journal as journals
from bulkload.journal import people, readers
from bulkload.journal.journal import Journal
from bulkload.model import Position, Record, Stretch
from bulkload.options import Options
from bulkload.records.keys import key_of
from bulkload.records.rules import Rules
from bulkload.rundir import RunDir
from bulkload.runs.call import Call
from bulkload.runs.life import _Life
from tests.clock import HAIR_S, VirtualLoop
from tests.making import open_traffic
from tests.simulation.laws import Laws
from tests.simulation.people import RULES, Contacts, people_of
from tests.simulation.remote import EPOCH, Remote, Weather
from tests.simulation.tied import People

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from bulkload.hubspot.client import Client

    T = TypeVar("T")
    Write = Callable[[sqlite3.Connection], Any]

MODES = ("hold", "resend", "key+run", "key", "verify")
WITH_PEOPLE = "@people"
"""Behind a mode: the records have people. All else of the seed is as without."""

PEOPLED = tuple(mode + WITH_PEOPLE for mode in MODES)
NOWHERE = Path("/nonexistent/simulation")
LINES = 4
"""Had together by a source of lines."""
MOST_TURNS = 60_000
MOST_S = 40_000.0
MOST_LIVES = 60


class Cut(Exception):  # noqa: N818  # no error: what ends a life from outside
    """The process is gone."""


class _Anyhow(deque[Any]):
    """Ready callbacks, in any order."""

    random: Random

    def popleft(self) -> Any:
        if len(self) > 1:
            self.rotate(-self.random.randrange(len(self)))
        return super().popleft()


class _Loop(VirtualLoop):
    """A virtual clock that goes on from life to life; `turn` is called in each turn."""

    def __init__(self, now: float, turn: Callable[[], None], order: Random | None) -> None:
        super().__init__()
        self._jump.now = now
        self._turn = turn
        self._jump.select = self._select  # type: ignore[method-assign]
        if order is not None:
            self._ready = _Anyhow()
            self._ready.random = order

    def _select(self, timeout: float | None = None) -> list[Any]:
        self._turn()
        if timeout is None:
            raise RuntimeError("everybody waits and no timer is set")
        self._jump.now += HAIR_S + max(timeout, 0.0)
        return []

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Inline: a thread is invisible to a virtual clock."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # handed to whoever waits
            done.set_exception(error)
        return done


class _Memory:
    """A source of JSON lines without a file."""

    name, format, noun = "memory", "ndjson", "line"

    def __init__(self, lines: list[bytes]) -> None:
        self._records = list(Stretch(0, 1, [line + b"\n" for line in lines]).records())

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def still(self, bound: dict[str, Any]) -> bool:
        return bound == {}

    def records(self, start: Position | None = None) -> Generator[Record]:
        yield from self._records[start.number - 1 if start else 0 :]

    def size(self) -> int | None:
        return None

    def consumed(self) -> int:
        return 0

    def keys(self) -> dict[int, str]:
        return {n: key_of(record) for n, record in enumerate(self._records)}


class _Lines(_Memory):
    """The same, as a source that gives lines many at a time."""

    def stretches(self, start: Position | None = None) -> Generator[Stretch | Record]:
        left = list(self.records(start))
        while left:
            together, left = left[:LINES], left[LINES:]
            (at, number) = together[0].position
            raws = [(record.raw or b"") + b"\n" for record in together]
            yield Stretch(int(at), number, raws)


@dataclass
class _Disk:
    """The journal's writer in one life: groups, each committed at once and told a little later."""

    world: World
    random: Random
    crash_at: int | None
    commits: int = 0
    alive: bool = True
    asked: list[tuple[Write, asyncio.Future[Any]]] = field(default_factory=list)

    async def write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if self.alive:
            self.asked.append((write, done))
            if len(self.asked) == 1:
                stall = 3.0 if self.random.random() < 0.01 else 0.02
                loop.call_later(self.random.uniform(0, stall), self._commit)
        return await asyncio.shield(done)

    async def stop(self) -> None:
        """Nothing to close: the database is the world's."""

    def _commit(self) -> None:
        world, (group, self.asked) = self.world, (self.asked, [])
        if not self.alive:
            return
        self.commits += 1
        if self.commits == self.crash_at and self.random.random() < 0.5:
            world.crash("before a commit")
            return
        world.laws.before_commit()
        world.database.execute("BEGIN IMMEDIATE")
        try:
            results = [write(world.database) for write, _ in group]
        except sqlite3.Error as error:
            world.database.execute("ROLLBACK")
            world.fail(f"the journal refuses: {error}")
            return
        world.database.execute("COMMIT")
        world.laws.after_commit()
        if self.commits == self.crash_at:
            world.crash("after a commit")
            return
        asyncio.get_running_loop().call_later(
            self.random.uniform(0, 0.01), self._tell, group, results
        )

    def _tell(self, group: list[tuple[Write, asyncio.Future[Any]]], results: list[Any]) -> None:
        for (_, done), result in zip(group, results, strict=True):
            if self.alive and not done.done():
                done.set_result(result)


class World:
    """One run. `broken` is what it found, empty where the laws held."""

    def __init__(self, seed: int, mode: str, *, trace: Callable[[str], None] | None = None) -> None:
        peopled = mode.endswith(WITH_PEOPLE)
        mode = mode.removesuffix(WITH_PEOPLE)
        self.random = random = Random(f"{mode}/{seed}")
        self.mode = mode
        self.broken: list[str] = []
        self.lives = self.turns = 0
        self._trace = trace
        self._now = 1000.0
        self._loop: _Loop | None = None
        self._disk: _Disk | None = None
        self._crash_turn: int | None = None
        self._drain: tuple[int, _Life] | None = None
        self.weather = Weather.drawn(random, mode)
        self.source = (_Lines if seed % 2 else _Memory)(self._lines())
        self.crashes = random.choice((0, 1, 1, 2, 3))
        self.shuffled = random.random() < 0.5
        in_doubt: Any = mode if mode in ("hold", "verify", "resend") else "hold"
        self.options = Options(
            batch_size=random.randint(1, 5),
            max_in_flight=random.randint(1, 4),
            rate_limit=random.choice(("1000/1s", "1000/1s", "5/1s", "10/10s")),
            timeout=self.weather.timeout,
            max_outage=random.choice((None, 3600.0, 30.0)),
            max_dead_letters="100%",
            max_attempts=random.choice((2, 5)),
            in_doubt=in_doubt,
        )
        rules = RULES if peopled else Rules()
        self.database = sqlite3.connect(":memory:", isolation_level=None, cached_statements=64)
        journals.lay_out(
            self.database, {"run_id": "run", "fingerprints": [{}], "rules": rules.as_json()}
        )
        self.laws = Laws(
            self.database, mode, self.options.max_in_flight, self.options.batch_size,
            RateLimit.parse(self.options.rate_limit), 2 * self.weather.latency,
            self.now, self.fail,
        )  # fmt: skip
        self.remote = Remote(random, self.weather, self.laws, self.now, self.say)
        if peopled:
            self._people(Random(f"people/{mode}/{seed}"))
        if self.weather.has_key:
            for key in dict.fromkeys(self.source.keys().values()):
                if random.random() < 0.08:
                    self.remote.was_there(key, archived=random.random() < 0.3)

    def _people(self, random: Random) -> None:
        remote, laws = self.remote, self.laws
        remote.people = contacts = Contacts(random, self.weather.refusing, remote.later, remote.iso)
        lines = contacts.on([record.raw or b"" for record in self.source._records])
        self.source = type(self.source)(lines)
        self.options = replace(self.options, unknown_contacts=contacts.unknown)
        whom = dict(enumerate(people_of(lines)))
        laws.people = People(contacts, self.database, whom, self.options.batch_size, self.fail)

    def _lines(self) -> list[bytes]:
        random, lines = self.random, []
        bad, poison = random.choice((0, 0.1, 0.4)), random.choice((0, 0, 0.05))
        for n in range(random.randint(4, random.choice((8, 20, 40)))):
            draw = random.random()
            if draw < 0.02:
                lines.append(b"{broken")
            elif draw < 0.06 and lines:
                lines.append(random.choice(lines))
            else:
                stamp = 1_600_000_000_000 + random.choice((0, n)) * 1000
                more = f',"colour":"c{n}"' if random.random() < bad else ""
                more += ',"poison":"yes"' if random.random() < poison else ""
                subject = random.choice(("same", f"s{n}", f"s{n}"))
                lines.append(
                    f'{{"hs_timestamp":"{stamp}","hs_email_subject":"{subject}"{more}}}'.encode()
                )
        return lines

    def now(self) -> float:
        return self._loop.time() if self._loop is not None else self._now

    def say(self, text: str) -> None:
        if self._trace is not None:
            self._trace(f"{self.now() - 1000.0:10.4f}  {text}")

    def fail(self, what: str) -> None:
        """A law was broken: the run is over."""
        self.say(f"BROKEN {what}")
        self.broken.append(what)
        self._die()

    def crash(self, where: str) -> None:
        self.say(f"crash {where}")
        self.laws.crashed()
        self._die()

    def _die(self) -> None:
        if self._disk is not None:
            self._disk.alive = False

    def _turned(self) -> None:
        """Called between any two turns of the loop: each is where a process may die."""
        self.turns += 1
        assert self._disk is not None
        if not self._disk.alive:
            raise Cut
        if self.turns == self._crash_turn:
            self.crash("between two turns")
            raise Cut
        if self._drain is not None and self.turns >= self._drain[0]:
            self.say("interrupt")
            self._drain[1]._interrupt.set()
            self._drain = None
        if self.turns > MOST_TURNS or self.now() > MOST_S:
            self.fail(f"the run does not end: {self.turns} turns, {self.now():.0f} s")
            raise Cut

    def run(self) -> None:
        """All lives, then the end's laws."""
        complete = False
        with _virtual_time(self.now):
            while not complete and not self.broken:
                self.lives += 1
                if self.lives > MOST_LIVES:
                    self.fail("the run does not end: it stops in every life")
                    break
                complete = self._live()
                self._now += self.random.choice((0.05, 1.0, 15.0, 90.0))
                self.remote.advance()
            ended = self.now()
            self.remote.settle_down()
        if not self.broken:
            self.laws.run_ended(self.source_size, self.remote, self.keys)
            if self.laws.people is not None:
                calm = self.lives == 1 and not (self.weather.trouble or self.weather.outages)
                self.laws.people.run_ended(self.remote.books, ended, calm=calm)
        self.database.close()

    @property
    def source_size(self) -> int:
        return len(self.source._records)

    @property
    def keys(self) -> dict[int, str]:
        return self.source.keys()

    def _live(self) -> bool:
        """One life; whether it ended the run."""
        random = Random(self.random.random())
        crash_commit = self._crash_turn = None
        life = _Life(
            RunDir(NOWHERE), [self.source], self.options, Call(), resolving=False, word=None
        )
        if self.lives <= self.crashes:
            if random.random() < 0.5:
                crash_commit = random.randint(1, random.choice((4, 12, 40)))
            else:
                self._crash_turn = self.turns + random.randint(1, random.choice((50, 200, 800)))
        drains = self.lives <= 6 and random.random() < 0.15
        self._drain = (self.turns + random.randint(1, 400), life) if drains else None
        self._disk = disk = _Disk(self, Random(random.random()), crash_commit)
        self._loop = loop = _Loop(self._now, self._turned, random if self.shuffled else None)
        self.say(f"life {self.lives}")
        life._random = Random(random.random())
        life._tell._observers = [self._heard]
        try:
            stopped = loop.run_until_complete(self._lived(life, disk))
        except Cut:
            return False
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            self.fail(f"it raised {type(error).__name__}: {error}")
            return False
        else:
            self.say(f"ended: {stopped or 'complete'}")
            if "records were read, and" in str(stopped):
                # It would mend itself by another life, and hide what lost them.
                self.fail(f"nothing lost: {stopped}")
            if not self.broken:
                self.laws.life_ended(life, complete=stopped is None)
            return stopped is None
        finally:
            self._now = loop.time()
            self._disk.alive = False
            _bury(loop)
            self._loop = None

    async def _lived(self, life: _Life, disk: _Disk) -> BulkloadError | None:
        counts = readers.counts_of(self.database)
        look: Any = partial(people.look, self.database)
        journal = Journal(disk, readers.facts_of(self.database), counts, look=look)
        self.laws.begin(life, counts)
        life._take_counts(journal)
        client: Client = self.remote  # type: ignore[assignment]  # it stands where a client stands
        try:
            options = life._options
            room = Room(options.most_calls(), options.share_of_rate())
            clock = RemoteClock(asyncio.get_running_loop().time)
            traffic = open_traffic(Limiter(room), clock, life._tell, most_s=options.max_outage)
            async with AsyncExitStack() as kept:
                return await life._work(journal, client, traffic, kept)
        except Drained:
            return StoppedResumable("interrupted while it read")
        except StoppedResumable as error:
            return error

    def _heard(self, event: Any) -> None:
        if self._disk is not None and self._disk.alive:
            self.laws.heard(event)


@contextmanager
def _virtual_time(now: Callable[[], float]) -> Iterator[None]:
    """Every clock of the product shows virtual time."""
    wall, monotonic = time.time, time.monotonic
    time.time, time.monotonic = lambda: EPOCH + now(), now
    try:
        yield
    finally:
        time.time, time.monotonic = wall, monotonic


def _bury(loop: _Loop) -> None:
    """Nothing of a life that was cut may run on: not even what it would do when cancelled."""
    loop.set_exception_handler(lambda *_: None)  # nobody is left to be told
    for each in asyncio.all_tasks(loop):
        each._log_destroy_pending = False  # type: ignore[attr-defined]
        with suppress(Exception, GeneratorExit):
            each.get_coro().close()
    loop._ready.clear()
    loop.close()


def one(seed: int, *, modes: tuple[str, ...], trace: bool = False) -> tuple[str, int, list[str]]:
    """(mode, seed, what was broken) of one run."""
    mode = modes[seed % len(modes)]
    world = World(seed, mode, trace=print if trace else None)
    world.run()
    return mode, seed, world.broken
