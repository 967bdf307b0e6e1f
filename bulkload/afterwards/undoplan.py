"""What an undo of a run would do, and how it stands: from the run's journal alone.

Laws kept here: records, contacts and files that the remote had already are never touched: only
the ids of what the run created are counted; where a record may be under way, nothing is undone.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload import handed
from bulkload.errors import BulkloadError, RefusedToStart, StoppedResumable
from bulkload.hubspot import files
from bulkload.journal import readers, removals, undo
from bulkload.options import Options
from bulkload.runs import lineage
from bulkload.runs.inquiry import existing
from bulkload.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bulkload.journal.portions import Settled
    from bulkload.journal.removals import Made
    from bulkload.rundir import RunDir


class Part(NamedTuple):
    """Contacts, or files: how many the run made; settled are the three that follow."""

    made: int = 0
    archived: int = 0
    already_gone: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        return self.made - self.archived - self.already_gone - self.failed


NONE = Part()


@dataclass(frozen=True, slots=True)
class Undone:
    """How an undo stands. `created`: the emails that the run made; settled are the three that
    follow; `contacts` and `files` likewise (a file that is archived is deleted).

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
    contacts: Part = NONE
    files: Part = NONE

    @property
    def emails(self) -> Part:
        return Part(self.created, self.archived, self.already_gone, self.failed)

    def as_json(self) -> dict[str, Any]:
        parts = {"contacts": self.contacts._asdict(), "files": self.files._asdict()}
        return asdict(self) | parts


class Keep(NamedTuple):
    """What of the run's making an undo leaves as it is."""

    contacts: bool = False
    files: bool = False


