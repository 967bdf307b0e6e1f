"""bulkload status."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from bulkload.cli import saying


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--letters", is_flag=True, help="List the dead letters, each with its reason.")
@click.option("--skipped", is_flag=True, help="List what was left out, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON; of a list one a line.")
def command(run: Path | None, *, letters: bool, skipped: bool, as_json: bool) -> int:
    """Show how RUN stands, while it works or afterwards. Changes nothing.

    RUN is a run's directory, or its name in bulkload-runs/. Without it all that are there are
    listed, the one that began last at the end.

    The exit code is the run's: 0 all loaded, 1 with dead letters or doubts, 3 not finished; of a
    list it is 0.
    """
    from bulkload.report import words
    from bulkload.runs import inquiry

    if run is None:
        if letters or skipped:
            raise click.UsageError("--letters and --skipped are of one run: name it.")
        return _all(as_json=as_json)
    ended = inquiry.status(run)
    if letters or skipped:
        dead = inquiry.letters(run) if letters else ()
        left = inquiry.skipped(run) if skipped else ()
        for each in chain(dead, left):
            click.echo(saying.as_json(each) if as_json else words.record(each))
    elif as_json:
        click.echo(saying.as_json(ended.as_json()))
    else:
        click.echo(words.summary(ended))
    return ended.exit_code


def _all(*, as_json: bool) -> int:
    from bulkload.report import words
    from bulkload.rundir import RUNS
    from bulkload.runs.inquiry import runs
    from bulkload.runs.summary import Summary

    found = list(runs())
    if not as_json:
        click.echo(words.runs(found) or f"No run in {RUNS}/ here.")
        return 0
    for _, stands in found:
        if isinstance(stands, Summary):
            click.echo(saying.as_json(stands.as_json()))
    return 0
