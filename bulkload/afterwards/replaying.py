"""`replay`: a load whose source is dead letters, with lineage.

Laws kept here: nothing twice. The letters are copied into the replay's own directory first,
so that it can be resumed whatever happens to the file. A run knows its replays before they
send anything; a letter that any of its family (its replays, the runs that it is a replay of,
and theirs) loaded or left in doubt is not sent by the next, unless that was undone. Same
account: letters go to the portal that their run is bound to. What goes through all letters does so
beside the event loop.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.afterwards import spooling
from bulkload.errors import BulkloadError, RefusedToStart, StoppedResumable
from bulkload.journal import journal as journals
from bulkload.journal import readers
from bulkload.options import DECIDE, Options, refuse_unknown
from bulkload.ordinals import Ticked
from bulkload.records.deciding import decide, outdated
from bulkload.rundir import RUNS, RunDir
from bulkload.runs import lineage
from bulkload.runs.beginning import (
    beside,
    own_place,
    refuse_undone,
    start,
    sweep,
    unbegun,
    uncommitted,
)
from bulkload.runs.call import Access, Call
from bulkload.runs.inquiry import existing
from bulkload.runs.life import carry_on
from bulkload.runs.summary import resume_command
from bulkload.sources.letters import LettersSource, is_letter
from bulkload.sources.sniffing import SNIFFED_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from bulkload.events import Observer
    from bulkload.runs.summary import Summary

SPOOL = "letters.ndjson"


async def replay(
    source: str | Path,
    *,
    run: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
) -> Summary:
    """Send the dead letters of a run (its directory) or of a file again, as a run of its own.

    The file may have been edited: what stands in it is what is sent. `changes`: options that
    differ from the parent run's. Raises RefusedToStart where there is nothing to send, or an
    earlier replay of the same run has not ended.
    """
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    access.check()
    refuse_unknown(changes or {})
    parent, file = _parent(Path(source))
    options = Options()
    with ExitStack() as stack:
        # Parent and family stay locked until the replay is committed: one that is registered and
        # not committed has sent nothing, and may be passed over by the next.
        with _family(parent) if parent else nullcontext():
            settled = Ticked()
            parent_id = None
            facts: dict[str, Any] = {}
            if parent is not None:
                facts = readers.facts(parent)
                refuse_undone(parent, facts)
                await beside(partial(journals.check, parent))
                parent_id = facts["run_id"]
                options = Options.from_json(facts["options"])
                settled = await beside(partial(lineage.settled, parent, _refuse))
            options = Options.from_json({**options.as_json(), "limit": None, **(changes or {})})
            directory = _directory(run, parent.path if parent else file.with_suffix(""))
            stack.enter_context(_made(directory))
            with _all_or_nothing(directory):
                if parent is not None and not file.exists():
                    await beside(partial(journals.restore_letters, parent))
                spool = directory.path / SPOOL
                spooled = await beside(partial(spooling.spool, file, spool, parent_id, settled))
                if spooled.sent and not spooled.letters and parent is None:
                    raise RefusedToStart(
                        f"{file}: none of its lines is a dead letter. Load it as what it is: "
                        f"bulkload load {shlex.quote(str(file))}"
                    )
                if not spooled.sent:
                    raise RefusedToStart(f"{file}: no dead letter to send{spooled.why_less()}")
            letters = LettersSource(spool, str(file), max_record_bytes=2 * options.max_record_bytes)
            rules, ups = _rules(facts, options, changes or {}), spooling.lineage(spool, parent_id)
            with _all_or_nothing(directory, known=parent is not None):
                if parent is not None:
                    journals.register_replay(parent, directory.path.resolve())
                    rules |= {"replays_at": str(parent.path.resolve())}
                    rules |= {"portal": facts.get("portal")}
                await start(directory, [letters], options, ups, replays=parent_id, **rules)
        with uncommitted(directory):
            said = (spooled.why_less().strip(), *outdated(options, rules["rules"]))
            return await carry_on(directory, [letters], options, call, [*filter(None, said)])


@contextmanager
def _family(parent: RunDir) -> Iterator[None]:
    """Nobody else begins a replay of these letters, whichever run of the family he takes them of:
    whoever does holds the lock of the first of them.
    """
    with ExitStack() as stack:
        stack.enter_context(parent.locked())
        first = lineage.first(parent)
        if first.path.resolve() != parent.path.resolve():
            stack.enter_context(first.locked())
        yield


def _rules(facts: dict[str, Any], options: Options, changes: dict[str, Any]) -> dict[str, Any]:
    """The parent's, where no option that makes them is given anew."""
    if not facts or DECIDE.intersection(changes):
        made = decide(options, []).rules.as_json()
        guessed = facts and "mine" not in changes
        return {"rules": {**made, "mine": facts["rules"]["mine"]} if guessed else made}
    return {name: facts[name] for name in ("rules", "owners") if name in facts}


