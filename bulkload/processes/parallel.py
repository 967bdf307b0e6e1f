"""Work on groups of records in processes of their own, on all cores.

Processes are started anew, never forked, and have their work as a pickle. One thread at a time is
in `Pool.map`, which alone blocks; any may close the pool.

Laws kept here: answers come in the order of the groups; what is under way is bounded, in groups
and in bytes; nothing lost: where a process dies, or hangs, what it had is done again by another
one, its first group record by record, and the one record that ends a process is answered for as
lost.
"""

from __future__ import annotations

import os
import pickle
import selectors
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from bulkload.errors import StoppedResumable
from bulkload.processes.child import Child, Slot

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
        self._processes: list[Child[T, A]] = []
        self._lock = threading.Lock()
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, whatever they do. From any thread: `map` raises in its own then."""
        self._closing = True
        for process in tuple(self._processes):
            process.kill()  # who waits for an answer wakes
        with self._lock:
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
        waiting: deque[Slot[T, A]] = deque()
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
            slot = Slot(group)
            with self._open():
                slot.size = process.give(slot)
            held += slot.size
            waiting.append(slot)
            self._turn(0)

    def _free(self) -> Child[T, A] | None:
        """Who has the least to do; a new one as long as all have something."""
        least = min(self._processes, key=lambda process: len(process.slots), default=None)
        if (least is None or least.slots) and len(self._processes) < self._count:
            with self._open():
                least = Child(self._first, self._selector)
                self._processes.append(least)
        assert least is not None
        return least if len(least.slots) < AHEAD else None

    def _turn(self, timeout: float | None) -> None:
        """Read and write what can be; None: wait until something can."""
        with self._open():
            for key, _ in self._selector.select(timeout):
                process: Child[T, A] = key.data
                if process.ended or self._closing:
                    continue
                if key.events == selectors.EVENT_WRITE:
                    process.write()
                elif not process.read():
                    self._bury(process)

    @contextmanager
    def _open(self) -> Iterator[None]:
        """While nobody closes it."""
        with self._lock:
            if self._closing:
                raise StoppedResumable("its processes were ended while records were read")
            yield

    def _bury(self, process: Child[T, A]) -> None:
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
            first.parts = [Slot([item], died=True) for item in first.items]
            left[:1] = first.parts
        elif first.died:
            first.answers = self._work([self._lost(first.items[0])])
            del left[0]
        first.died = True
        if left:
            heir = Child[T, A](self._first, self._selector)
            self._processes.append(heir)
            for slot in left:
                heir.give(slot)
