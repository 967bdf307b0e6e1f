"""The command line: one file a command; flags → options, report → exit code; nothing else.

Commands are imported when they are called, so that `--help` stays fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkload.errors import BulkloadError, RefusedToStart
from bulkload.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    "undo": "Archive what a run created, and only that.",
    "resolve": "Settle what a run holds in doubt.",
    "sources": "List what can be loaded, and what each kind needs.",
    "sandbox": "Serve an embedded HubSpot to rehearse against.",
}


class Lazy(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

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


def read_settings(known: Iterable[str]) -> dict[str, object]:
    """bulkload.toml of the working directory: names as the flags have them."""
    import tomllib

    path = Path("bulkload.toml")
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RefusedToStart(f"{path}: can't be read as settings: {error}") from None
    given = {name.replace("-", "_"): value for name, value in found.items()}
    if "token" in given:
        raise RefusedToStart(
            f"{path}: a token is not to stand among settings; put it into a file of its own and "
            'name that: token-file = "FILE"'
        )
    if unknown := given.keys() - set(known):
        raise RefusedToStart(
            f"{path}: there is no setting {', '.join(sorted(unknown))}; see bulkload load --help"
        )
    return given


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

        known = (param.name for param in command.params if isinstance(param, click.Option))
        ctx.default_map = {ctx.invoked_subcommand: read_settings(filter(None, known))}


def main() -> None:
    """The `bulkload` command. A user's mistake ends in a message and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.Abort:
        sys.exit(3)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BulkloadError as error:
        click.echo(f"bulkload: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