def _parent(source: Path) -> tuple[RunDir | None, Path]:
    """The run whose letters these are, where it can be told, and their file."""
    if not source.is_file() or _is_run_beside(source):
        parent = existing(RUNS / source if source.is_file() else source)
        return parent, parent.letters
    beside = RunDir(source.parent)
    if readers.is_committed(beside):
        return beside, source
    return None, source


def _is_run_beside(source: Path) -> bool:
    """Whether a run has this name, which that of its source's file is, and the file no letters."""
    named = RunDir(RUNS / source)
    if source.is_absolute() or not (named.path.is_dir() and readers.is_committed(named)):
        return False
    with source.open("rb") as file:
        return not is_letter(file.read(SNIFFED_BYTES))


def _directory(run: str | Path | None, beside: Path) -> RunDir:
    if run is not None:
        directory = RunDir(own_place(run))
        if readers.is_committed(directory):
            raise RefusedToStart(
                f"{directory.path}: a run exists here; go on with it: {resume_command(directory)}"
            )
        return directory
    number = 1
    while True:
        directory = RunDir(beside.with_name(f"{beside.name}-replay-{number}"))
        if not readers.is_committed(directory):
            return directory
        number += 1


@contextmanager
def _made(directory: RunDir) -> Iterator[None]:
    """The replay's own directory, made and locked."""
    directory.create()
    with directory.locked():
        yield


@contextmanager
def _all_or_nothing(directory: RunDir, *, known: bool = False) -> Iterator[None]:
    """It goes on, or nothing of the replay is left. `known`: but for its directory, since the run
    may know of it, and would miss it.
    """
    try:
        yield
    except (OSError, BulkloadError) as error:
        sweep(directory)
        directory.drop_ballast()
        (directory.path / SPOOL).unlink(missing_ok=True)
        if not known:
            directory.discard()
        if isinstance(error, (OSError, StoppedResumable)):
            raise unbegun(directory, error) from None
        raise


def _refuse(child: RunDir, of: RunDir, state: lineage.State) -> None:
    """A replay of which it can't be known what it settles."""
    if state == "gone":
        raise RefusedToStart(
            f"{child.path}: a replay of {of.path} was kept here and is gone, so what it "
            "loaded can't be known. Put it back, or replay a copy of the dead-letter file, "
            "knowing that it may make doubles"
        )
    if state == "lost":
        raise RefusedToStart(
            f"{of.path}: is a replay of a run that was kept at {child.path} and is not there, so "
            "what its other replays loaded can't be known. Put it back, or replay a copy of the "
            "dead-letter file, knowing that it may make doubles"
        )
    if state == "unreadable":
        readers.facts(child)  # says why
    if state == "partly undone":
        raise RefusedToStart(
            f"{child.path}: an earlier replay of {of.path} is undone in part, so which of its "
            f"records are still there can't be known. Go on with it: bulkload undo "
            f"{shlex.quote(str(child.path))}; or replay a copy of the dead-letter file, knowing "
            "that it may make doubles"
        )
    if state == "not ended":
        raise RefusedToStart(
            f"{child.path}: an earlier replay of {of.path} has not ended; go on with it: "
            f"{resume_command(child)}"
        )
