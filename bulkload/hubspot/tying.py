"""Pure: which result is whose. Results come back in any order (hubspot-api-nodejs #190).

Law kept here: a partial answer carries the record, never an index. By its trace id, else by
what only one input of the batch holds; a result that fits two inputs is nobody's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.batch import Batch


def tie(batch: Batch, made: list[dict[str, Any]]) -> tuple[dict[int, str], list[str]]:
    """Results by their trace id, else by what only one input of the batch holds."""
    by_trace = {e.trace_id: e.ordinal for e in batch.entries}
    tied: dict[int, str] = {}
    loose: list[dict[str, Any]] = []
    for result in made:
        trace = result.get("objectWriteTraceId")
        ordinal = by_trace.get(trace) if isinstance(trace, str) else None
        if ordinal is not None and ordinal not in tied:
            tied[ordinal] = str(result["id"])
        else:
            loose.append(result)
    if not loose:
        return tied, []
    inputs = {
        e.ordinal: orjson.loads(e.body)["properties"]
        for e in batch.entries
        if e.ordinal not in tied
    }
    holders = _holders(inputs)
    strays = []
    for result in loose:
        found = result.get("properties")
        properties: dict[str, Any] = found if isinstance(found, dict) else {}
        owners = {
            ordinal
            for pair in properties.items()
            if isinstance(pair[1], str)
            if (ordinal := holders.get(pair)) is not None and ordinal not in tied
        }
        if len(owners) == 1 and _fits_best(next(iter(owners)), inputs, properties):
            tied[owners.pop()] = str(result["id"])
        else:
            strays.append(str(result["id"]))
    return tied, strays


def _fits_best(
    owner: int, inputs: Mapping[int, Mapping[str, str]], made: Mapping[str, Any]
) -> bool:
    """Whether no other input agrees with what was made as well as the owner does.

    A value that only one input holds may be one that the remote fills in for the others.
    """
    apart = {
        ordinal: sum(made.get(name) != value for name, value in properties.items())
        for ordinal, properties in inputs.items()
    }
    return all(apart[owner] < apart[other] for other in apart if other != owner)


def _holders(inputs: Mapping[int, Mapping[str, str]]) -> dict[tuple[str, str], int]:
    """(property, value) → the ordinal of the one input that holds it."""
    pairs: dict[tuple[str, str], int] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for ordinal, properties in inputs.items():
        for pair in properties.items():
            seen[pair] += 1
            pairs[pair] = ordinal
    return {pair: ordinal for pair, ordinal in pairs.items() if seen[pair] == 1}
