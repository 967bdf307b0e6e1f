"""Batches and answers for tests, as short as they can be said."""

from __future__ import annotations

from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from bulkload import events
from bulkload.batch import Batch, Entry, Letter
from bulkload.calls.quota import Quota
from bulkload.calls.traffic import Traffic
from bulkload.hubspot.auth import Token
from bulkload.hubspot.replies import Reply
from bulkload.model import Mapped, Position, Record
from bulkload.records.mapping import map_record
from bulkload.records.rules import Rules
from bulkload.zone import Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bulkload.calls.limiter import Limiter
    from bulkload.hubspot.auth import Credentials
    from bulkload.hubspot.remoteclock import RemoteClock
    from bulkload.model import Input

FACTS: dict[str, Any] = {
    "run_id": "r", "created": 1.5, "options": {}, "rules": {}, "sources": [], "fingerprints": [],
}  # fmt: skip
"""What every run's journal holds."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def entry(
    ordinal: int, properties: dict[str, str] | None = None, trace: str = "", key: str = ""
) -> Entry:
    """Record `ordinal` of source 0; its trace id is t0, t1, … `key`: its key property's value."""
    trace = trace or f"t{ordinal}"
    position = Position(ordinal * 10, ordinal + 1)
    properties = {"subject": f"s{ordinal}"} if properties is None else properties
    if key:
        properties = {**properties, "bulkload_key": key}
    body = orjson.dumps({"properties": properties, "associations": [], "objectWriteTraceId": trace})
    return Entry(ordinal, 0, position, trace, body, Record(position, "json", body), key)


def key_of(ordinal: int) -> str:
    """As long as the real ones are, and none a part of another."""
    return f"{ordinal:064x}"


def keyed(ordinal: int, run: str = "", key: str = "") -> Entry:
    """Record `ordinal` as a run with a key property sends it; `run` where it marks that too."""
    properties = {"subject": f"s{ordinal}", **({"bulkload_run": run} if run else {})}
    return entry(ordinal, properties, key=key or key_of(ordinal))


def mapped(record: Record, rules: Rules | None = None) -> Input:
    """What is sent for a record; by the rules of a run without any options, where none is given."""
    made = map_record(record, rules or Rules())
    assert isinstance(made, Mapped)
    return made.input


def letter(ordinal: int, line: bytes = b"{}") -> Letter:
    return Letter(ordinal, 0, Position(ordinal * 10, ordinal + 1), line)


def batch(numbers: Iterable[int], **properties: str) -> Batch:
    return Batch(tuple(entry(n, properties or None) for n in numbers))


def reply(status: int, body: Any = None, **headers: str) -> Reply:
    """`body`: JSON, or bytes as they are. Header names are written with `_` for `-`."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body if body is not None else {})
    return Reply(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


def open_traffic(
    limiter: Limiter,
    remote: RemoteClock,
    tell: events.Announcer | None = None,
    *,
    credentials: Credentials | None = None,
    quota: Quota | None = None,
    **more: Any,
) -> Traffic:
    """Of a run with a token that is good and a day that is long enough, where none is given."""
    random = Random(1)
    return Traffic(
        limiter,
        remote,
        credentials or Token("x"),
        quota or Quota(Zone(), random=random),
        random,
        tell or events.Announcer(()),
        **more,
    )


def made(*ordinals: int, **more: Any) -> dict[str, Any]:
    """A create's answer with a result for each of `ordinals`: ids 100 and up."""
    results = [{"id": str(100 + n), "objectWriteTraceId": f"t{n}"} for n in ordinals]
    return {"status": "COMPLETE", "results": results, **more}


def fault(*ordinals: int, **more: Any) -> dict[str, Any]:
    """One of an answer's errors, naming `ordinals` by their trace ids."""
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "no",
        "context": {"objectWriteTraceId": [f"t{n}" for n in ordinals]},
        **more,
    }
