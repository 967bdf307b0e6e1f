"""Options and sources → the rules of a run, once, before it begins.

What files hold and what is guessed of the sources is read here and then kept in the journal: a
later life of the run maps as its first did.
"""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import orjson

from bulkload.columns import Associate, Columns, fields_of, parse
from bulkload.errors import RecordError, RefusedToStart
from bulkload.mail.filters import LEAVE_OUT, Filters, read_never_log
from bulkload.mail.mine import Mine, guess
from bulkload.mail.owners import read_owners
from bulkload.options import AUTO
from bulkload.proposing.headless import headless
from bulkload.records.rules import Rules
from bulkload.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkload.model import Email
    from bulkload.options import Options
    from bulkload.protocols import Source

MAIL = frozenset({"mbox", "eml", "maildir", "mh", "archived", "imap", "pst", "msg", "own-mail"})
"""Formats whose records are messages."""

SAMPLED = 2000
"""Messages that are looked at for whose mail it is."""

SAMPLED_BYTES = 64 << 20

LINES = frozenset({"ndjson", "json"})
"""Formats whose records name their members themselves."""

FIRST_LINES = 100
"""Of those, records that a mapping's columns are looked for in."""

COLUMNAR = frozenset({"sql", "parquet", "arrow"})
"""Formats that can leave a column unread."""

PROTECTIVE = ("never_log", "filter")
"""Options that keep mail from being sent: who gives them where they do nothing relies on them."""

_IN_FILES = {"mapping": "columns", "owners": "owners", "never-log": "filters"}
"""Options that may name a file, and the part of the rules that is made of it."""


def has_mail(sources: Sequence[Source]) -> bool:
    """Whether any of them holds messages."""
    return any(source.format in MAIL for source in sources)


@runtime_checkable
class _Table(Protocol):
    name: str
    columns: list[str]


class Decided(NamedTuple):
    """`said`: what was guessed, and what will be left out, for a person."""

    rules: Rules
    said: tuple[str, ...]


def decide(options: Options, sources: Sequence[Source]) -> Decided:
    """Blocking. Raises RefusedToStart for what can't be, naming the option or the file."""
    mail = [source for source in sources if source.format in MAIL]
    said: list[str] = []
    mine = Mine.parse(options.mine)
    if mail and not any(each.strip(" ,") for each in options.mine):
        mine, words = guess(_sample(mail, options.timezone))
        said.append(words)
    columns = _columns(options)
    said += nameless(sources)
    said += fit(columns, sources)
    said += _useless(options, sources)
    if options.contacts and columns and columns.addresses and not mine:
        said.append(
            "without --mine everybody whom a row names is tied as a contact, your own people too"
        )
    filters = Filters.parse(
        options.filter, options.leave_out, never_log(options.never_log), ZoneInfo(options.timezone)
    )
    if mail and (
        kinds := [name for name, counted in LEAVE_OUT.items() if counted in filters.leave_out]
    ):
        said.append(f"left out, and counted: {', '.join(kinds)} (--leave-out none loads them too)")
    return Decided(
        Rules(
            mine=mine,
            owners=owners(options.owners),
            filters=filters,
            people=options.contacts and _has_people(sources, columns),
            thread_property=options.thread_property or "",
            label_property=options.label_property or "",
            timezone=options.timezone,
            too_long=options.too_long,
            attachments=options.attachments,
            columns=columns,
            associate=Associate.parse(*options.associate) if options.associate else None,
        ),
        tuple(said),
    )


