"""Flags that several commands share: each is an option of `Options`, with its help.

Flag > environment (BULKLOAD_*) > bulkload.toml > default.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from bulkload.cli.knobs import MAPPING, OPTIONS, READING
from bulkload.errors import RefusedToStart
from bulkload.sources.asked import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    F = TypeVar("F", bound=Callable[..., Any])

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


def day_options(function: F) -> F:
    """What a run may take of the account's day, for a command that goes by the run's own."""
    those = (option for option in OPTIONS if option[0] in ("on-quota", "daily-share"))
    return add_options(function, ((*option[:2], "as it was", option[3]) for option in those))


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
