"""`extend`: a run goes on with what came to its sources since.

Each part that came is a source of the run, behind those that it has, so that records keep their
numbers: all that holds for a run holds for one that was extended.

Law kept here: what is new is committed before any of it is sent, and is then part of the run
whatever becomes of the source's end.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload import handed
from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.events import Announcer, Said
from bulkload.journal import readers
from bulkload.journal.journal import Journal
from bulkload.options import Options
from bulkload.protocols import Growing
from bulkload.records.deciding import fit, has_mail, outdated
from bulkload.records.rules import Rules
from bulkload.runs.beginning import refuse_undone
from bulkload.runs.call import Access, Call
from bulkload.runs.inquiry import existing
from bulkload.runs.life import carry_on
from bulkload.runs.sourcing import keep, refuse_mixed, reopened
from bulkload.runs.summary import Summary, standing
from bulkload.sources.catalogue import Settled, describe
from bulkload.sources.detect import kept, named, opened_all
from bulkload.sources.own import OwnSource

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from bulkload.events import Observer
    from bulkload.model import Position
    from bulkload.protocols import Source
    from bulkload.rundir import RunDir

MOST_NAMED = 3
"""Sources that are named to the user; the others are counted."""


async def extend(
    run: str | Path,
    *sources: str | os.PathLike[str] | OwnSource,
    changes: dict[str, Any] | None = None,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
) -> Summary:
    """Go on with a run, and with what came to its sources since it read them.

    `sources`: where to look (default: what the run was begun with; of a folder, a glob or a
    database that is all there is now). What the run knows and is gone by now is no loss. `changes`:
    as for `resume`. A run that has to be resumed is resumed, too.

    Raises RefusedToStart where the run can't be extended, StoppedForGood where a source did not
    only grow, or as `resume` does.
    """
    directory, given = existing(run), named(sources)
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    access.check()
    with directory.locked():
        facts = readers.facts(directory)
        options = Options.from_json(facts["options"]).changed(changes or {})
        refuse_undone(directory, facts)
        refuse_mixed(directory, facts)
        _refuse(directory, facts, given)
        own = [each for each in given if isinstance(each, OwnSource)]
        had = await asyncio.to_thread(reopened, directory, facts, own)
        said = list(await asyncio.to_thread(outdated, options, facts["rules"]))
        new = await asyncio.to_thread(_came, directory, facts, had, given, options, said)
        if new:
            await _widen(directory, facts, new, given)
        elif facts.get("complete"):
            tell = Announcer(tuple(observers))
            for text in said:
                tell(Said(text))
            return standing(directory, facts, locked=True)
        return await carry_on(directory, [*had, *new], options, call, tuple(said))


def _refuse(directory: RunDir, facts: dict[str, Any], named: Sequence[str | OwnSource]) -> None:
    where = shlex.quote(str(directory.path))
    if facts.get("replays"):
        raise RefusedToStart(
            f"{directory.path}: is a replay, whose letters get no more. Extend the run that they "
            "are of"
        )
    if facts["options"].get("limit") is not None:
        raise RefusedToStart(
            f"{directory.path}: is a pilot (--limit), so what its sources held then is not loaded "
            "either. Load them without --limit, with --again; that run can be extended"
        )
    own = handed.names(facts)
    if not named and not facts.get("specs") and len(own) == len(facts["sources"]):
        raise RefusedToStart(
            f"{directory.path}: was read from a program's own sources ({', '.join(own)}), which "
            "can't be looked at again. Extend it from the program, by a source of another name "
            "that reads on from where they ended"
        )
    if not named and not facts.get("specs"):
        raise RefusedToStart(
            f"{directory.path}: was read from stdin, which can't be looked at again. Name what "
            f"came since: bulkload load --extend {where} FILE"
        )


def _came(
    directory: RunDir,
    facts: dict[str, Any],
    had: Sequence[Source],
    named: Sequence[str | OwnSource],
    options: Options,
    said: list[str],
) -> list[Source]:
    """What of the sources that are there now is none of the run's yet. Blocking."""
    known: dict[Hashable, list[int]] = {}
    for number, description in enumerate(facts["sources"]):
        known.setdefault(_lineage(description), []).append(number)
    reached = readers.reached(directory)
    new: list[Source] = []
    own_known: list[str] = []
    for found in _found(named or facts["specs"], facts.get("specs", []), options, said):
        numbers = known.get(_lineage(describe(found)))
        if numbers is None:
            new.append(found)
            continue
        if isinstance(found, OwnSource):
            own_known.append(found.name)
            continue
        parts = [had[number] for number in numbers]
        bound, last = facts["fingerprints"][numbers[-1]], reached.get(numbers[-1])
        if came := _grown(parts, bound, last):
            new.append(came)
    if has_mail(new) and not has_mail(had):
        mail = next(source.name for source in new if has_mail([source]))
        raise RefusedToStart(
            f"{mail}: is mail, and this run has none, so nothing says yet whose mail it is and "
            "what of it to leave out. Load it as a run of its own"
        )
    said += fit(Rules.from_json(facts["rules"]).columns, new)
    if own_known and not new and facts.get("complete"):
        raise RefusedToStart(f"{directory.path}: {_unlooked(own_known)}")
    unlooked = own_known or ([] if named else handed.names(facts))
    if unlooked:
        said.append(_unlooked(unlooked))
    if new or not own_known:
        said.append(_told(new, "other " if unlooked else ""))
    return new


