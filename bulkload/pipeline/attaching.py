"""Records and their attachments: each content is uploaded once, and tied to its records.

Laws kept here: written before said: an upload is in the journal before its call leaves; a record
whose file could not be had says so, or is a dead letter: nothing is left out in silence; memory is
bounded: so many uploads at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from bulkload.calls.hold import Drained
from bulkload.hubspot import files, replies
from bulkload.journal.files import File
from bulkload.records.added import noted, with_properties
from bulkload.records.content import message_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulkload.batch import Batch, Entry, Letter
    from bulkload.calls.repeating import Repeating
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.replies import Reply
    from bulkload.model import Attachment
    from bulkload.pipeline.parts import Parts, Policy, Tally

P = ParamSpec("P")
V = TypeVar("V")

AT_ONCE = 4
"""Uploads under way: each holds its file in memory twice."""

LARGE = 1 << 20
"""Bytes whose decoding or hashing takes as long as a call."""


class Attached(NamedTuple):
    batch: Batch
    letters: tuple[Letter, ...] = ()


class Attaching:
    """For the workers of one run."""

    def __init__(self, parts: Parts, repeating: Repeating, policy: Policy, tally: Tally) -> None:
        self._parts = parts
        self._repeating = repeating
        self._policy = policy
        self._tally = tally
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def attach(self, batch: Batch) -> Attached:
        """The batch with the ids of its files. Raises Drained."""
        if batch.plain or not self._policy.uploads or not any(e.files for e in batch.entries):
            return Attached(batch)
        entries: list[Entry] = []
        letters: list[Letter] = []
        for entry in batch.entries:
            made = await self._attached(entry, batch.attempt) if entry.files else entry
            if isinstance(made, str):
                letters.append(
                    self._parts.letters.of_entry(entry, "undeliverable", made, attempts=0)
                )
            else:
                entries.append(made)
        return Attached(batch.of(entries), tuple(letters))

    async def _attached(self, entry: Entry, attempt: int) -> Entry | str:
        """The entry, or why it is not to be sent."""
        ids: list[str] = []
        failed: list[str] = []
        raw = message_of(entry.record)
        found = _each(raw)
        while (each := await _beside(len(raw or b""), next, found, None)) is not None:
            attachment, content = each
            file, why = await self._file(attachment, content)
            if file:
                ids.append(file)
            else:
                failed.append(f"{attachment.name} ({why})")
        if failed and self._policy.attachment_failure == "reject" and not attempt:
            return f"attachments could not be uploaded: {', '.join(failed)}"
        self._tally.files_left_out += len(failed)
        return _with(entry, ids, failed)._replace(files=0)

    async def _file(self, attachment: Attachment, content: bytes) -> tuple[str, str]:
        """(its id, "") or ("", why there is none)."""
        if len(content) > self._policy.max_attachment_bytes:
            return "", f"{len(content):,} bytes, more than --max-attachment-bytes"
        if not content:
            return "", "empty"
        hash_ = await _beside(len(content), files.digest, content)
        lock = self._under_way.setdefault(hash_, asyncio.Lock())
        async with lock, self._turns:
            if known := await self._parts.journal.files.known(hash_):
                return known, ""
            file = File(hash_, attachment.name, len(content))
            return await self._upload(file, attachment.kind, content)

    async def _upload(self, file: File, kind: str, content: bytes) -> tuple[str, str]:
        """An intent of which no call may have stored the file is withdrawn where the run ends: an
        undo would tell of a file that can't be there.
        """
        journal = self._parts.journal.files
        doubted, under_way = not await journal.intend(file), False
        request = files.upload(content, file.name, kind, self._policy.run)

        async def send() -> Sent:
            nonlocal under_way
            under_way = True
            return await self._parts.sink.upload(request)

        def judge(reply: Reply) -> files.Uploaded | files.Refused | replies.Trouble:
            nonlocal doubted, under_way
            judged, under_way = files.judge_upload(reply), False
            doubted = doubted or isinstance(judged, replies.Doubtful)
            return judged

        try:
            answer: files.Uploaded | files.Refused = await self._repeating.until_answered(
                send, judge
            )
        except Drained:
            if not (doubted or under_way):
                await journal.settle(file.hash, "")
            raise
        made = answer.id if isinstance(answer, files.Uploaded) else ""
        await journal.settle(file.hash, made)
        return made, "" if isinstance(answer, files.Uploaded) else answer.because.message


async def _beside(size: int, work: Callable[P, V], *given: P.args, **named: P.kwargs) -> V:
    """`work` on so many bytes: of many, beside the loop, or the others' calls would wait."""
    if size < LARGE:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)


def _each(raw: bytes | None) -> Iterator[tuple[Attachment, bytes]]:
    from bulkload.mail.attachments import contents  # noqa: PLC0415  # long to import, seldom used

    return iter(()) if raw is None else contents(raw)


def _with(entry: Entry, ids: list[str], failed: list[str]) -> Entry:
    if ids:
        entry = with_properties(entry, {"hs_attachment_ids": ";".join(dict.fromkeys(ids))})
    if failed:
        entry = noted(entry, f"Attachments that were not uploaded: {', '.join(failed)}")
    return entry
