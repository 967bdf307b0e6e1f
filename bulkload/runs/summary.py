"""How a run stands: the numbers that `load` returns and `--json` prints.

Law kept here: read is the sum of the five outcomes, also for a run that stopped early.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload import handed
from bulkload.journal import readers, undo
from bulkload.rundir import private
from bulkload.runs import lineage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.journal.readers import Counts
    from bulkload.rundir import RunDir


UNCLEAR = frozenset({"gone", "unreadable", "at work", "not ended", "partly undone"})
"""States of a replay in which another one is refused: it can't be known what it did, or does."""


class Replay(NamedTuple):
    """How a replay stands: "ended", "undone", "partly undone", "not ended", "at work", "gone" or
    "unreadable".
    """

    run: str
    state: str
    loaded: int = 0
    existing: int = 0
    dead_lettered: int = 0
    in_doubt: int = 0


class Process(NamedTuple):
    """What one process did."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    elapsed_s: float = 0.0
    records_per_s: float = 0.0


IDLE = Process()


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run stands when `load` returns. `read` is the sum of the five outcomes.

    `resume` is the command that goes on with it, or the call where no command can; None where there
    is nothing left to do. `own` are its sources of a program's own, which only that program can
    hand to `resume` and `resolve`. `stopped` says why it ended early. `skipped_by` counts what was
    left out by why; `contacts` the addresses that have one (`found`), have none (`missing`), or got
    one (`made`); `attachments` the files that were `uploaded`, and those that this process left
    out.
    `letters_left` are the dead letters that none of the `replays` settled, of which a replay names
    also those of the runs above it that have letters of its own; `undo` is "begun" or
    "done" where there was one, `undone` what became of the records. From `requests` on the numbers
    are one process's, None where they are not known. Exit codes:
    0 all loaded or existing, or settled by a replay, 1 finished with dead letters or doubts, 3
    stopped resumable, 4 stopped for good.
    """

    run: str
    read: int
    loaded: int
    existing: int
    dead_lettered: int
    in_doubt: int
    skipped: int
    batches: int
    requests: int | None
    retries: int | None
    throttled: int | None
    elapsed_s: float | None
    records_per_s: float | None
    exit_code: int
    resume: str | None
    stopped: str | None = None
    skipped_by: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    attachments: dict[str, int] = field(default_factory=dict)
    letters_left: int = 0
    replays: tuple[Replay, ...] = ()
    undo: str | None = None
    undone: dict[str, int] = field(default_factory=dict)
    own: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        directory: RunDir,
        counts: Counts,
        exit_code: int,
        resume: str | None,
        stopped: str | None,
        besides: dict[str, Any],
        process: Process = IDLE,
    ) -> Summary:
        """`besides`: as `standing_besides` has it."""
        return cls(
            run=str(directory.path),
            read=counts.read,
            **counts._asdict(),
            **process._asdict(),
            exit_code=exit_code,
            resume=resume,
            stopped=stopped,
            **besides,
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "replays": [each._asdict() for each in self.replays]}


def resume_command(directory: RunDir, flags: Sequence[str] = (), what: str = "resume") -> str:
    """`flags`: what the run does not keep itself, such as where its token is."""
    return shlex.join(["bulkload", what, str(directory.path), *flags])


def going_on(
    directory: RunDir, facts: dict[str, Any], flags: Sequence[str] = (), *, resolving: bool = False
) -> str:
    """The command, or who has to where a command can't. `resolving`: what was cut is a resolve: a
    resume would put back in doubt, unlooked for, what that one looks for.
    """
    if resolving or is_resolved(facts):
        own, what = handed.names(facts), "resolve"
    else:
        own, what = handed.unsettled(facts), "resume"
    if own:
        return handed.from_program(what, str(directory.path), own)
    return resume_command(directory, flags, what)


def is_resolved(facts: dict[str, Any]) -> bool:
    """Whether the run has read all there is: what is open of it is being looked for again."""
    return bool(facts.get("whole") or facts.get("complete"))


def standing(directory: RunDir, facts: dict[str, Any], *, locked: bool = False) -> Summary:
    """From the journal alone, its `facts` at hand. `locked`: the caller holds the run's lock, so
    nobody else works on it.
    """
    counts = readers.counts(directory)
    holder, undone = None if locked else directory.holder(), facts.get("undo")
    besides = standing_besides(directory, facts, counts.dead_lettered)
    ended = undone == "done" or (facts.get("complete") and not undone)
    mixed = None if undone else facts.get("mixed")
    code = 4 if mixed else finished(counts.in_doubt, besides) if ended else 3
    # What a resolve looks for is in doubt until it is found.
    sought = readers.under_way(directory) if is_resolved(facts) and not ended else 0
    counts = counts._replace(in_doubt=counts.in_doubt + sought)
    resume = going_on(directory, facts) if code == 3 and not (undone or holder) else None
    why = mixed or (_why(directory, facts, holder) if code == 3 else None)
    return Summary.of(directory, counts, code, resume, why, besides)


def finished(in_doubt: int, besides: dict[str, Any]) -> int:
    """The exit code of a run that has come to its end: 1 while anything of it is left to do, a dead
    letter that no replay settled (or one that is undone), or a record in doubt.
    """
    doubts = in_doubt or any(each.in_doubt for each in besides["replays"])
    return 1 if besides["letters_left"] or doubts else 0


def standing_besides(
    directory: RunDir, facts: dict[str, Any], dead: int, files_left_out: int = 0
) -> dict[str, Any]:
    """What a summary tells besides the outcomes of records, from the journals."""
    met: list[Replay] = []
    settled = lineage.settled(directory, lambda child, _, state: met.append(_met(child, state)))
    begun = facts.get("undo")
    return {
        "letters_left": dead - len(settled),
        "replays": tuple(each for each in met if each.state not in ("not begun", "lost")),
        "undo": begun,
        "undone": undo.settled(directory)._asdict() if begun else {},
        "skipped_by": readers.skipped(directory),
        "contacts": readers.contacts(directory)._asdict(),
        "attachments": {
            "uploaded": readers.uploaded(directory),
            "left_out": files_left_out,
        },
        "own": handed.names(facts),
    }


def _met(child: RunDir, state: lineage.State) -> Replay:
    if state in ("gone", "unreadable", "not begun", "lost"):
        return Replay(str(child.path), state)
    working = state == "not ended" and child.holder() is not None
    stands = "at work" if working else state
    loaded, existing, dead, doubt, *_ = readers.counts(child)
    return Replay(str(child.path), stands, loaded, existing, dead, doubt)


def _why(directory: RunDir, facts: dict[str, Any], holder: int | None) -> str:
    if holder is not None:
        return f"process {holder} works on it"
    if facts.get("undo"):
        return "an undo of it has begun"
    cut = readers.under_way(directory)
    if not cut:
        return "not finished"
    what = "resolve looks for" if is_resolved(facts) else "resume looks at"
    return f"not finished; {cut:,} records were under way when it was cut, {what} them"


def keep(directory: RunDir, summary: Summary) -> None:
    """Write summary.json, for scripts that come later, and the people without a contact."""
    with suppress(OSError):  # a full disk: the journal has it all, this is a convenience
        private(directory.summary)
        directory.summary.write_text(json.dumps(summary.as_json(), indent=1) + "\n")
        if not summary.contacts.get("missing"):
            directory.unknown_contacts.unlink(missing_ok=True)
        else:
            private(directory.unknown_contacts)
            listed = "".join(f"{each}\n" for each in readers.without_contact(directory))
            directory.unknown_contacts.write_text(listed, encoding="utf-8")
