"""What a process of `parallel` runs: work on one group of records after another.

It imports next to nothing of its own: what the work needs comes with it. Frames on stdin and
stdout: eight bytes of length, then a pickle. The first frame in is the work and its deadline,
and an empty frame out says that it is ready. An answer is a list; text is what the work raised.

Laws kept here: it ends when its parent does, since its stdin ends then; it never outlives its
deadline: the kernel ends it by a timer of CPU time, which a busy machine does not wear off.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

LENGTH = 8

GARBAGE = 20_000
"""Objects that may be made before cycles among them are looked for: hardly any record makes one."""


def serve() -> None:
    """Work until there is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent drains
    frames, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    first = _read(frames)
    if first is None:
        return
    work, deadline_s = pickle.loads(first)  # noqa: S301  # from our own parent
    gc.freeze()  # what is there now stays: no collection has to look through it
    gc.set_threshold(GARBAGE)
    _write(answers, b"")
    while (frame := _read(frames)) is not None:
        group = pickle.loads(frame)  # noqa: S301  # from our own parent
        signal.setitimer(signal.ITIMER_PROF, deadline_s)
        done = _done(work, group)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(answers, pickle.dumps(done, 5))


def _done(work: Callable[[Any], Any], group: Any) -> Any:
    """What the work makes of it. It is to raise nothing: what it does raise is our own mistake."""
    try:
        return work(group)
    except MemoryError:  # the record's size, or a neighbour's: seen by the parent as a death
        os._exit(1)
    except Exception:  # noqa: BLE001  # told by the parent, whatever it is
        return traceback.format_exc()


def _read(frames: BinaryIO) -> bytes | None:
    """The next frame; None where the parent is gone, or has no more."""
    head = frames.read(LENGTH)
    size = int.from_bytes(head, "little")
    frame = frames.read(size) if len(head) == LENGTH else b""
    return frame if len(head) == LENGTH and len(frame) == size else None


def _write(answers: BinaryIO, frame: bytes) -> None:
    try:
        answers.write(len(frame).to_bytes(LENGTH, "little"))
        answers.write(frame)
        answers.flush()
    except BrokenPipeError:  # nobody listens any more
        os._exit(0)
