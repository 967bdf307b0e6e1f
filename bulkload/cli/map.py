"""bulkload map."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkload.cli import saying
from bulkload.cli.flags import asked, reading_options
from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkload.columns import Columns
    from bulkload.model import Mapped, Record
    from bulkload.proposing import Proposal
    from bulkload.proposing.trying import Place, Tried
    from bulkload.protocols import Source

ROWS = 1000
"""So many records are looked at."""

MOST_BYTES = 1 << 26
"""And no more than these, where records are large."""


@click.command("map")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show how records look under this mapping file.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="PROPERTY=COLUMN,...",
    help="Show how records look so mapped; may be given more than once.",
)
@click.option(
    "--associate",
    multiple=True,
    metavar="KIND=COLUMN,...",
    help="Columns with ids to tie records to: contacts, companies, deals, tickets.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    help="The zone of dates that name none, as in Europe/Berlin. [default: UTC, as a guess]",
)
@reading_options
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the mapping to a new file instead of stdout.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
def command(source: str, *, write: Path | None, as_json: bool, **params: Any) -> int:
    """Propose how the columns of SOURCE become HubSpot's properties.

    Looks at the first 1,000 rows, or lines of NDJSON (members of members are columns such as
    from.email), and writes a mapping file to stdout, with remarks on what was guessed or could be
    meant otherwise. Five records as they would be sent are shown on stderr. Read both, mend the
    file, and load with it. Nothing is sent.

    \b
    bulkload map mails.csv --write mails.toml
    bulkload map mails.csv --mapping mails.toml        # how it looks after an edit
    bulkload map mails.csv --map hs_email_subject=title,hs_timestamp=sent

    Mail needs no mapping: its messages are shown as they would be sent.

    Exit codes: 0 each record looked at is mapped · 1 some are not · 2 usage or configuration.
    """  # noqa: D301  # click reads the \b
    from bulkload.proposing import Proposal, doubts, propose
    from bulkload.records.deciding import nameless
    from bulkload.sources import open_sources

    opened = open_sources([source], asked(params), say=lambda text: saying.aside(f"{text}\n"))
    for text in nameless(opened):
        saying.aside(f"{text}\n")
    records = list(_first(opened))
    if not records:
        raise RefusedToStart(f"{source}: holds no records to look at.")
    kinds = {record.kind for _, record in records}
    if "letter" in kinds:
        raise RefusedToStart(
            f"{source}: holds dead letters, which need no mapping: bulkload replay sends them."
        )
    given = _given(opened, params)
    if "mail" in kinds:
        if given is not None or write is not None:
            raise RefusedToStart(
                f"{source}: is mail, which needs no mapping; mappings are for rows."
            )
        saying.aside("Mail needs no mapping. Messages as they would be sent:\n")
        return _tell(_tried(records, None), None, as_json=as_json)
    if given is None and _is_hubspots(records):
        saying.aside("Records in HubSpot's own shape need no mapping. As they would be sent:\n")
        return _tell(_tried(records, None), None, as_json=as_json)
    rows = _rows(records)
    names = _names(opened, rows)
    if given is None:
        proposal = propose(names, rows, timezone=params["timezone"])
    else:
        said = {"[properties]": tuple(doubts(given))}
        proposal = Proposal(given, said, tuple(given.unused(names)))
    if write is not None:
        _write(write, proposal.as_toml())
        saying.aside(f"{write}: written.\n")
    elif given is None and not as_json:
        click.echo(proposal.as_toml(), nl=False)
    if not as_json and (given is not None or write is not None):
        for line in proposal.lines():
            saying.aside(line)
        saying.aside("")
    return _tell(_tried(records, proposal.columns), proposal, as_json=as_json)


def _first(sources: Sequence[Source]) -> Iterator[tuple[Place, Record]]:
    from bulkload.proposing.trying import Place

    count = size = 0
    for source in sources:
        with closing(source.records()) as records:
            for record in records:
                yield Place(source.name, source.noun, record.position), record
                count += 1
                size += len(record.raw or b"")
                if count >= ROWS or size >= MOST_BYTES:
                    return


def _given(sources: Sequence[Source], params: dict[str, Any]) -> Columns | None:
    from bulkload.columns import parse

    file: Path | None = params["mapping"]
    toml = None
    if file is not None:
        try:
            toml = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise RefusedToStart(f"--mapping {file}: can't be read: {why}") from None
    columns = parse(
        params["maps"],
        toml,
        associate=params["associate"],
        timezone=params["timezone"] or "UTC",
        file=str(file),
    )
    if file is None and not columns.rules and not columns.associate:
        return None
    for source in sources:
        if (header := getattr(source, "columns", None)) is not None:
            columns.check(header, source.name)
    return columns


def _is_hubspots(records: Sequence[tuple[Place, Record]]) -> bool:
    import orjson

    for _, record in records:
        if record.kind == "json" and record.raw is not None:
            with suppress(orjson.JSONDecodeError):
                found = orjson.loads(record.raw)
                return isinstance(found, dict) and isinstance(found.get("properties"), dict)
    return False


def _names(sources: Sequence[Source], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns, those too that are empty in the rows looked at."""
    named = [name for source in sources for name in getattr(source, "columns", ())]
    return list(dict.fromkeys([*named, *(name for row in rows for name in row)]))


def _rows(records: Sequence[tuple[Place, Record]]) -> list[dict[str, str]]:
    from bulkload.columns import fields_of
    from bulkload.errors import RecordError

    rows = []
    for _, record in records:
        with suppress(RecordError):
            rows.append(fields_of(record))
    return rows


def _tried(records: Sequence[tuple[Place, Record]], columns: Columns | None) -> Tried:
    from bulkload.hubspot.definitions import Definitions
    from bulkload.mail.filters import Filters
    from bulkload.model import Mapped
    from bulkload.proposing.trying import try_out
    from bulkload.records.mapping import map_record
    from bulkload.records.rules import Rules

    rules = Rules(columns=columns, filters=Filters.parse((), ("none",)), people=True)

    def mapped(record: Record) -> Mapped:
        made = map_record(record, rules)
        assert isinstance(made, Mapped), "nothing is left out"
        return made

    def refused(made: Mapped) -> str:
        return "; ".join(map(str, Definitions({}).complaints(made.input.properties)))

    return try_out(records, mapped, refused)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RefusedToStart(f"--write {path}: exists already; name a new file") from None
    except OSError as error:
        raise RefusedToStart(f"--write {path}: can't be written: {error.strerror}") from None


def _tell(tried: Tried, proposal: Proposal | None, *, as_json: bool) -> int:
    """Returns the exit code, whoever listens."""
    if as_json:
        import orjson

        found = {
            "mapping": None if proposal is None else proposal.columns.as_json(),
            "remarks": {} if proposal is None else proposal.remarks,
            "left": [] if proposal is None else proposal.left,
            "read": tried.read,
            "mapped": tried.good,
            "faults": [fault.as_json() for fault in tried.faults],
            "records": [one.as_json() for one in tried.shown],
        }
        click.echo(orjson.dumps(found).decode())
    else:
        from bulkload.report import mapped

        with suppress(OSError):  # nobody listens
            mapped.show(tried, sys.stderr)
    return 1 if tried.faults else 0
