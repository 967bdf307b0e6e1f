"""bulkload undo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkload.cli.flags import access, day_options, given, output_options
from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from bulkload.afterwards.undoplan import Undone
    from bulkload.events import Event, Observer


@click.command("undo")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Archive without asking.")
@click.option("--dry-run", is_flag=True, help="Say what would be archived, and archive nothing.")
@click.option("--keep-contacts", is_flag=True, help="Leave the contacts that the run made.")
@click.option("--keep-files", is_flag=True, help="Leave the files that the run uploaded.")
@click.option(
    "--base-url",
    envvar="BULKLOAD_BASE_URL",
    help="Where HubSpot is [default: where the run was sent].",
)
@day_options
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: Path,
    *,
    yes: bool,
    dry_run: bool,
    keep_contacts: bool,
    keep_files: bool,
    **_: Any,
) -> int:
    """Archive what RUN created in HubSpot, and only that.

    Emails first, then the contacts that it made, then the files that it uploaded. What the remote
    had already is not touched. It says how many it will archive and in which portal, and asks.
    Killed or stopped, the same command goes on. A run whose undo has begun can't be resumed.

    \b
    bulkload undo bulkload-runs/mail.mbox --dry-run
    bulkload undo bulkload-runs/mail.mbox --yes
    """  # noqa: D301  # click reads the \b
    from bulkload.afterwards.undoing import undo
    from bulkload.afterwards.undoplan import Keep, looked_at
    from bulkload.cli.running import attend, tell
    from bulkload.report import words

    params = ctx.params
    changes = given(ctx)
    keep, once = Keep(keep_contacts, keep_files), _Once()

    def attended(*, dry_run: bool) -> Undone:
        return attend(
            lambda interrupt, progress: undo(
                run,
                dry_run=dry_run,
                **access(params),
                observers=(once.only(progress),),
                interrupt=interrupt,
                changes=changes,
                keep_contacts=keep_contacts,
                keep_files=keep_files,
            ),
            params,
        )

    if not (yes or dry_run) and not (planned := looked_at(run, changes, keep)).done:
        if not sys.stdin.isatty():
            raise RefusedToStart(f"{planned.words()}. Nobody can be asked here: give --yes")
        looked = attended(dry_run=True)
        if looked.stopped:
            return tell(looked, params, words.undone)
        if not click.confirm("Archive them?", err=True):
            raise RefusedToStart("nothing was archived")
    return tell(attended(dry_run=dry_run), params, words.undone)


class _Once:
    """What was said before the question is not said again after it."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def only(self, observer: Observer) -> Observer:
        def observe(event: Event) -> None:
            from bulkload.events import Said

            if isinstance(event, Said):
                if event.text in self._said:
                    return
                self._said.add(event.text)
            observer(event)

        return observe
