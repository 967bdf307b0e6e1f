"""What an undo of a run would do, and how it stands: from the run's journal alone.

Laws kept here: records that the remote had already are never touched: only the ids of what the
run created are counted; where a record may be under way, nothing is undone.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import BulkloadError, RefusedToStart, StoppedResumable
from bulkload.journal import readers, undo
from bulkload.loader import existing
from bulkload.options import Options
from bulkload.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Undone:
    """How an undo stands. `created`: what the run made; settled are the three that follow.

    `stopped` says why it ended early, `resume` is then the command that goes on with it. Exit
    codes: 0 nothing failed, 1 some could not be archived, 3 stopped resumable, 4 for good.
    """

    run: str
    created: int
    archived: int
    already_gone: int
    failed: int
    exit_code: int
    stopped: str | None = None
    resume: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in ("stopped", "resume")}


@dataclass(frozen=True, slots=True)
class Plan:
    """What an undo of a run would do, from its journal alone. `settled`: by earlier lives."""

    directory: RunDir
    facts: dict[str, Any]
    options: Options
    created: int
    settled: undo.Settled
    in_doubt: int

    @property
    def left(self) -> int:
        """Ids that are not settled yet."""
        return self.created - sum(self.settled)

    @property
    def done(self) -> bool:
        return self.facts.get("undo") == "done" or not self.created

    @property
    def portal(self) -> str | None:
        """The one that the run is bound to."""
        portal = self.facts.get("portal")
        return str(portal) if portal else None

    def words(self, portal: str | None = None, whence: str = "") -> str:
        """What will be archived, of which run, and where."""
        before = sum(self.settled)
        return (
            f"{self.left:,} records that run {self.facts['run_id']} ({self.directory.path}) "
            f"created are to be archived in portal {portal or self.portal or 'unknown'}{whence} "
            f"at {self.options.base_url}" + (f"; {before:,} are settled already" if before else "")
        )

    def warnings(self) -> Iterator[str]:
        """What the undo leaves as it is, and what can't be done once it has begun."""
        where = shlex.quote(str(self.directory.path))
        if not self.facts.get("complete"):
            yield "the run has not ended: once its undo has begun, it can't be resumed"
        if self.in_doubt:
            yield (
                f"{self.in_doubt:,} records of the run are in doubt, and what the remote made of "
                f"them is not archived: bulkload doubts {where} lists them. Once the undo has "
                f"begun, bulkload resolve {where} can't settle them any more"
            )
        for path in _replays(self.directory):
            command = f"bulkload undo {shlex.quote(path)}"
            yield f"{path}: a replay is a run of its own; to undo it too: {command}"
        if self.portal is None:
            yield (
                "the run is not bound to a portal, since the remote never said which it was: "
                "make sure that it was this one"
            )

    def result(self, settled: undo.Settled, stopped: BulkloadError | None = None) -> Undone:
        """As it stands with what is settled by now."""
        code = stopped.exit_code if stopped is not None else int(settled.failed > 0)
        return Undone(
            str(self.directory.path),
            self.created,
            settled.archived,
            settled.already_gone,
            settled.failed,
            code,
            str(stopped) if stopped is not None else None,
            self._command() if code == StoppedResumable.exit_code else None,
        )

    def _command(self) -> str:
        kept = self.facts["options"].get("base_url")
        url = self.options.base_url
        changed = "" if url == kept else f" --base-url {shlex.quote(url)}"
        return f"bulkload undo {shlex.quote(str(self.directory.path))} --yes{changed}"


def looked_at(run: str | Path, changes: dict[str, Any] | None = None) -> Plan:
    """What an undo would do. Raises as `plan`, and where another process works on the run."""
    directory = existing(run)
    with directory.locked():
        return plan(directory, changes)


def plan(directory: RunDir, changes: dict[str, Any] | None = None) -> Plan:
    """What an undo would do. The lock is held. Raises RefusedToStart where any is under way."""
    facts = readers.facts(directory)
    if cut := readers.under_way(directory):
        where = shlex.quote(str(directory.path))
        raise RefusedToStart(
            f"{cut:,} records were under way when the run was cut: bulkload resolve {where} "
            "settles them first"
        )
    return Plan(
        directory,
        facts,
        Options.from_json(facts["options"]).changed(changes or {}),
        undo.created(directory),
        undo.settled(directory),
        readers.counts(directory).in_doubt,
    )


def _replays(run: RunDir) -> Iterator[str]:
    """The replays of a run that may have created something and are not undone."""
    for path in readers.replays(run):
        child = RunDir(Path(path))
        with suppress(BulkloadError):  # another version's, or damaged: named all the same
            if not readers.is_committed(child) or readers.facts(child).get("undo") == "done":
                continue
        yield path
