"""bulkload sources."""

from __future__ import annotations

import click


@click.command("sources")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, as_json: bool) -> int:
    """List what can be loaded, how a resume finds its place in it, and what it needs.

    \b
    bulkload sources
    bulkload load --help
    """  # noqa: D301  # click reads the \b
    from bulkload.sources.formats import KNOWN, missing

    if as_json:
        import orjson

        for each in KNOWN:
            found = {**each._asdict(), "installed": not missing(each.extra)}
            del found["named"]
            click.echo(orjson.dumps(found))
        return 0
    for each in KNOWN:
        endings = f" ({' '.join(each.extensions)})" if each.extensions else ""
        click.echo(f"{click.style(each.name, bold=True)}  {each.description}{endings}")
        click.echo(f"    resume: {each.resumes}")
        click.echo(f"    extended by: {each.extends or 'new files'}")
        if each.at_once:
            click.echo(f"    at once: {each.at_once}")
        if missing(each.extra):
            click.echo(f"    NOT INSTALLED: pip install 'bulkload[{each.extra}]'")
        click.echo(f"    {each.example}\n")
    return 0
