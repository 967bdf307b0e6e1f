"""The options of a run, as a command shows them: (name, type, default in words, what it does).

"many" for a type: may be repeated, or hold several with commas.
"""

from __future__ import annotations

from typing import Any

import click

OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "base-url",
        str,
        "https://api.hubapi.com",
        "Where HubSpot is; a sandbox's address to rehearse.",
    ),
    ("limit", int, "all", "Load only the first N records: a pilot. A create may start workflows."),
    ("batch-size", int, "100", "Records a call, at most 100."),
    ("max-batch-bytes", int, "8388608", "Largest request body; a larger record is a dead letter."),
    ("max-in-flight", int, "20", "Calls under way at once."),
    ("rate-limit", str, "auto", "Calls in any rolling window, 190/10s; auto: as HubSpot says."),
    ("rate-share", str, "100%", "The part of the account's rate to use: 50% leaves half."),
    (
        "on-quota",
        click.Choice(["wait", "stop"]),
        "wait",
        "When the day's calls are used up: sleep until they are reset, or stop, resumable.",
    ),
    ("daily-share", str, "all", "Of the account's calls a day, use N, or N% of its limit."),
    ("max-attempts", int, "3", "Failures of one batch, while others pass, before it is narrowed."),
    ("timeout", float, "60", "Seconds without an answer before a call is given up."),
    ("max-outage", str, "3600", "Seconds of continuous failure before it stops; none: never."),
    ("max-dead-letters", str, "20%", "Stop when more records than this are refused: N or N%."),
    (
        "in-doubt",
        click.Choice(["hold", "verify", "resend"]),
        "hold",
        "Without a key, a batch whose answer was lost: list it, search, or risk doubles.",
    ),
    (
        "key",
        str,
        "the record's bytes",
        "The field that names a row or line, across all that you load into the portal.",
    ),
    (
        "key-property",
        str,
        "bulkload_key, where the portal has it",
        "The unique property that holds each record's key.",
    ),
)

READING: tuple[tuple[str, Any, str, str], ...] = (
    (
        "format",
        click.Choice(
            [
                "ndjson",
                "json",
                "csv",
                "parquet",
                "arrow",
                "mbox",
                "eml",
                "maildir",
                "mh",
                "pst",
                "msg",
                "letters",
                "mapped",
            ]
        ),
        "by name and content",
        "What the sources are.",
    ),
    ("max-record-bytes", int, "67108864", "Larger records are dead letters, left unread."),
    ("encoding", str, "by content", "CSV: what its text is in, as in windows-1252 or utf-16."),
    ("delimiter", str, "by the header", "CSV: the character between two cells, or tab."),
    ("quote", str, '"', "CSV: the character round a cell that holds others, or none."),
    ("table", str, "none", "Database: the table to read."),
    ("query", str, "none", "Database: the query to read; needs --order-by."),
    (
        "order-by",
        str,
        "the table's primary key",
        "Database: a column without NULL in which no value stands twice.",
    ),
    ("exclude", "many", "none", "Database, Parquet: a column to leave out."),
)
"""How sources are read: each is a field of `Asked`."""

MAPPING: tuple[tuple[str, Any, str, str], ...] = (
    (
        "mine",
        "many",
        "guessed, and said",
        "Mail: a domain or address of yours, which decides who wrote to whom.",
    ),
    (
        "owners",
        str,
        "none",
        "Mail: who owns a record: auto asks HubSpot's owners, else a CSV of address,owner id.",
    ),
    ("timezone", str, "UTC", "Of dates that name no zone, as in Europe/Berlin."),
    (
        "leave-out",
        "many",
        "drafts,spam,trash,auto-replies,lists,internal",
        "Mail: the kinds not to load, or none.",
    ),
    (
        "filter",
        "many",
        "all",
        "Mail: only what fits: after=2019-01-01, before=, from=, to=, label=, folder=; != for not.",
    ),
    ("never-log", "many", "nobody", "Mail: a domain, an address, or @FILE of them: never loaded."),
    ("thread-property", str, "none", "Mail: the property that gets the thread's id."),
    ("label-property", str, "none", "Mail: the property that gets the mailbox's labels."),
    (
        "too-long",
        click.Choice(["cut", "reject"]),
        "cut",
        "Mail: what is longer than HubSpot takes is cut, with a mark, or a dead letter.",
    ),
    (
        "attachments",
        click.Choice(["none", "list", "upload"]),
        "list",
        "Mail: leave attachments out, name them in the text, or upload them and tie them.",
    ),
    (
        "attachment-failure",
        click.Choice(["load", "reject"]),
        "load",
        "A record with a file that can't be uploaded: loaded, saying so, or a dead letter.",
    ),
    ("max-attachment-bytes", int, "52428800", "Larger files are not uploaded, and named instead."),
    (
        "unknown-contacts",
        click.Choice(["skip", "create", "reject"]),
        "skip",
        "People whom HubSpot has no contact of: list them, make them, or reject the record.",
    ),
    (
        "associate",
        "many",
        "none",
        "Tie to companies, deals, tickets: deals=COLUMN; of mail, a header's name.",
    ),
    ("map", "many", "as named", "Rows: property=column, as in hs_email_subject=subject."),
    ("mapping", str, "none", "Rows: a TOML file that maps columns; bulkload map proposes one."),
)
"""How records become what is sent."""
