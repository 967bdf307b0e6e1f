"""What holds several sources: a folder of mail, or an archive. Each mbox and each table in it is a
source of its own; message files, Maildirs and MH folders are one each.

Law kept here: nothing left out in silence: what is found, and what is not read, is said.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.sources.archived import ArchivedSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.maildir import MaildirSource
from bulkload.sources.mbox import MboxSource, refuse_unless_mbox
from bulkload.sources.members import open_stream
from bulkload.sources.mh import MhSource
from bulkload.sources.msg import MsgSource
from bulkload.sources.outlook import outlook
from bulkload.sources.places import Local
from bulkload.sources.survey import survey
from bulkload.sources.unpack import PACKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked
    from bulkload.sources.members import Member
    from bulkload.sources.messages import MessageFiles
    from bulkload.sources.places import Place


MAY_HOLD = frozenset(
    (".zip", ".tgz", ".tar", *PACKED, ".csv", ".tsv", ".ndjson", ".jsonl", ".pst", ".ost", ".msg")
)
"""Endings of files that are not read in a folder, and may hold what a user wants loaded."""

MSG = ".msg"
_OUTLOOK = {".pst", ".ost", MSG}

MOST_ENDINGS = 8

_TABLES = {"csv": (".csv", ".tsv"), "ndjson": (".ndjson", ".jsonl", ".json"), "json": (".json",)}
"""Formats that are read inside an archive, by the endings of their files."""


def in_folder(path: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """The sources in a folder: all that mail programs keep there, or those of `form` alone.

    Raises RefusedToStart, also where there is none.
    """
    named: MessageFiles
    form, limit = asked.format, asked.max_record_bytes
    match form:
        case None:
            return _surveyed(path, limit, say)
        case "eml":
            named = EmlSource(path, max_record_bytes=limit, all_files=True)
        case "maildir":
            named = MaildirSource(path, max_record_bytes=limit)
        case "mh":
            named = MhSource(path, max_record_bytes=limit)
        case "msg":
            named = MsgSource(path, max_record_bytes=limit)
        case "mbox":
            return _mboxes(path, survey(Path(path), path).mboxes, limit, say)
        case _:
            raise RefusedToStart(
                f"{path}: is a folder, and --format {form} reads files. "
                f"Name them, as in '{path.rstrip('/')}/*'."
            )
    named.names()
    return [named]


def in_archive(
    place: Place,
    path: str,
    asked: Asked,
    say: Callable[[str], None],
    open_table: Callable[[Member, str], Source | None],
) -> list[Source]:
    """The sources in a zip or tar: its mail, else its tables, or those of the format asked for.

    `open_table` makes a source of a member with its name, or None where that is empty. Raises
    RefusedToStart, also where there is none.
    """
    # zipfile and tarfile cost ten times what the rest of this package does to import.
    from bulkload.sources.archives import held_in  # noqa: PLC0415  # as said above

    form, limit = asked.format, asked.max_record_bytes
    if form not in (None, "mbox", "eml", *_TABLES):
        raise RefusedToStart(
            f"{path}: is an archive, in which mbox, .eml, CSV, NDJSON and JSON files are read, not "
            f"{form}. Unpack it, and name what comes out."
        )
    held = held_in(place, path)
    sources: list[Source] = []
    said: list[str] = []
    if form in (None, "mbox"):
        sources += [
            MboxSource(place, f"{path}:{member.name}", max_record_bytes=limit, member=member)
            for member in held.mboxes
            if member.size
        ]
        said += [_count(held.mboxes, "mbox file")] if sources else []
    if held.messages and form in (None, "eml"):
        sources.append(ArchivedSource(place, path, max_record_bytes=limit, members=held.messages))
        said.append(_count(held.messages, ".eml file"))
    more = ""
    if form in _TABLES or (form is None and not sources):
        wanted = [m for m in held.tables if form is None or m.name.lower().endswith(_TABLES[form])]
        opened = (open_table(member, f"{path}:{member.name}") for member in wanted if member.size)
        found = [source for source in opened if source is not None]
        sources += found
        said.append(_count(found, "table"))
    elif held.tables:
        more = (
            f"; NOT READ, as there is mail: {_count(held.tables, 'table')}, which --format csv, "
            "ndjson or json reads"
        )
    others = _endings(held.left_out)
    if not sources:
        kind = "mbox, .eml, CSV or JSON" if form is None else form
        raise RefusedToStart(
            f"{path}: this archive holds no {kind} file with a record in it"
            f"{f' (but {others})' if others else ''}. Unpack it, and name what it holds."
        )
    say(f"{path}: {', '.join(said)}" + (f"; left out: {others}" if others else "") + more)
    return sources


def _surveyed(path: str, limit: int, say: Callable[[str], None]) -> list[Source]:
    found = survey(Path(path), path)
    trees: list[tuple[str, MessageFiles]] = []
    if found.maildirs:
        trees.append(("Maildirs", MaildirSource(path, max_record_bytes=limit)))
    if found.mh:
        trees.append(("MH folders", MhSource(path, max_record_bytes=limit)))
    if found.files:
        trees.append((".eml files", EmlSource(path, max_record_bytes=limit)))
    if found.left_out[MSG] and find_spec("olefile"):
        del found.left_out[MSG]
        trees.append((".msg files", MsgSource(path, max_record_bytes=limit)))
    if not trees and not found.mboxes and (missing := outlook(_unreadable(found.left_out))):
        outlooks = Counter({each: found.left_out[each] for each in _OUTLOOK & {*found.left_out}})
        raise RefusedToStart(
            f"{path}: holds {_endings(outlooks)}, which need a package that is not installed: "
            f"pip install 'bulkload[pst]'. Or: {missing}"
        )
    if not trees and not found.mboxes:
        EmlSource(path, max_record_bytes=limit).names()
    if not found.mboxes and len(trees) == 1:
        trees[0][1].names()  # refuses where there is none
    sources = _mboxes(path, found.mboxes, limit, say) if found.mboxes else []
    said = [_count(sources, "mbox file")] if sources else []
    for words, tree in trees:
        if messages := tree.found():
            sources.append(tree)
            said.append(f"{_count(messages, 'message')} in {words}")
    if not sources:
        raise RefusedToStart(f"{path}: its Maildirs and MH folders hold no message.")
    others = found.left_out
    held = Counter({each: others.pop(each) for each in MAY_HOLD & others.keys()})
    letters = _endings(found.letters)
    say(
        f"{path}: {', '.join(said)}"
        + (f"; no mail, left out: {_endings(others)}" if others else "")
        + (f"; NOT READ, and may hold more: {_endings(held)}. Name them too" if held else "")
        + (f"; NOT READ, though they begin as messages do: {letters}" if letters else "")
        + (". --format eml reads each file of a folder as one" if letters else "")
        + (f"; {convert}" if (convert := outlook(_unreadable(held))) else "")
    )
    return sources


def _unreadable(held: Counter[str]) -> set[str]:
    """Endings of Outlook's files that nothing here reads, as a package is missing."""
    packages = {".pst": "pypff", ".ost": "pypff", MSG: "olefile"}
    return {each for each, package in packages.items() if held[each] and not find_spec(package)}


