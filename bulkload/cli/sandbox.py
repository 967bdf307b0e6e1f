"""`bulkload sandbox`: the embedded HubSpot on a port, to rehearse against."""

from __future__ import annotations

from typing import Any

import click

from bulkload.cli.sandboxflags import (
    MORE_THAN_NONE,
    MOST,
    SOME,
    Number,
    daily,
    fault_rates,
    parsed,
    pattern,
    scopes,
)
from bulkload.cli.sandboxhelp import EPILOG


@click.command("sandbox", epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes any free port.")
@click.option("--tls-cert", metavar="FILE", help="Serve https with this certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key. Default: in the same file.")
@click.option("--token", help="The only bearer token that is accepted. Default: any.")
@click.option(
    "--token-life",
    type=MORE_THAN_NONE,
    help="Seconds until a token expires; makes it an OAuth app (refresh at /oauth/v1/token).",
)
@click.option(
    "--refresh-token",
    default="sandbox-refresh",
    show_default=True,
    help="The refresh token that is accepted.",
)
@click.option(
    "--rotate-refresh-tokens",
    is_flag=True,
    help="Each refresh gives a new refresh token and ends the old one.",
)
@click.option("--client-id", metavar="TEXT", help="The only client id for a refresh. Default: any.")
@click.option(
    "--client-secret", metavar="TEXT", help="The only client secret for a refresh. Default: any."
)
@click.option(
    "--missing-scope", is_flag=True, help="The token has no scope to write: MISSING_SCOPES."
)
@click.option(
    "--without-scope",
    "without_scopes",
    multiple=True,
    metavar="SCOPE",
    callback=scopes,
    help="Calls that need it, such as files, are refused with MISSING_SCOPES. Repeatable.",
)
@click.option(
    "--portal-id",
    type=click.IntRange(min=1),
    default=62515,
    show_default=True,
    help="The account's id.",
)
@click.option(
    "--time-zone",
    default="Europe/Berlin",
    show_default=True,
    callback=parsed("parse_time_zone"),
    help="Where its midnight is.",
)
@click.option(
    "--clock-skew",
    type=Number(min=-MOST, max=MOST),
    default=0.0,
    metavar="SECONDS",
    help="How far the portal's own clock is ahead; less than 0: behind.",
)
@click.option("--bare", is_flag=True, help="Neither bulkload_key nor bulkload_run exists.")
@click.option("--only-key", is_flag=True, help="bulkload_key exists, bulkload_run does not.")
@click.option("--no-unique", is_flag=True, help="Emails refuse a property with unique values.")
@click.option("--archived-free-keys", is_flag=True, help="Archiving sets unique values free.")
@click.option(
    "--conflict-category",
    type=click.Choice(["VALIDATION_ERROR", "CONFLICT"]),
    default="VALIDATION_ERROR",
    show_default=True,
    help="What a unique value that is taken is called.",
)
@click.option("--normalise", is_flag=True, help="Cut trailing blanks, show dates as ISO 8601.")
@click.option(
    "--contacts",
    default="0",
    metavar="N|FILE",
    callback=parsed("parse_contacts"),
    help="Start with contact1@example.com ... contactN@example.com, or with those of a file: "
    "a line ADDRESS[;SECONDARY...] each, or such a first column of a CSV.",
)
@click.option("--primary-only", is_flag=True, help="Reads find no contact by a secondary address.")
@click.option(
    "--refuse-addresses",
    metavar="REGEX",
    callback=pattern,
    help="No contact may have a matching address: INVALID_EMAIL.",
)
@click.option(
    "--companies",
    type=click.IntRange(min=0),
    metavar="N",
    help="Companies 1 ... N exist and no others. Default: emails may name any.",
)
@click.option("--deals", type=click.IntRange(min=0), metavar="N", help="The same for deals.")
@click.option("--tickets", type=click.IntRange(min=0), metavar="N", help="The same for tickets.")
@click.option(
    "--owners",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="owner1@example.com ... beside ada@ and grace@example.com.",
)
@click.option(
    "--archived-owners",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Owners who have gone: formerowner1@example.com ...",
)
@click.option("--check-owners", is_flag=True, help="hubspot_owner_id must be an owner's id.")
@click.option(
    "--max-file",
    type=click.IntRange(min=1),
    default=20 * 1024 * 1024,
    show_default=True,
    help="Bytes; a larger upload is refused.",
)
@click.option(
    "--refuse-files",
    metavar="REGEX",
    default=r"(?i)\.(bat|cmd|com|exe|msi|scr)$",
    show_default=True,
    callback=pattern,
    help="No upload may have a matching name.",
)
@click.option(
    "--check-attachments",
    is_flag=True,
    help="hs_attachment_ids must name files that are there.",
)
@click.option(
    "--rate-limit",
    default="190/10s",
    show_default=True,
    callback=parsed("parse_rate"),
    help="Calls in a rolling window, or none.",
)
@click.option(
    "--search-limit",
    default="5/1s",
    show_default=True,
    callback=parsed("parse_rate"),
    help="The same for search, or none.",
)
@click.option(
    "--others",
    type=Number(min=0, max=200),
    default=0.0,
    show_default=True,
    metavar="CALLS/S",
    help="Somebody else makes so many calls a second under the same limits.",
)
@click.option(
    "--daily-limit", default="650000", show_default=True, callback=daily, help="Calls, or none."
)
@click.option(
    "--daily-reset",
    type=MORE_THAN_NONE,
    help="Seconds until the day's quota is new, and again and again. Default: at midnight.",
)
@click.option(
    "--max-body",
    type=click.IntRange(min=1),
    default=16 * 1024 * 1024,
    show_default=True,
    help="Bytes; a larger body gets 413.",
)
@click.option(
    "--latency",
    type=SOME,
    default=0.0,
    metavar="MS",
    help="Median of the answer time (lognormal).",
)
@click.option(
    "--jitter",
    type=SOME,
    default=0.0,
    metavar="MS",
    help="At most so long is a call on its way, by chance, before it arrives.",
)
@click.option(
    "--search-lag",
    type=SOME,
    default=0.0,
    help="Seconds until search sees a new record.",
)
@click.option(
    "--read-lag",
    type=SOME,
    default=0.0,
    help="Seconds until reads see a new record.",
)
@click.option("--no-trace-ids", is_flag=True, help="Label neither results nor errors.")
@click.option("--no-processing-times", is_flag=True, help="Leave out startedAt, completedAt.")
@click.option("--status-200", is_flag=True, help="Say 200 where HubSpot says 201.")
@click.option(
    "--forget-bodies",
    is_flag=True,
    help="Of each record keep a hash and what it is looked for by: millions fit.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same faults.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=RATE",
    callback=parsed("parse_fault"),
    help="Something goes wrong with this share of writing calls. Repeatable; kinds below.",
)
@click.option(
    "--poison",
    metavar="REGEX",
    callback=pattern,
    help="A call with an email that has a matching value always fails.",
)
@click.option(
    "--poison-as",
    type=click.Choice(["500", "503", "reset", "stall", "any"]),
    help="How it fails; any: by turns. Default: 500 or reset.",
)
@click.option(
    "--outage",
    "outages",
    multiple=True,
    metavar="START+LENGTH:KIND",
    callback=parsed("parse_outage"),
    help="All calls fail for a while. Repeatable; kinds below.",
)
@click.option(
    "--late-after",
    type=SOME,
    default=3.0,
    show_default=True,
    help="Seconds until a late create takes place.",
)
@click.option(
    "--slow-by",
    type=SOME,
    default=2.0,
    show_default=True,
    help="Seconds a slow answer takes.",
)
def command(
    host: str,
    port: int,
    latency: float,
    jitter: float,
    faults: tuple[tuple[str, float], ...],
    **options: Any,
) -> None:
    """The embedded HubSpot: a real server to rehearse a load against.

    It judges records, keeps limits and loses connections as the real one does, and holds
    everything in memory. It prints one line with its address, and stops on Ctrl-C.
    """
    from bulkload.sandbox.config import SandboxConfig  # --help stays fast
    from bulkload.sandbox.server import serve

    if options["poison_as"] and options["poison"] is None:
        raise click.UsageError("--poison-as says how what --poison names fails: give --poison too")
    config = SandboxConfig(
        latency=latency / 1000,
        jitter=jitter / 1000,
        faults=fault_rates(faults),
        unique_allowed=not options.pop("no_unique"),
        archived_keep_keys=not options.pop("archived_free_keys"),
        trace_ids=not options.pop("no_trace_ids"),
        processing_times=not options.pop("no_processing_times"),
        **options,
    )
    try:
        serve(config, host, port)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    except OSError as wrong:
        raise click.ClickException(f"cannot listen on {host}:{port}: {wrong}") from None
