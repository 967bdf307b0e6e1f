"""Flags that several commands share: each is an option of `Options`, with its help.

Flag > environment (BULKLOAD_*) > bulkload.toml > default.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from bulkload.errors import RefusedToStart
from bulkload.sources.asked import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "base-url",
        str,
        "https://api.hubapi.com",
        "Where HubSpot is; a sandbox's address to rehearse.",
    ),
    ("limit", int, "all", "Load only the first N records: a pilot. A create may start workflows."),
    ("batch-size", int, "100", "Records a call, at most 100."),
    ("max-batch-bytes", int, "8388608", "Largest request body; a larger record is a dead letter."),
    ("max-in-flight", int, "20", "Calls under way at once."),
    ("rate-limit", str, "auto", "Calls in any rolling window, 190/10s; auto: as HubSpot says."),
    ("rate-share", str, "100%", "The part of the account's rate to use: 50% leaves half."),
    (
        "on-quota",
        click.Choice(["wait", "stop"]),
        "wait",
        "When the day's calls are used up: sleep until they are reset, or stop, resumable.",
    ),
    ("daily-share", str, "all", "Of the account's calls a day, use N, or N% of its limit."),
    ("max-attempts", int, "3", "Failures of one batch, while others pass, before it is narrowed."),
    ("timeout", float, "60", "Seconds without an answer before a call is given up."),
    ("max-outage", str, "3600", "Seconds of continuous failure before it stops; none: never."),
    ("max-dead-letters", str, "20%", "Stop when more records than this are refused: N or N%."),
    (
        "in-doubt",
        click.Choice(["hold", "verify", "resend"]),
        "hold",
        "Without a key, a batch whose answer was lost: list it, search, or risk doubles.",
    ),
    (
        "key",
        str,
        "the record's bytes",
        "The field that names a row or line, across all that you load into the portal.",
    ),
    (
        "key-property",
        str,
        "bulkload_key, where the portal has it",
        "The unique property that holds each record's key.",
    ),
)


READING: tuple[tuple[str, Any, str, str], ...] = (
    (
        "format",
        click.Choice(
            [
                "ndjson",
                "json",
                "csv",
                "parquet",
                "arrow",
                "mbox",
                "eml",
                "maildir",
                "mh",
                "pst",
                "msg",
                "letters",
                "mapped",
            ]
        ),
        "by name and content",
        "What the sources are.",
    ),
    ("max-record-bytes", int, "67108864", "Larger records are dead letters, left unread."),
    ("encoding", str, "by content", "CSV: what its text is in, as in windows-1252 or utf-16."),
    ("delimiter", str, "by the header", "CSV: the character between two cells, or tab."),
    ("quote", str, '"', "CSV: the character round a cell that holds others, or none."),
    ("table", str, "none", "Database: the table to read."),
    ("query", str, "none", "Database: the query to read; needs --order-by."),
    (
        "order-by",
        str,
        "the table's primary key",
        "Database: a column without NULL in which no value stands twice.",
    ),
    ("exclude", "many", "none", "Database, Parquet: a column to leave out."),
)
"""How sources are read: each is a field of `Asked`."""

MAPPING: tuple[tuple[str, Any, str, str], ...] = (
    (
        "mine",
        "many",
        "guessed, and said",
        "Mail: a domain or address of yours, which decides who wrote to whom.",
    ),
    (
        "owners",
        str,
        "none",
        "Mail: who owns a record: auto asks HubSpot's owners, else a CSV of address,owner id.",
    ),
    ("timezone", str, "UTC", "Of dates that name no zone, as in Europe/Berlin."),
    (
        "leave-out",
        "many",
        "drafts,spam,trash,auto-replies,lists,internal",
        "Mail: the kinds not to load, or none.",
    ),
    (
        "filter",
        "many",
        "all",
        "Mail: only what fits: after=2019-01-01, before=, from=, to=, label=, folder=; != for not.",
    ),
    ("never-log", "many", "nobody", "Mail: a domain, an address, or @FILE of them: never loaded."),
    ("thread-property", str, "none", "Mail: the property that gets the thread's id."),
    ("label-property", str, "none", "Mail: the property that gets the mailbox's labels."),
    (
        "too-long",
        click.Choice(["cut", "reject"]),
        "cut",
        "Mail: what is longer than HubSpot takes is cut, with a mark, or a dead letter.",
    ),
    (
        "attachments",
        click.Choice(["none", "list", "upload"]),
        "list",
        "Mail: leave attachments out, name them in the text, or upload them and tie them.",
    ),
    (
        "attachment-failure",
        click.Choice(["load", "reject"]),
        "load",
        "A record with a file that can't be uploaded: loaded, saying so, or a dead letter.",
    ),
    ("max-attachment-bytes", int, "52428800", "Larger files are not uploaded, and named instead."),
    (
        "unknown-contacts",
        click.Choice(["skip", "create", "reject"]),
        "skip",
        "People whom HubSpot has no contact of: list them, make them, or reject the record.",
    ),
    (
        "associate",
        "many",
        "none",
        "Tie to companies, deals, tickets: deals=COLUMN; of mail, a header's name.",
    ),
    ("map", "many", "as named", "Rows: property=column, as in hs_email_subject=subject."),
    ("mapping", str, "none", "Rows: a TOML file that maps columns; bulkload map proposes one."),
)
"""How records become what is sent. "many": may be repeated, or hold several with commas."""

_NAMES = tuple(
    name.replace("-", "_")
    for name in (*(option[0] for option in (*OPTIONS, *READING, *MAPPING)), "contacts")
)
"""The fields of `Options`."""


def access(params: dict[str, Any]) -> dict[str, Any]:
    """With what the remote is spoken to, as the public functions take it."""
    return {name: params[name] for name in ("token_file", "oauth_file", "ca_file")}


def add_options(function: F, listed: Iterable[tuple[str, Any, str, str]]) -> F:
    """These in their order. Values come as given: None, or none, where the default holds."""
    for name, kind, default, text in reversed(tuple(listed)):
        many = kind == "many"
        function = click.option(
            f"--{name}",
            type=str if many else kind,
            multiple=many,
            default=None,
            envvar=f"BULKLOAD_{name.upper().replace('-', '_')}",
            help=f"{text} [default: {default}]",
        )(function)
    return function


def run_options(function: F) -> F:
    """Every option of a run."""
    return add_options(function, (*OPTIONS, *READING))


def reading_options(function: F) -> F:
    """How sources are read."""
    return add_options(function, READING)


def asked(params: dict[str, Any]) -> Asked:
    """What was given of those; the defaults hold for the rest."""
    given = {each.name: params[each.name] for each in fields(Asked)}
    return Asked(**{name: value for name, value in given.items() if value not in (None, ())})


def within_a_run(command: click.Command) -> click.Command:
    """Of a run's options those are shown that may change within it. The others are taken too, to
    be refused in words.
    """
    from bulkload.options import MAY_CHANGE

    for option in command.params:
        if isinstance(option, click.Option) and option.name in _NAMES:
            option.hidden = option.name not in MAY_CHANGE
            option.help = f"{(option.help or '').partition(' [default:')[0]} [default: as it was]"
    return command


def mapping_options(function: F) -> F:
    """How records become what is sent."""
    function = click.option(
        "--contacts/--no-contacts",
        default=None,
        envvar="BULKLOAD_CONTACTS",
        help="Tie records to the contacts of their senders and recipients. [default: contacts]",
    )(function)
    return add_options(function, MAPPING)


def output_options(function: F) -> F:
    """How a command speaks, and with what to the remote."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Say more: every call and every hold."),
        click.option("--no-progress", is_flag=True, help="No progress lines on stderr."),
        click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr, no summary."),
        click.option(
            "--json", "as_json", is_flag=True, help="Print the summary as one JSON object."
        ),
    ):
        function = option(function)
    return access_options(function)


