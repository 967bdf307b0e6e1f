"""Work on groups of records in processes of their own, on all cores.

Processes are started anew, never forked, and have their work as a pickle. Used by one thread; it
blocks in `Pool.map` alone.

Laws kept here: answers come in the order of the groups; what is under way is bounded, in groups
and in bytes; nothing lost: where a process dies, or hangs, what it had is done again by another
one, its first group record by record, and the one record that ends a process is answered for as
lost.
"""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from bulkload.errors import StoppedResumable
from bulkload.worker import LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
A = TypeVar("A")

DEADLINE_S = 60.0
"""CPU seconds that one group may take: some thousand times what it does take."""

AHEAD = 2
"""Groups that a process has: one that it works on, and the next."""

MOST_BYTES = 32 << 20
"""Of groups under way, unless one alone is larger."""

GROUP_RECORDS, GROUP_BYTES = 64, 256 << 10
"""A group is full with either: large enough that its way costs little, small enough to be one of
many.
"""

BYTES_A_PROCESS = 1 << 20
"""Of sources: what is smaller is not worth another process."""

_BLOCK = 1 << 18
_START = "import sys; sys.path[:] = sys.argv[1:]; from bulkload.worker import serve; serve()"


def grouped(each: Iterable[T], weigh: Callable[[T], int]) -> Iterator[list[T]]:
    """In order, in groups by count and by bytes."""
    group: list[T] = []
    size = 0
    for one in each:
        group.append(one)
        size += weigh(one)
        if len(group) >= GROUP_RECORDS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def processes(jobs: int | None, size: int | None) -> int:
    """How many for sources of `size` bytes, None where that is not known; `jobs`: as the user says.

    At least one: what is read may be the end of the process that reads it.
    """
    if jobs is not None:
        return jobs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, cores or 1 if size is None else size // BYTES_A_PROCESS + 1)


@dataclass(slots=True, eq=False)
class _Slot(Generic[T, A]):
    """A group under way. `died`: a process did, over it; `parts`: its records one by one then."""

    items: list[T]
    size: int = 0
    died: bool = False
    answers: list[A] | None = None
    parts: list[_Slot[T, A]] = field(default_factory=list)

    def done(self) -> list[A] | None:
        """One answer an item, in their order; None where some are still to come."""
        if not self.parts:
            return self.answers
        found: list[A] = []
        for part in self.parts:
            if part.answers is None:
                return None
            found += part.answers
        return found