def _grown(parts: Sequence[Source], bound: dict[str, Any], last: Position | None) -> Source | None:
    """What came to a source that the run has in these parts, up to `last`. `bound`: the last
    part's fingerprint.
    """
    source = _opened(parts[-1])
    if not source.still(bound):
        raise StoppedForGood(
            f"{source.name}: it did not only grow since this run read it: what was there is "
            "changed, or gone. Load it as another run (what is in both is made twice, unless "
            "the portal has a key property), or name the others to extend by"
        )
    return source.extended(map(_opened, parts), last) if isinstance(source, Growing) else None


def _found(
    named: Sequence[str | OwnSource], known: Sequence[str], options: Options, said: list[str]
) -> Iterator[Source]:
    """Each source once, though several names lead to it. What the run was told of (`known`) and is
    not there any more was loaded, and is not missed.
    """
    looked: set[Hashable] = set()
    for spec in named:
        if isinstance(spec, str) and "://" not in spec:
            path = str(Path(spec).absolute())
            gone = not os.path.lexists(path) and not glob(path, recursive=True)  # noqa: PTH207  # a pattern as the user gave it
            if gone and path in known:
                said.append(f"{spec}: nothing is there any more; what was, is settled")
                continue
        for found in opened_all([spec], options.asked(), say=said.append):
            description = describe(found)
            identity = _lineage(description), tuple(description["options"].get("member") or ())
            if identity not in looked:
                looked.add(identity)
                yield found


def _unlooked(own: Sequence[str]) -> str:
    return (
        f"{', '.join(own)}: what came since to a program's own source can't be told from what the "
        "run has of it, and was not looked for. Extend the run by a source of another name, which "
        "reads on from where that one ended"
    )


def _told(new: Sequence[Source], which: str = "") -> str:
    names = [source.name for source in new]
    if not names:
        return f"nothing came since to the {which}sources of this run"
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"came since: {', '.join(names[:MOST_NAMED])}{more}"


def _opened(source: Source) -> Source:
    return source.source() if isinstance(source, Settled) else source


def _lineage(description: dict[str, Any]) -> Hashable:
    """Equal for sources that are parts of one file, folder or table."""
    path, member = description["path"], description["options"].get("member")
    form = description["format"], member and member[0]
    if "://" in path:
        return path, description["name"], *form
    return os.path.realpath(path), *form


async def _widen(
    directory: RunDir,
    facts: dict[str, Any],
    new: Sequence[Source],
    named: Sequence[str | OwnSource],
) -> None:
    """Commit the run to them. Whoever had no contact when it read the others may have one by now:
    they are asked for again.
    """
    journal = Journal.of(directory, on_full=lambda _: None)
    try:
        more = await asyncio.to_thread(keep, directory, new, len(facts["sources"]))
        wider = {name: [*facts[name], *more[name]] for name in more}
        specs = list(dict.fromkeys([*facts.get("specs", []), *kept(named)]))
        await journal.people.forget_unknown()
        await journal.note({**wider, "specs": specs, "complete": False, "whole": False})
    except OSError as error:
        raise StoppedResumable(
            f"{directory.path}: can't be written ({error.strerror}); nothing was sent. Make room, "
            "then extend it again"
        ) from None
    finally:
        await journal.close()
