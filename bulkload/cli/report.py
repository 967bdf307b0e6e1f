"""bulkload report."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, allow_dash=True),
    help="Where to write it, - for stdout. [default: report.html in RUN]",
)  # fmt: skip
def command(run: Path, *, output: Path | None) -> int:
    """Write how RUN stands as one HTML page, to show to others. Changes nothing else.

    What became of the records and when, why some are dead letters, what HubSpot answered, the
    sources and the options. It needs no other file, names places and causes, and holds no record.
    RUN may be at work: the page shows it as it is now.
    """
    from bulkload.cli import saying
    from bulkload.errors import RefusedToStart
    from bulkload.report.gathering import told
    from bulkload.report.page import page
    from bulkload.rundir import private
    from bulkload.runs.inquiry import existing

    directory, written = existing(run), page(told(run))
    if output is not None and str(output) == "-":
        click.echo(written, nl=False)
        return 0
    place = output or directory.path / "report.html"
    try:
        private(place)
        place.write_text(written, encoding="utf-8")
    except OSError as error:
        raise RefusedToStart(f"{place}: can't be written: {error.strerror or error}") from None
    with saying.result("report"):
        click.echo(str(place))
    return 0
