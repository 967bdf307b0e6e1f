"""bulkload replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkload.cli.flags import access, given, mapping_options, output_options, run_options


@click.command("replay")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path))
@click.option(
    "--run",
    type=click.Path(),
    help="The replay's own directory [default: RUN-replay-N].",
)
@run_options
@mapping_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, source: Path, **_: Any) -> int:
    """Send the dead letters of RUN, or of FILE, again.

    Mend them first where they stand: a letter's `input`, where it has one, is what is sent,
    else its `record`. A letter that a replay loaded is not sent by the next one. What fails
    again is a dead letter of the replay, and remembers where its record came from.
    """
    from bulkload.afterwards.replaying import replay
    from bulkload.cli.running import carry_out

    params = ctx.params
    changes = given(ctx)
    return carry_out(
        lambda interrupt, progress: replay(
            source,
            run=params["run"],
            changes=changes,
            **access(params),
            observers=(progress,),
            interrupt=interrupt,
        ),
        params,
    )
