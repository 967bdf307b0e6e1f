"""A run's sources, as its journal and its directory keep them: opened again as they were.

Law kept here: same source, or no resume. A source whose records are all settled may be gone.
"""

from __future__ import annotations

import os
import shlex
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bulkload.errors import Mixed, RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.handed import OWN, refuse_without
from bulkload.records.astray import missed
from bulkload.rundir import sync_directory, write_whole
from bulkload.sources import streams
from bulkload.sources.catalogue import Settled, describe, reopen
from bulkload.sources.messages import MessageFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkload.protocols import Source
    from bulkload.rundir import RunDir
    from bulkload.sources.own import OwnSource


@runtime_checkable
class _Listed(Protocol):
    def listing(self) -> Sequence[str] | None:
        """The names that a later life needs to know the source by, None where it needs none."""
        ...


def keep(directory: RunDir, sources: Sequence[Source], first: int = 0) -> dict[str, Any]:
    """Bind a run to its sources from the number `first` on: facts for its journal.

    Blocking; what is kept beside the journal is durable. Raises RefusedToStart where one can't be
    read, OSError where the directory can't be written.
    """
    fingerprints = [source.fingerprint() for source in sources]
    described = []
    for number, source in enumerate(sources, first):
        description = describe(source)
        names = source.listing() if isinstance(source, _Listed) else None
        if names is not None:
            _write(directory, number, names)
            description["listed"] = True
        described.append(description)
    return {"sources": described, "fingerprints": fingerprints}


def reopened(
    directory: RunDir, facts: dict[str, Any], own: Sequence[OwnSource] = ()
) -> list[Source]:
    """Blocking. `own`: those that a program hands in again.

    Raises StoppedForGood where one is not the source that the run is bound to.
    """
    handed = {source.name: source for source in own}
    _, settled = facts.get("settled", (0, 0))
    opened: list[Source] = []
    for number, description in enumerate(facts["sources"]):
        open_again = partial(_reopen, directory, number, description, handed)
        if number < settled:
            opened.append(Settled(description, open_again))
            continue
        source = open_again()
        bound, now = facts["fingerprints"][number], source.fingerprint()
        if now != bound:
            gone = source.gone() if isinstance(source, MessageFiles) else []
            missed = f"; {len(gone):,} of its messages are gone, as {gone[0]}" if gone else ""
            raise StoppedForGood(
                f"{source.name}: it is not the source that this run began with "
                f"({_difference(bound, now)}{missed}). Put the old one back to resume, or load "
                "the new one as another run"
            )
        opened.append(source)
    return opened


def _reopen(
    directory: RunDir, number: int, description: dict[str, Any], own: Mapping[str, OwnSource]
) -> Source:
    if description["format"] in OWN:
        if description["name"] not in own:
            raise refuse_without(description["name"])
        return own[description["name"]]
    if not description.get("listed"):
        return reopen(description)
    return reopen(description, listing=_read(directory, number))


def _write(directory: RunDir, number: int, names: Sequence[str]) -> None:
    packed = zlib.compress("\0".join(names).encode())
    descriptor = os.open(directory.listing(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_whole(descriptor, packed)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(directory.path)


def _read(directory: RunDir, number: int) -> list[str]:
    path = directory.listing(number)
    try:
        return zlib.decompress(path.read_bytes()).decode().split("\0")
    except (OSError, ValueError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise StoppedForGood(
            f"{path}: the names of a source's messages can't be read ({why}), so which of them "
            "were loaded can't be known. Put the file back to go on"
        ) from None


def _difference(bound: dict[str, Any], now: dict[str, Any]) -> str:
    changed = [name for name in bound if bound[name] != now.get(name)]
    if "size" in changed:
        return f"its size was {bound['size']:,} and is {now.get('size', 0):,} bytes"
    return f"changed: {', '.join(changed) or 'its kind'}"


def still_whole(sources: Sequence[Source], fingerprints: Iterable[dict[str, Any]]) -> None:
    """A file that was cut or rewritten while it was read would end the run with less than what it
    began with, and say that all is settled. One that only grew is whole.

    Raises Mixed where one is not, StoppedResumable where one is gone.
    """
    for source, bound in zip(sources, fingerprints, strict=True):
        try:
            whole = source.still(bound)
        except RefusedToStart as error:
            raise missed(error) from None
        if not whole:
            raise Mixed(streams.mixed(source.name))


def refuse_mixed(directory: RunDir, facts: dict[str, Any]) -> None:
    """Raises StoppedForGood for a run in which records of another source may be settled."""
    if why := facts.get("mixed"):
        where = shlex.quote(str(directory.path))
        raise StoppedForGood(f"{directory.path}: {why}: bulkload undo {where}")


def all_settled(read: int | None, settled: int) -> None:
    """Raises StoppedResumable where so many records, read to the end, are not those settled. None:
    they were not read to their end.
    """
    if read is None or read == settled:
        return
    if read > settled:
        raise StoppedResumable(
            f"{read:,} records were read, and {settled:,} are settled: the others are read again "
            "when the run goes on"
        )
    raise StoppedResumable(
        f"the sources gave {read:,} records to their end, and {settled:,} are settled: one gives "
        "fewer than it gave before. Let it give them all, at the positions that they had, then "
        "resume. Where they are gone for good the run can't end; what is settled stays so"
    )
