"""What can be read, as the command line, the documentation and `--format` have it. Pure."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Format(NamedTuple):
    """One kind of source.

    `resumes`: how a resume finds its place; `extends`: what `load --extend` finds there, "" where
    it grows by new files only; `at_once`: what is done beside the reading of it; `extra`: what
    has to be installed for it, "" where nothing has. `named`: `--format` takes its name.
    """

    name: str
    extensions: tuple[str, ...]
    description: str
    resumes: str
    extends: str
    at_once: str
    example: str
    extra: str = ""
    named: bool = True


_PARSED = "messages are parsed in processes"
_AHEAD = "the next range is fetched ahead"

KNOWN = (
    Format(
        "ndjson", (".ndjson", ".jsonl", ".json"), "one JSON object a line",
        "by offset", "lines behind its end", "", "bulkload load export.ndjson.gz",
    ),
    Format(
        "json", (".json",), "one JSON array of objects",
        "by offset", "", "", "bulkload load export.json",
    ),
    Format(
        "csv", (".csv", ".tsv"), "a table whose header names the properties",
        "by offset; UTF-16 and the like read again", "rows behind its end", "",
        "bulkload load mails.csv --encoding windows-1252",
    ),
    Format(
        "parquet", (".parquet", ".pq"), "a table in columns",
        "by the footer", "", "", "bulkload load 'export/**/*.parquet'", "parquet",
    ),
    Format(
        "arrow", (".arrow", ".arrows", ".feather"), "Arrow's own table in columns",
        "by the footer; a stream read again", "", "", "bulkload load mails.feather", "parquet",
    ),
    Format(
        "mbox", (".mbox", ".mbx"), "many messages in one file",
        "by offset", "messages behind its end", _PARSED, "bulkload load mail.mbox",
    ),
    Format(
        "eml", (".eml", ".emlx"), "one message a file, or a folder of them",
        "by name", "new files", _PARSED, "bulkload load mail/",
    ),
    Format(
        "maildir", (), "a folder with cur/ and new/, and its folders",
        "by name", "new messages", _PARSED, "bulkload load ~/Maildir",
    ),
    Format(
        "mh", (), "a folder of messages named by numbers, and its folders",
        "by name", "new messages", _PARSED, "bulkload load ~/Mail",
    ),
    Format(
        "pst", (".pst", ".ost"), "Outlook's data file",
        "by folder and place", "", _PARSED, "bulkload load archive.pst", "pst",
    ),
    Format(
        "msg", (".msg",), "Outlook's message file, or a folder of them",
        "by name", "new files", _PARSED, "bulkload load messages/", "pst",
    ),
    Format(
        "letters", (), "a dead-letters.ndjson, as a run wrote it or edited",
        "by offset", "", "", "bulkload replay RUN",
    ),
    Format(
        "mapped", (), "records as bulkload check --mapped wrote them",
        "by offset", "", "", "bulkload load mapped.ndjson",
    ),
    Format(
        "archive", (".zip", ".tar", ".tgz", ".tar.gz"),
        "mailboxes, messages or tables in a zip or tar, such as Google Takeout's",
        "by offset; what is compressed is read again", "", _PARSED,
        "bulkload load takeout.zip", named=False,
    ),
    Format(
        "zstd", (".zst",), "any file, compressed with Zstandard (.gz, .bz2 and .xz need nothing)",
        "read again", "as its content", "", "bulkload load export.ndjson.zst", "zstd", named=False,
    ),
    Format(
        "sql", (), "a table of a database, or a query",
        "by key", "rows with greater keys", "",
        "bulkload load postgresql://user@host/crm --table mails", "sql", named=False,
    ),
    Format(
        "s3", (), "files on S3: one, a glob, or a prefix",
        "as its format", "new objects", _AHEAD, "bulkload load 's3://bucket/export/*.parquet'",
        "s3", named=False,
    ),
    Format(
        "gs", (), "files in Google Cloud Storage",
        "as its format", "new objects", _AHEAD, "bulkload load gs://bucket/export/",
        "gs", named=False,
    ),
    Format(
        "az", (), "files in Azure Blob Storage",
        "as its format", "new objects", _AHEAD, "bulkload load az://container/export/",
        "az", named=False,
    ),
    Format(
        "https", (), "a file on a web server that gives ranges",
        "as its format", "what is behind its end, where it has no ETag", _AHEAD,
        "bulkload load https://host/mail.mbox", "http", named=False,
    ),
    Format(
        "sftp", (), "files on an SSH server: one, a glob, or a folder",
        "as its format", "as its format", _AHEAD, "bulkload load sftp://user@host/srv/mail/",
        "sftp", named=False,
    ),
    Format(
        "imap", (), "mail on an IMAP server: a folder, or all",
        "by UID", "new messages", "three connections; messages are parsed in processes",
        "bulkload load imaps://me%40example.com@imap.example.com/Archive", "imap", named=False,
    ),
)  # fmt: skip
"""In the order in which they are looked for and shown."""

FORMATS = tuple(each for each in KNOWN if each.named)

_MODULES = {
    "parquet": "pyarrow", "zstd": "backports.zstd", "sql": "sqlalchemy", "s3": "s3fs",
    "gs": "gcsfs", "az": "adlfs", "http": "fsspec", "sftp": "paramiko", "imap": "imapclient",
    "pst": "pypff",
}  # fmt: skip


def missing(extra: str) -> bool:
    """Whether an extra's package is not installed."""
    module = _MODULES.get(extra, "sys")
    if extra == "zstd" and find_spec("compression"):
        return False  # Python has it from 3.14 on
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # the package above it is not there
        return True


def markdown() -> str:
    """The table of the documentation."""
    rows = [
        "| source | what | resume | extended by | at once | needs | example |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in KNOWN:
        endings = f" ({' '.join(each.extensions)})" if each.extensions else ""
        needs = f"`bulkload[{each.extra}]`" if each.extra else ""
        rows.append(
            f"| {each.name} | {each.description}{endings} | {each.resumes} | "
            f"{each.extends or 'new files'} | {each.at_once} | {needs} | `{each.example}` |"
        )
    return "\n".join(rows) + "\n"
