"""Pure: attachments as files of the portal: the upload's bytes, and what the answers mean.

Laws kept here: a file is private. An upload may be repeated: the same content goes to the same
name in the run's own folder, where the remote gives back what is there already; a deletion may
be repeated too. No name can break out of its header. Never raises, whatever the remote answers.

Source: HubSpot's files v3, `POST /files/v3/files` (multipart/form-data: file, fileName,
folderPath, options; 201) and `DELETE /files/v3/files/{id}` (204). `RETURN_EXISTING` with
`EXACT_FOLDER`: a duplicate in the folder is returned and nothing is stored (files guide).
multipart/form-data: RFC 7578; boundaries: RFC 2046 §5.1.1. Scope `files`.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import orjson

from bulkload.hubspot import paths, refusals, replies

if TYPE_CHECKING:
    from bulkload.hubspot.refusals import Refusal
    from bulkload.hubspot.replies import Reply

MAY = "write files, which needs the scope files"

FOLDER = "/bulkload"

NAME_BYTES = 150
"""Longest name given to a file, in bytes; file systems end at 255."""

OPTIONS = orjson.dumps(
    {
        "access": "PRIVATE",
        "overwrite": False,
        "duplicateValidationStrategy": "RETURN_EXISTING",
        "duplicateValidationScope": "EXACT_FOLDER",
    }
)

_REFUSALS = replies.REFUSALS | {415}
_KIND = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\u2028\u2029\"\\/:*?<>|%;]+")


class Upload(NamedTuple):
    """One request: POST `body` to `paths.FILES` with this `content_type`."""

    body: bytes
    content_type: str


class Uploaded(NamedTuple):
    """The file is there, now or since an earlier call of this run."""

    id: str


class Refused(NamedTuple):
    """The remote took the call and would not."""

    because: Refusal


class Deleted(NamedTuple):
    """The file is not there any more; `before`: nor was it when the call came."""

    before: bool = False


def digest(content: bytes) -> str:
    """SHA-256 in hex: what a file is known by."""
    return hashlib.sha256(content).hexdigest()


def folder(run: str) -> str:
    """Where a run's files lie. `run`: its id."""
    return f"{FOLDER}/{_UNSAFE.sub('-', run) or 'run'}"


def stored_name(name: str, hash_: str) -> str:
    """The name a file gets: its own, with so much of its content's hash that no two are the same.

    The ending stays last, since HubSpot judges by it which files it takes.
    """
    safe = _UNSAFE.sub("_", name).strip(" ._") or "attachment"
    stem, dot, ending = safe.rpartition(".")
    if not stem or not re.fullmatch(r"\w{1,10}", ending):
        stem, dot, ending = safe, "", ""
    mark = f"-{hash_[:16]}{dot}{ending}"
    room = NAME_BYTES - len(mark.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + mark


def upload(content: bytes, name: str, kind: str, run: str) -> Upload:
    """The request that stores a file. `kind`: its MIME type; what is none becomes octet-stream.

    The same arguments give the same bytes. The content is copied once.
    """
    hash_ = digest(content)
    boundary = f"bulkload-{hash_[:48]}".encode()  # no content holds its own hash
    stored = stored_name(name, hash_).encode()
    kind = kind if _KIND.fullmatch(kind) else "application/octet-stream"
    fields = (
        (b'"options"', b"application/json", OPTIONS),
        (b'"folderPath"', b"text/plain; charset=utf-8", folder(run).encode()),
        (b'"fileName"', b"text/plain; charset=utf-8", stored),
        (b'"file"; filename="' + stored + b'"', kind.encode(), content),
    )
    parts = []
    for header, type_, value in fields:
        parts += [
            b"--", boundary, b"\r\nContent-Disposition: form-data; name=", header,
            b"\r\nContent-Type: ", type_, b"\r\n\r\n", value, b"\r\n",
        ]  # fmt: skip
    body = b"".join([*parts, b"--", boundary, b"--\r\n"])
    return Upload(body, f"multipart/form-data; boundary={boundary.decode()}")


def path(file: str) -> str:
    """What is deleted to delete the file with this id."""
    return f"{paths.FILES}/{quote(file, safe='')}"


def judge_upload(reply: Reply) -> Uploaded | Refused | replies.Trouble:
    """What the answer to `upload` says."""
    if (answered := _answered(reply)) is not None:
        return answered
    file = replies.record_id(replies.parsed(reply).get("id"))
    return Uploaded(file) if file else replies.Doubtful(replies.unreadable(reply, "id of the file"))


def judge_delete(reply: Reply) -> Deleted | Refused | replies.Trouble:
    """What the answer to a DELETE of `path` says. A 404 with the remote's own body is about the
    file: there is none.
    """
    if reply.status == 404 and isinstance(replies.parsed(reply).get("category"), str):
        return Deleted(before=True)
    return _answered(reply) or Deleted()


def _answered(reply: Reply) -> Refused | replies.Trouble | None:
    """Trouble, or a refusal; None where the remote did what was asked."""
    if reply.status == 415 and not replies.is_page(reply):
        return Refused(refusals.read(replies.parsed(reply), reply.status))
    if (trouble := replies.trouble(reply, may=MAY)) is not None:
        return trouble
    if reply.status in _REFUSALS:
        too_large = "the file is too large for the remote"
        otherwise = too_large if reply.status == 413 else "the remote refused it without a reason"
        return Refused(refusals.read(replies.parsed(reply), reply.status, otherwise))
    return None