class Pool(Generic[T, A]):
    """`work`: a group → an answer for each of its items; it is pickled, and pure. `lost`: an item
    that no process survives → the item that is worked on, here, in its place.

    Use it as a context manager: its processes end with it.
    """

    def __init__(
        self,
        work: Callable[[list[T]], list[A]],
        lost: Callable[[T], T],
        *,
        processes: int,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._work = work
        self._lost = lost
        self._first = pickle.dumps((work, deadline_s), 5)
        self._selector = selectors.DefaultSelector()
        self._most = 2 * AHEAD * processes
        self._count = processes
        self._processes: list[_Process[T, A]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, whatever they do."""
        for process in self._processes:
            process.end()
        self._processes.clear()
        self._selector.close()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def map(self, groups: Iterable[list[T]]) -> Iterator[tuple[list[T], list[A]]]:
        """Each group with its answers, in order. Groups are taken as they can be worked on.

        Raises StoppedResumable where no process can be started, and RuntimeError where the work
        raises anything.
        """
        coming, more = iter(groups), True
        waiting: deque[_Slot[T, A]] = deque()
        held = 0
        while more or waiting:
            while waiting and (answers := waiting[0].done()) is not None:
                slot = waiting.popleft()
                held -= slot.size
                yield slot.items, answers
            room = len(waiting) < self._most and (held < MOST_BYTES or not waiting)
            process = self._free() if more and room else None
            if process is None:
                if waiting:
                    self._turn(None)
                continue
            if (group := next(coming, None)) is None:
                more = False
                continue
            slot = _Slot(group)
            slot.size = process.give(slot)
            held += slot.size
            waiting.append(slot)
            self._turn(0)

    def _free(self) -> _Process[T, A] | None:
        """Who has the least to do; a new one as long as all have something."""
        least = min(self._processes, key=lambda process: len(process.slots), default=None)
        if (least is None or least.slots) and len(self._processes) < self._count:
            least = _Process(self._first, self._selector)
            self._processes.append(least)
        assert least is not None
        return least if len(least.slots) < AHEAD else None

    def _turn(self, timeout: float | None) -> None:
        """Read and write what can be; None: wait until something can."""
        for key, _ in self._selector.select(timeout):
            process: _Process[T, A] = key.data
            if process.ended:
                continue
            if key.events == selectors.EVENT_WRITE:
                process.write()
            elif not process.read():
                self._bury(process)

    def _bury(self, process: _Process[T, A]) -> None:
        """A process is gone: another one does what it had."""
        status = process.end()
        if not process.ready:
            raise StoppedResumable(
                f"a process that reads records ended before it began (status {status}). That is "
                "this machine's trouble, not a record's: look at its memory and its limits"
            )
        left = list(process.slots)
        self._processes.remove(process)
        if not left:
            return
        first = left[0]
        if len(first.items) > 1:
            first.parts = [_Slot([item], died=True) for item in first.items]
            left[:1] = first.parts
        elif first.died:
            first.answers = self._work([self._lost(first.items[0])])
            del left[0]
        first.died = True
        if left:
            heir = _Process[T, A](self._first, self._selector)
            self._processes.append(heir)
            for slot in left:
                heir.give(slot)


class _Process(Generic[T, A]):
    """One process: what it was given, and what of that is on its way. Never blocks."""

    def __init__(self, first: bytes, selector: selectors.BaseSelector) -> None:
        self.slots: deque[_Slot[T, A]] = deque()
        self.ready = self.ended = False
        self._selector = selector
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this program itself
                [sys.executable, "-c", _START, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                process_group=0,  # Ctrl-C is for the parent alone
            )
        except OSError as error:
            raise StoppedResumable(
                f"a process that reads records can't be started: {error.strerror or error}"
            ) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self._writing = False
        selector.register(self._stdout, selectors.EVENT_READ, self)
        self._send(first)

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, slot: _Slot[T, A]) -> int:
        """Its next group. Returns how many bytes it is."""
        self.slots.append(slot)
        frame = pickle.dumps(slot.items, 5)
        self._send(frame)
        return len(frame)

    def write(self) -> None:
        """As much of what is to go as the pipe takes."""
        try:
            while self._out:
                written = os.write(self._stdin.fileno(), self._out[0][:_BLOCK])
                rest = self._out[0][written:]
                if rest:
                    self._out[0] = rest
                else:
                    self._out.popleft()
        except BlockingIOError:
            if not self._writing:
                self._selector.register(self._stdin, selectors.EVENT_WRITE, self)
                self._writing = True
            return
        except BrokenPipeError:  # it is gone: its stdout ends too, after what it answered
            self._out.clear()
        if self._writing:
            self._selector.unregister(self._stdin)
            self._writing = False

    def read(self) -> bool:
        """Take what it answered. False: it is gone, and all that it answered is taken."""
        try:
            while block := os.read(self._stdout.fileno(), _BLOCK):
                self._in += block
                self._take()
        except BlockingIOError:
            return True
        return False

    def end(self) -> int:
        """Returns its exit status."""
        if not self.ended:
            self.ended = True
            self._selector.unregister(self._stdout)
            if self._writing:
                self._selector.unregister(self._stdin)
            self._process.kill()
            with suppress(OSError):
                self._stdin.close()
            self._stdout.close()
        return self._process.wait()

    def _send(self, frame: bytes) -> None:
        self._out.append(memoryview(len(frame).to_bytes(LENGTH, "little")))
        self._out.append(memoryview(frame))
        if not self._writing:
            self.write()

    def _take(self) -> None:
        """The whole frames of what was read."""
        while len(self._in) >= LENGTH:
            end = LENGTH + int.from_bytes(self._in[:LENGTH], "little")
            if len(self._in) < end:
                return
            frame = bytes(self._in[LENGTH:end])
            del self._in[:end]
            if self.ready:
                answers: Any = pickle.loads(frame)  # noqa: S301  # from our own child
                if isinstance(answers, str):
                    raise RuntimeError(f"the work of a process failed:\n{answers}")
                self.slots.popleft().answers = answers
            self.ready = True