def _endings(found: Counter[str]) -> str:
    """The most frequent first; many are summed up."""
    ranked = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    shown = [f"{count:,} {ending}" for ending, count in ranked[:MOST_ENDINGS]]
    if rest := sum(count for _, count in ranked[MOST_ENDINGS:]):
        shown.append(f"{rest:,} others")
    return ", ".join(shown)


def _mboxes(path: str, mboxes: list[str], limit: int, say: Callable[[str], None]) -> list[Source]:
    """Those that are mboxes; of the others it is said why not, or raised where none is."""
    if not mboxes:
        raise RefusedToStart(
            f"{path}: no mbox file with a message in this folder or below (*.mbox, or a file that "
            "begins with 'From '). Check the path."
        )
    sources: list[Source] = []
    refused: list[RefusedToStart] = []
    for each in mboxes:
        try:
            with closing(open_stream(Local(each), each)) as stream:
                refuse_unless_mbox(stream.read(), each)
        except RefusedToStart as error:
            refused.append(error)
        else:
            sources.append(MboxSource(each, max_record_bytes=limit))
    if not sources:
        raise refused[0]
    for each in map(str, refused):
        say(f"NOT READ: {each}")
    return sources


def _count(found: Sized, noun: str) -> str:
    return f"{len(found):,} {noun}{'' if len(found) == 1 else 's'}"
