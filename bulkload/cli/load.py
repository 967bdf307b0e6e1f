"""bulkload load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkload.cli.flags import access, given, mapping_options, output_options, run_options


@click.command("load")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option(
    "--run",
    type=click.Path(),
    envvar="BULKLOAD_RUN",
    help="The run's directory [default: bulkload-runs/ and the source's name].",
)
@click.option(
    "--extend",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with RUN: load what came to its sources since, or to those named.",
)
@click.option("--again", is_flag=True, help="Load a source that was loaded before, as another run.")
@run_options
@mapping_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], **_: Any) -> int:
    """Load SOURCES into HubSpot as a new run.

    A source is a mailbox (mbox, .eml, Outlook's .pst, a Maildir, MH or other folder of mail,
    Google Takeout's zip or tgz, imaps://), a table (NDJSON, JSON, CSV, Parquet, a database), files
    in a store (s3://, https://, sftp://), a glob, or - for stdin; .gz is read as it is. bulkload
    sources lists them all, with what each needs. The run keeps its files in a directory: if it
    stops early, the command that resumes it is printed.

    \b
    HUBSPOT_ACCESS_TOKEN=... bulkload load mail.mbox
    bulkload load 'export/*.ndjson.gz' --limit 100      # a pilot
    bulkload load mail.csv --base-url http://127.0.0.1:8700   # a rehearsal
    bulkload load --extend bulkload-runs/mail.mbox      # what came since, as of a cron job
    """  # noqa: D301  # click reads the \b
    from bulkload.afterwards.extending import extend
    from bulkload.cli.running import carry_out
    from bulkload.loader import load
    from bulkload.options import MAY_CHANGE, Options

    params = ctx.params
    if params["extend"] is not None:
        if params["run"] is not None or params["again"]:
            raise click.UsageError("--extend goes on with a run; --run and --again begin one.")
        changes = given(ctx, only=MAY_CHANGE)
        return carry_out(
            lambda interrupt, progress: extend(
                params["extend"],
                *sources,
                changes=changes,
                **access(params),
                observers=(progress,),
                interrupt=interrupt,
            ),
            params,
        )
    if not sources:
        raise click.UsageError("Missing argument 'SOURCE...'.")
    options = Options(**given(ctx))
    return carry_out(
        lambda interrupt, progress: load(
            *sources,
            run=params["run"],
            options=options,
            again=params["again"],
            **access(params),
            observers=(progress,),
            interrupt=interrupt,
        ),
        params,
    )
