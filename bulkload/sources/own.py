"""A source of a program's own: whatever an async iterator gives. The position is its own, too.

It is read in an event loop of its own, in the thread that reads: what it uses (a client, a
connection) is made inside it. A resume needs it again, with the same name: a journal can't hold it.

Laws kept here: who stops waits for no record that may take minutes to come, only for the source's
own `finally`; what the source fails with ends its reading and cuts no call: the run drains; who is
reading it is disturbed by nobody else who would. Nothing lost: a reading that begins elsewhere than
where it was asked to, or than the one before it began, is none.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from inspect import iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.handed import OWN
from bulkload.sources.ownrecords import as_kept, line_of, made

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping

    from bulkload.model import Position, Record
    from bulkload.sources.ownrecords import Given


class OwnSource:
    """Records that `read(start)` yields, each with its position (an int or a str).

    `read` yields from the position `start` on, that one included, or from the beginning where it
    is None: the same records at the same positions each time. `bound` is what binds a run to it
    (JSON): a resume with another is refused. `mail`: the records are messages. Raises TypeError
    for a `read` that is no async iterator's, and where `bound` can't be kept as JSON.

    What `read` raises stops the run, resumable, and is kept as `failure`: its message may quote a
    record, so the run tells its type and its line only. A StoppedResumable or StoppedForGood that
    it raises says in its own words what to do.
    """

    noun = "record"

    failure: BaseException | None
    """What the latest reading failed with; None where it did not."""

    def __init__(
        self,
        name: str,
        read: Callable[[int | str | None], AsyncIterator[tuple[int | str, Given]]],
        *,
        mail: bool = False,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        if isgeneratorfunction(read) or iscoroutinefunction(read):
            raise TypeError(f"OwnSource {name!r}: read has to be `async def` and to yield")
        self.name = name
        self.format = OWN[mail]
        self._read = read
        self._bound = as_kept(name, bound or {})
        self._reading = _Reading()
        self._held = threading.Lock()
        self._first: int | str | None = None
        self.failure = None

    @property
    def address(self) -> str:
        return self.name

    def options(self) -> dict[str, Any]:
        return {}

    def fingerprint(self) -> dict[str, Any]:
        if self._held.locked():
            raise RefusedToStart(self._taken())
        self._first = None  # of a run before: by now it may begin elsewhere
        return self._kept()

    def still(self, bound: dict[str, Any]) -> bool:
        return self._kept() == bound

    def _kept(self) -> dict[str, Any]:
        return {"own": self.name, **self._bound}

    def size(self) -> int | None:
        return None

    def consumed(self) -> int:
        return 0

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        if self._held.locked():
            raise self._refused()
        # Here, and not where the first record is asked for: what is stopped in between is this.
        self._reading = reading = _Reading()
        return self._alone(start, reading)

    def stop(self) -> None:
        self._reading.stop()

    def _alone(self, start: Position | None, reading: _Reading) -> Generator[Record, None, None]:
        if not self._held.acquire(blocking=False):
            raise self._refused()
        try:
            self._reading, self.failure = reading, None
            yield from self._records(start, reading)
        finally:
            self._held.release()

    def _refused(self) -> StoppedResumable:
        return StoppedResumable(f"{self._taken()}. Then resume")

    def _taken(self) -> str:
        return (
            f"{self.name}: another load reads it now, and one object is read by one load at a "
            "time. Make an OwnSource for each, or wait until that one has ended"
        )

    def _records(self, start: Position | None, reading: _Reading) -> Generator[Record, None, None]:
        first = number = start.number if start else 1
        given: Any = None
        with asyncio.Runner() as runner:
            try:
                with self._told(number, reading):
                    given = self._iterator(start)
                while True:
                    with self._told(number, reading):
                        try:
                            found = runner.run(reading.next(given))
                        except StopAsyncIteration:
                            break
                    record = made(self.name, number, found, mail=self.format == OWN[True])
                    if number == first:
                        self._begin(start, record.position.at)
                    yield record
                    number += 1
                if number == first:
                    self._begin(start, None)
            finally:
                if hasattr(given, "aclose"):
                    with self._told(number, reading):
                        runner.run(given.aclose())

    def _begin(self, start: Position | None, at: int | str | None) -> None:
        """The first record of a reading stands at `at`; None where there is none."""
        found = "found no record" if at is None else f"began with position {at!r}"
        if start is not None and at != start.at:
            raise StoppedResumable(
                f"{self.name}: asked to read on from position {start.at!r} it {found}. It is to "
                "give the record of that position first, and those behind it. Mend the source, "
                "then resume"
            )
        if start is None and self._first is not None and at != self._first:
            raise StoppedResumable(
                f"{self.name}: read from the beginning again it {found}, where it had begun with "
                f"{self._first!r}. Each call of its read is to give all records anew: the first "
                "ones are looked at before the load. Mend the source, then resume"
            )
        if start is None:
            self._first = at

    def _iterator(self, start: Position | None) -> Any:
        given: Any = self._read(start.at if start else None)
        if hasattr(given, "__anext__"):
            return given
        if hasattr(given, "__aiter__"):
            return aiter(given)
        if hasattr(given, "close"):  # a coroutine, which nobody would await
            given.close()
        raise StoppedResumable(
            f"{self.name}: its read gave a {type(given).__name__}, and is to give an async "
            "iterator. Mend the source, then resume"
        )

    @contextmanager
    def _told(self, number: int, reading: _Reading) -> Iterator[None]:
        """What the source fails with becomes what stops the run; it stays as it is where the
        source was stopped.
        """
        try:
            yield
        except (StoppedResumable, StoppedForGood):  # in words of its own
            raise
        # A cancellation would end whoever waits, and tell nobody.
        except (Exception, asyncio.CancelledError) as error:
            if not reading.stopped:
                self.failure = error
                raise StoppedResumable(
                    f"{self.name}: its reading failed at {self.noun} {number:,} ("
                    f"{type(error).__name__}{line_of(error, __file__)}). Mend the source, then "
                    "resume"
                ) from error
            if isinstance(error, asyncio.CancelledError):
                raise Cancelled(f"{self.name}: its reading was stopped") from None
            raise


class _Reading:
    """One pass over the source. `stop` may come from any thread, at any time."""

    def __init__(self) -> None:
        self.stopped = False
        self._waiting: asyncio.Task[Any] | None = None

    async def next(self, given: AsyncIterator[tuple[int | str, Given]]) -> tuple[int | str, Given]:
        # Told before looked, as `stop` has it: one of the two sees the other.
        self._waiting = asyncio.current_task()
        if self.stopped:
            raise asyncio.CancelledError
        return await anext(given)

    def stop(self) -> None:
        self.stopped = True
        if (waiting := self._waiting) is not None:
            with suppress(RuntimeError):  # its loop closed: nobody waits any more
                waiting.get_loop().call_soon_threadsafe(waiting.cancel)


class Cancelled(StoppedResumable):
    """Nothing more comes of a reading, by `stop`."""
