"""The command line: one file a command; flags → options, report → exit code; nothing else.

Commands are imported when they are called, so that `--help` stays fast.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from bulkload.cli import saying, signals
from bulkload.errors import BulkloadError, RefusedToStart
from bulkload.version import __version__
from bulkload.wording import near

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COMMANDS = {
    "demo": "See it work: a mailbox into an embedded HubSpot, faults and a kill included.",
    "doctor": "See whether all is as a load needs it, and what the portal is like.",
    "map": "Propose how a table's columns become properties.",
    "check": "See what a load would do, without sending anything.",
    "load": "Load files or folders into HubSpot as a new run.",
    "resume": "Go on with a run that stopped early.",
    "replay": "Send a run's dead letters again, as a run of its own.",
    "status": "Show how a run stands, live or after the fact.",
    "doubts": "List the records of a run whose fate is unknown.",
    "report": "Write how a run stands as one HTML page, to show to others.",
    "undo": "Archive what a run created, and only that.",
    "resolve": "Settle what a run holds in doubt.",
    "sources": "List what can be loaded, and what each kind needs.",
    "sandbox": "Serve an embedded HubSpot to rehearse against.",
}


UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""What a disk says that takes no more: of stdout, where no file is named."""


PREFIX = "BULKLOAD_"
OTHER_VARIABLES = ("BULKLOAD_SOURCE_PASSWORD", "BULKLOAD_SOURCE_TOKEN")
"""Of sources: no flag has them."""


class Lazy(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (meant := likely(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}. {meant}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"bulkload.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def likely(given: str, known: Iterable[str], prefix: str = "") -> str:
    """What may have been meant, as a question; empty where nothing is near. `prefix` stands before
    all of them.
    """
    found = near(given, known)
    return f"Did you mean {prefix}{found[0]}?" if found else ""


def mistaken(environment: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """What there is to say of variables that look like ours and are none. A program that has others
    for itself hears nothing.
    """
    ours = {name.removeprefix(PREFIX) for name in (*known, *OTHER_VARIABLES)}
    for name in environment:
        own = name.removeprefix(PREFIX)
        if own != name and own not in ours and (meant := likely(own, ours, PREFIX)):
            yield f"{name}: there is no such setting. {meant}"


def read_settings(known: Mapping[str, str]) -> dict[str, object]:
    """bulkload.toml of the working directory: names as the flags have them. `known`: the parameter
    of each.
    """
    import tomllib

    path = Path("bulkload.toml")
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RefusedToStart(f"{path}: can't be read as settings: {error}") from None
    given = {name.replace("_", "-"): value for name, value in found.items()}
    if "token" in given:
        raise RefusedToStart(
            f"{path}: a token is not to stand among settings; put it into a file of its own and "
            'name that: token-file = "FILE"'
        )
    if unknown := sorted(given.keys() - known.keys()):
        raise RefusedToStart(
            f"{path}: there is no setting {', '.join(unknown)}; see bulkload load --help. "
            f"{likely(unknown[0], known)}"
        )
    return {known[name]: value for name, value in given.items()}


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: bulkload demo (no account needed). Each command has --help.",
)
@click.version_option(__version__, "-V", "--version", prog_name="bulkload")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Load millions of emails into HubSpot.

    Kill it anywhere: nothing is lost, and nothing is created twice in silence. Each refused
    record becomes a dead letter with the reason; the good ones of its batch are loaded.

    Exit codes: 0 all loaded · 1 finished, with dead letters or records in doubt · 2 usage
    or configuration · 3 stopped before the end, resumable · 4 stopped for good.
    """
    if ctx.invoked_subcommand in ("check", "load", "resume", "replay", "resolve"):
        from bulkload.cli.load import command

        options = [param for param in command.params if isinstance(param, click.Option)]
        known = {option.opts[-1].removeprefix("--"): str(option.name) for option in options}
        ctx.default_map = {ctx.invoked_subcommand: read_settings(known)}
        for doubt in mistaken(os.environ, (str(option.envvar) for option in options)):
            saying.aside(doubt)


def main() -> None:
    """The `bulkload` command. A user's mistake ends in a message and an exit code."""
    saying.heard()
    signals.early()
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        _end("interrupted", 3)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        sys.exit(2)
    except BulkloadError as error:
        _end(str(error), error.exit_code)
    except BrokenPipeError:
        saying.hush(saying.OUT)
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _end(f"{error.filename}: this name is too long for the disk", 2)
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        saying.hush(saying.OUT)
        _end(f"the output can't be written: {error.strerror}", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _end(words: str, code: int) -> NoReturn:
    saying.aside(f"bulkload: {words}")
    sys.exit(code)