def outdated(options: Options, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """What there is to say of files that are others than when the run began: it goes on by what it
    has (`kept`, as its journal holds them). Of one that is gone, nothing. Blocking.
    """
    try:
        now = orjson.loads(orjson.dumps(decide(options, ()).rules.as_json()))
    except RefusedToStart:
        return ()
    return tuple(
        f"--{flag}: its file is another than when the run began, which goes on by what it held "
        f"then; a replay that is given --{flag} goes by the new one"
        for flag, name in _IN_FILES.items()
        if now[name] != kept[name]
    )


def fit(columns: Columns | None, sources: Sequence[Source]) -> Iterator[str]:
    """What there is to say of tables' columns. Raises RefusedToStart where a rule's is missing."""
    for source in sources:
        if columns is not None and isinstance(source, _Table):
            columns.check(source.columns, source.name)
            if unused := columns.unused(source.columns):
                yield f"{source.name}: columns that no rule takes: {', '.join(unused)}"
    if columns is not None:
        yield from _unheld(columns, [each for each in sources if each.format in LINES])


def _unheld(columns: Columns, sources: Sequence[Source]) -> Iterator[str]:
    """Lines have no header that could be held against the rules: the first ones are."""
    count, held = 0, set[str]()
    for source in sources:
        with closing(source.records()) as records:
            for record in islice(records, FIRST_LINES - count):
                with suppress(RecordError):
                    held.update(fields_of(record))
                    count += 1
        if count >= FIRST_LINES:
            break
    if count and (missing := sorted(columns.used - held)):
        yield (
            f"none of the first {counted(count, 'record')} has {', '.join(missing)}, which the "
            "mapping takes"
        )


def nameless(sources: Sequence[Source]) -> Iterator[str]:
    """What there is to say of tables without a header."""
    for source in sources:
        if (
            source.format == "csv"
            and isinstance(source, _Table)
            and (why := headless(source.columns))
        ):
            yield (
                f"{source.name}: its first row looks like a record and not like names ({why}): it "
                "is not loaded, and names the columns. Put a row of names before it"
            )


def _useless(options: Options, sources: Sequence[Source]) -> Iterator[str]:
    """What there is to say of options that no source has any use for. Raises RefusedToStart where
    no row could have a key, or what would be sent was to be left out.
    """
    for source in sources:
        columns = source.columns if isinstance(source, _Table) else ()
        if options.key and source.format == "csv" and options.key not in columns:
            raise RefusedToStart(
                f"--key {options.key}: {source.name} has no such column; it has "
                f"{', '.join(columns)}"
            )
    given = [name for name in PROTECTIVE if getattr(options, name)]
    if given and sources and not has_mail(sources):
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise RefusedToStart(
            f"{flags}: looks at mail alone, and no source is mail, so all of it would be loaded. "
            "Leave such rows out of the source, or leave the option away"
        )
    if options.exclude and sources and not COLUMNAR & {source.format for source in sources}:
        raise RefusedToStart(
            "--exclude leaves out columns of a database, Parquet or Arrow, and no source is one: "
            "what it names would be sent. Say what is to be sent with --map or --mapping"
        )
    if sources and not any(source.format == "csv" for source in sources):
        for option in ("encoding", "delimiter", "quote"):
            if getattr(options, option) is not None:
                yield f"--{option} is for CSV, and no source is one: it changes nothing"


def _has_people(sources: Sequence[Source], columns: Columns | None) -> bool:
    """Whether any record may name somebody. No sources: those of another run's letters."""
    mail = not sources or any(source.format in MAIL | {"letters", "mapped"} for source in sources)
    return mail or bool(columns and columns.addresses)


def _columns(options: Options) -> Columns | None:
    if not (options.map or options.mapping or options.associate):
        return None
    text = None if options.mapping is None else read_text(options.mapping, "--mapping")
    return parse(
        options.map,
        text,
        associate=options.associate,
        timezone=options.timezone,
        file=options.mapping or "",
    )


def never_log(given: Sequence[str]) -> Iterator[str]:
    """Patterns as they are given; of @FILE those in the file. Raises RefusedToStart."""
    for each in (part.strip() for several in given for part in several.split(",")):
        if each.startswith("@"):
            yield from read_never_log(read_text(each[1:], "--never-log"), each[1:])
        else:
            yield each


def owners(named: str | None) -> Mapping[str, str]:
    """Owner ids by address, from a file; the portal's own come later. Raises RefusedToStart."""
    if named is None or named == AUTO:
        return {}
    return read_owners(read_text(named, "--owners"), named)


def read_text(path: str, flag: str) -> str:
    """A small text file that an option names. Raises RefusedToStart, naming both."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RefusedToStart(f"{flag} {path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise RefusedToStart(f"{flag} {path}: is not UTF-8 (byte {error.start})") from None


def _sample(sources: Sequence[Source], zone: str) -> Iterator[tuple[Email, str]]:
    """The first messages of each source, as many of each."""
    from bulkload.mail.read import read_email  # noqa: PLC0415  # its rooms take long to import

    for source in sources:
        size = 0
        with closing(source.records()) as records:
            for record in islice(records, max(SAMPLED // len(sources), 1)):
                size += len(record.raw or b"")
                if record.raw is not None and record.flaw is None:
                    try:
                        yield read_email(record.raw, zone), record.folder
                    except RecordError:
                        continue
                if size > SAMPLED_BYTES // len(sources):
                    break
