"""bulkload doubts."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from bulkload.cli import saying


@click.command("doubts")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(run: Path, *, as_json: bool) -> int:
    """List the records of RUN that are in doubt: sent, but the answer was lost.

    Each with its place in the source and when its batch was sent. Exit code 1 if there are
    any, or were under way when the run was cut; 0 if there are none.
    """
    from bulkload.handed import from_program
    from bulkload.runs.inquiry import doubts, status, under_way

    count = 0
    for doubt in doubts(run):
        count += 1
        if as_json:
            click.echo(saying.as_json(doubt))
        else:
            click.echo(
                f"{doubt['source']} {doubt['position']['number']} (record {doubt['ordinal']}): "
                f"sent {doubt['sent_at']} with {doubt['batch']}"
                + (f", first {doubt['doubtful_since']}" if doubt["attempts"] > 1 else "")
                + f": {doubt['note']}"
            )
    cut = under_way(run)
    if cut:
        click.echo(
            f"{cut:,} records are under way, or were when the run was cut: resume tells what "
            "became of them",
            err=True,
        )
    if not as_json:
        settle = ""
        if count:
            own = status(run).own
            looks = f"bulkload resolve {shlex.quote(str(run))}"
            settle = f"; settle them: {from_program('resolve', str(run), own) if own else looks}"
        click.echo(f"{count:,} records in doubt{settle}", err=True)
    return 1 if count or cut else 0
