"""bulkload status."""

from __future__ import annotations

from pathlib import Path

import click
import orjson


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def command(run: Path | None, *, as_json: bool) -> int:
    """Show how RUN stands, while it works or afterwards. Changes nothing.

    RUN is a run's directory, or its name in bulkload-runs/. Without it all that are there are
    listed, the one that began last at the end.

    The exit code is the run's: 0 all loaded, 1 with dead letters or doubts, 3 not finished; of a
    list it is 0.
    """
    from bulkload.inquiry import runs, status
    from bulkload.report import words
    from bulkload.rundir import RUNS
    from bulkload.summary import Summary

    if run is None:
        found = list(runs())
        if as_json:
            for _, stands in found:
                if isinstance(stands, Summary):
                    click.echo(orjson.dumps(stands.as_json()).decode())
        else:
            click.echo(words.runs(found) or f"No run in {RUNS}/ here.")
        return 0
    ended = status(run)
    if as_json:
        click.echo(orjson.dumps(ended.as_json()).decode())
    else:
        click.echo(words.summary(ended))
    return ended.exit_code
