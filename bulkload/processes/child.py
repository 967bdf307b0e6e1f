"""One process of a pool, as its parent has it: groups go in, answers come out, nothing blocks."""

from __future__ import annotations

import fcntl
import os
import pickle
import selectors
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bulkload.errors import StoppedResumable
from bulkload.processes.worker import LENGTH

T = TypeVar("T")
A = TypeVar("A")

PIPE_BYTES = 1 << 19
"""Room for the next group, so that it is there when the process is done with the last."""

_BLOCK = 1 << 18
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; from bulkload.processes.worker import serve; serve()"
)


@dataclass(slots=True, eq=False)
class Slot(Generic[T, A]):
    """A group under way. `died`: a process did, over it; `parts`: its records one by one then."""

    items: list[T]
    size: int = 0
    died: bool = False
    answers: list[A] | None = None
    parts: list[Slot[T, A]] = field(default_factory=list)

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


class Child(Generic[T, A]):
    """One process: what it was given, and what of that is on its way. Never blocks."""

    def __init__(self, first: bytes, selector: selectors.BaseSelector) -> None:
        self.slots: deque[Slot[T, A]] = deque()
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
            with suppress(OSError, AttributeError):  # as much as this user may have, where one can
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self._writing = False
        selector.register(self._stdout, selectors.EVENT_READ, self)
        self._send(first)

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, slot: Slot[T, A]) -> int:
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

    def kill(self) -> None:
        """Its answers end. Nothing else is touched: another thread may be at it."""
        self._process.kill()

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
