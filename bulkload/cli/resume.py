"""bulkload resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkload.cli.flags import (
    access,
    given,
    mapping_options,
    output_options,
    run_options,
    within_a_run,
)


@within_a_run
@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@run_options
@mapping_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, run: Path, **_: Any) -> int:
    """Go on with RUN, the directory of a run that stopped early or was killed.

    Options come from the run. Those that don't change what is sent (address, rate, in
    flight, time limits, in-doubt) can be given again; one that does and differs is refused.
    What was under way when the run was cut is looked at first.
    """
    from bulkload.cli.running import carry_out
    from bulkload.loader import resume
    from bulkload.options import MAY_CHANGE

    changes = given(ctx, only=MAY_CHANGE)
    params = ctx.params
    return carry_out(
        lambda interrupt, progress: resume(
            run,
            changes=changes,
            **access(params),
            observers=(progress,),
            interrupt=interrupt,
        ),
        params,
    )
