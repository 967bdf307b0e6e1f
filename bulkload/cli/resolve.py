"""bulkload resolve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkload.cli.flags import access, given, output_options, run_options, within_a_run


@within_a_run
@click.command("resolve")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("records", nargs=-1, metavar="[RECORD]...")
@click.option(
    "--as",
    "word",
    type=click.Choice(["loaded", "absent"]),
    help="Your word for the RECORDs named: they are in HubSpot, or are not and are sent again.",
)
@click.option("--all", "everything", is_flag=True, help="Your word counts for all in doubt.")
@run_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, run: Path, records: tuple[str, ...], **_: Any) -> int:
    """Settle what RUN holds in doubt, and read nothing new.

    HubSpot is asked for the records, by their keys where the run has a key property, else by
    search, which takes minutes. Those that it has are settled; those that it has not are sent
    again; what can't be proved stays in doubt.

    \b
    bulkload resolve RUN
    bulkload resolve RUN --as loaded 17 20-29   # numbers as bulkload doubts lists them
    bulkload resolve RUN --as absent --all
    """  # noqa: D301  # click reads the \b
    from bulkload.afterwards.resolving import resolve
    from bulkload.cli.running import carry_out
    from bulkload.errors import RefusedToStart
    from bulkload.options import MAY_CHANGE

    params = ctx.params
    word, everything = params["word"], params["everything"]
    if bool(records or everything) != (word is not None):
        raise RefusedToStart(
            "--as takes the records that your word is for, by number or --all; without --as "
            "everything in doubt is looked for"
        )
    if records and everything:
        raise RefusedToStart("name records or give --all, not both")
    changes = given(ctx, only=MAY_CHANGE)
    return carry_out(
        lambda interrupt, progress: resolve(
            run,
            there=None if word is None else word == "loaded",
            chosen=_chosen(records) if records else None,
            changes=changes,
            **access(params),
            observers=(progress,),
            interrupt=interrupt,
        ),
        params,
    )


def _chosen(records: tuple[str, ...]) -> Any:
    from bulkload.errors import RefusedToStart
    from bulkload.ordinals import Covered, unpack_spans

    try:
        return Covered(unpack_spans(",".join(records)))
    except ValueError:
        raise RefusedToStart(
            f"{' '.join(records)!r} are no records: give numbers, or ranges such as 20-29"
        ) from None
