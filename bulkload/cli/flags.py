"""Flags that several commands share: each is an option of `Options`, with its help.

Flag > environment (BULKLOAD_*) > bulkload.toml > default.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "base-url",
        str,
        "https://api.hubapi.com",
        "Where HubSpot is; a sandbox's address to rehearse.",
    ),
    (
        "format",
        click.Choice(["ndjson", "csv", "mbox", "eml", "letters"]),
        "by name and content",
        "What the sources are.",
    ),
    ("limit", int, "all", "Load only the first N records: a pilot. A create may start workflows."),
    ("batch-size", int, "100", "Records a call, at most 100."),
    ("max-batch-bytes", int, "8388608", "Largest request body; a larger record is a dead letter."),
    ("max-record-bytes", int, "67108864", "Larger records are dead letters, left unread."),
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


def access(params: dict[str, Any]) -> dict[str, Any]:
    """With what the remote is spoken to, as the public functions take it."""
    return {name: params[name] for name in ("token_file", "oauth_file", "ca_file")}


def run_options(function: F) -> F:
    """Every option of a run. Values come as given: None where the default holds."""
    for name, kind, default, text in reversed(OPTIONS):
        function = click.option(
            f"--{name}",
            type=kind,
            default=None,
            envvar=f"BULKLOAD_{name.upper().replace('-', '_')}",
            help=f"{text} [default: {default}]",
        )(function)
    return function


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
    for name, *_ in OPTIONS:
        key = name.replace("-", "_")
        value = ctx.params.get(key)
        typed = ctx.get_parameter_source(key) is ParameterSource.COMMANDLINE
        if value is None or (only is not None and not typed and key not in only):
            continue
        found[key] = _seconds(value) if key == "max_outage" else value
    return found


def _seconds(text: str) -> float | None:
    if str(text).lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise RefusedToStart(f"--max-outage takes seconds, or none, not {text!r}") from None