def access_options(function: F) -> F:
    """With what the remote is spoken to."""
    for option in (
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            envvar="BULKLOAD_TOKEN_FILE",
            help="A file with the access token, read again when it changes; else "
            "HUBSPOT_ACCESS_TOKEN.",
        ),
        click.option(
            "--oauth-file",
            type=click.Path(path_type=Path),
            envvar="BULKLOAD_OAUTH_FILE",
            help="A JSON file with client_id, client_secret and refresh_token: tokens are "
            "fetched by OAuth.",
        ),
        click.option(
            "--ca-file",
            type=click.Path(path_type=Path),
            envvar="BULKLOAD_CA_FILE",
            help="Certificates (PEM) to trust beside the system's: a proxy that looks into TLS.",
        ),
    ):
        function = option(function)
    return function


def given(ctx: click.Context, *, only: frozenset[str] | None = None) -> dict[str, Any]:
    """The run options that were given, by flag, environment or bulkload.toml.

    `only`: those that count where they don't come from the command line itself.
    """
    found = {}
    for key in _NAMES:
        value = ctx.params.get(key)
        typed = ctx.get_parameter_source(key) is ParameterSource.COMMANDLINE
        if value in (None, ()) or (only is not None and not typed and key not in only):
            continue
        found[key] = value
    if "max_outage" in found:
        found["max_outage"] = _seconds(found["max_outage"])
    return found


def _seconds(text: str) -> float | None:
    if str(text).lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise RefusedToStart(f"--max-outage takes seconds, or none, not {text!r}") from None
