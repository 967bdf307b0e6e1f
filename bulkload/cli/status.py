"""bulkload status."""

from __future__ import annotations

from pathlib import Path

import click
import orjson


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def command(run: Path, *, as_json: bool) -> int:
    """Show how RUN stands, while it works or afterwards. Changes nothing.

    The exit code is the run's: 0 all loaded, 1 with dead letters or doubts, 3 not finished.
    """
    from bulkload.inquiry import status
    from bulkload.report import words

    found = status(run)
    if as_json:
        click.echo(orjson.dumps(found.as_json()).decode())
    else:
        click.echo(words.summary(found))
    return found.exit_code