NOTHING = Keep()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an undo of a run would do, from its journal alone. `settled`: by earlier lives;
    `nameless`: loaded records without an id.
    """

    directory: RunDir
    facts: dict[str, Any]
    options: Options
    created: int
    nameless: int
    settled: Settled
    in_doubt: int
    contacts: Made
    files: Made
    keep: Keep = NOTHING

    @property
    def left(self) -> int:
        """Ids of emails that are not settled yet."""
        return self.created - sum(self.settled)

    @property
    def wanted(self) -> tuple[Made, ...]:
        """Contacts and files, as far as they are not to be kept."""
        kept = zip((self.contacts, self.files), self.keep, strict=True)
        return tuple(made for made, keep in kept if not keep)

    @property
    def expected(self) -> int:
        """All that this undo removes, and what of it is settled already."""
        return self.created + sum(made.made for made in self.wanted)

    @property
    def done(self) -> bool:
        """Nothing is left to be done."""
        unsure = 0 if self.keep.contacts else self.contacts.unsure
        if self.facts.get("undo") != "done":
            return not self.expected and not unsure
        return not (unsure or any(made.left for made in self.wanted))

    @property
    def portal(self) -> str | None:
        """The one that the run is bound to."""
        portal = self.facts.get("portal")
        return str(portal) if portal else None

    def words(self, portal: str | None = None, whence: str = "") -> str:
        """What will be archived, of which run, and where."""
        before = sum(self.settled)
        contacts, files = (
            0 if keep else made.left
            for made, keep in zip((self.contacts, self.files), self.keep, strict=True)
        )
        also = f" and {contacts:,} contacts" if contacts else ""
        return (
            f"{self.left:,} records{also} that run {self.facts['run_id']} ({self.directory.path}) "
            f"created are to be archived in portal {portal or self.portal or 'unknown'}{whence} "
            f"at {self.options.base_url}"
            + (f"; {files:,} files that it uploaded are to be deleted" if files else "")
            + (f"; {before:,} records are settled already" if before else "")
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
        if self.nameless:
            yield (
                f"{self.nameless:,} records count as loaded, and what ids they have is not known: "
                "they are left"
            )
        if self.facts["options"].get("in_doubt") == "resend" and not self.facts.get("marks"):
            yield (
                "records whose answer was lost were sent again (--in-doubt resend): what a first "
                "try may have made of them is not known, and is left"
            )
        if self.left and self.facts.get("marks"):
            yield (
                "archived records may keep their keys: to load the source again, delete them for "
                "good in HubSpot, or name another --key-property"
            )
        if self.contacts.left and not self.keep.contacts:
            yield (
                "its contacts are archived with whatever has been written into them or tied to "
                "them since: --keep-contacts leaves them"
            )
        if self.contacts.unsure and not self.keep.contacts:
            yield (
                f"the run was cut while it made {counted(self.contacts.unsure, 'contact')}: those "
                "that it did make, by when they were created, are archived too. They are looked "
                "for as long as one may not be shown yet"
            )
        if self.files.left and not self.keep.files:
            yield "a file that is deleted can't be brought back: --keep-files leaves them"
        if self.files.unsure and not self.keep.files:
            yield (
                f"{self.files.unsure:,} files were under way when the run was cut and may have "
                f"been stored: look into {files.folder(self.facts['run_id'])} in HubSpot's files"
            )
        for path in _replays(self.directory):
            command = f"bulkload undo {shlex.quote(path)}"
            yield f"{path}: a replay is a run of its own; to undo it too: {command}"
        if self.portal is None:
            yield (
                "the run is not bound to a portal, since the remote never said which it was: "
                "make sure that it was this one"
            )

    def result(
        self,
        settled: Settled,
        contacts: Made | None = None,
        files: Made | None = None,
        stopped: BulkloadError | None = None,
    ) -> Undone:
        """As it stands with what is settled by now."""
        of_contacts, of_files = _part(contacts or self.contacts), _part(files or self.files)
        failed = settled.failed + of_contacts.failed + of_files.failed
        code = stopped.exit_code if stopped is not None else int(failed > 0)
        return Undone(
            str(self.directory.path),
            self.created,
            settled.archived,
            settled.already_gone,
            settled.failed,
            code,
            str(stopped) if stopped is not None else None,
            self._command() if code == StoppedResumable.exit_code else None,
            of_contacts,
            of_files,
        )

    def _command(self) -> str:
        kept = Options.from_json(self.facts["options"])
        changed = "".join(
            f" --{name.replace('_', '-')} {shlex.quote(now)}"
            for name in ("base_url", "on_quota", "daily_share")
            if (now := getattr(self.options, name)) and now != getattr(kept, name)
        )
        keep = "".join(f" --keep-{name}" for name, kept in self.keep._asdict().items() if kept)
        return f"bulkload undo {shlex.quote(str(self.directory.path))} --yes{keep}{changed}"


def _part(made: Made) -> Part:
    return Part(made.made, *made.settled)


def looked_at(run: str | Path, changes: dict[str, Any] | None = None, keep: Keep = NOTHING) -> Plan:
    """What an undo would do. Raises as `plan`, and where another process works on the run."""
    directory = existing(run)
    with directory.locked():
        return plan(directory, changes, keep)


def plan(directory: RunDir, changes: dict[str, Any] | None = None, keep: Keep = NOTHING) -> Plan:
    """What an undo would do. The lock is held. Raises RefusedToStart where any is under way."""
    facts = readers.facts(directory)
    if cut := readers.under_way(directory):
        where = shlex.quote(str(directory.path))
        own = handed.names(facts)
        looks = f"bulkload resolve {where}"
        looks = handed.from_program("resolve", str(directory.path), own) if own else looks
        raise RefusedToStart(
            f"{cut:,} records were under way when the run was cut: {looks} settles them first. "
            f"Where its source is gone or changed, bulkload resolve {where} "
            "--as loaded --all leaves what became of them to you"
        )
    return Plan(
        directory,
        facts,
        Options.from_json(facts["options"]).changed(changes or {}),
        undo.created(directory),
        undo.nameless(directory),
        undo.settled(directory),
        readers.counts(directory).in_doubt,
        removals.made(directory, "contact"),
        removals.made(directory, "file"),
        keep,
    )


def _replays(run: RunDir) -> list[str]:
    """The replays of a run, and theirs, that may have made something that is not undone."""
    found: list[str] = []

    def met(child: RunDir, _: RunDir, state: lineage.State) -> None:
        if state == "not begun":
            return
        with suppress(BulkloadError):  # damaged, or another version's: named all the same
            if readers.facts(child).get("undo") == "done" or (
                state == "ended" and not undo.created(child)
            ):
                return
        found.append(str(child.path))

    lineage.settled_below(run, met)
    return found
