"""Pure: the value that a row is sought by ↔ the text that a position keeps of it, exactly."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from bulkload.sources.typed import Unread

_READ: dict[str, Any] = {
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "uuid": UUID,
    "bytes": base64.b64decode,
}

_written = json.JSONEncoder(ensure_ascii=False).encode  # made once: it is asked for each row


def written(value: object) -> str:
    """JSON: a number or text as it is, else `{kind: text}`. Raises TypeError for other kinds."""
    return _written(_plain(value))


def read(text: str) -> Any:
    """The value that `written` wrote."""
    found = json.loads(text)
    if isinstance(found, dict):
        ((kind, held),) = found.items()
        return _READ[kind](held)
    return found


def _plain(value: object) -> Any:
    match value:
        case bool():
            raise TypeError("a boolean")
        case Unread():
            raise TypeError(value.why)
        case int() | float() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case time():
            return {"time": value.isoformat()}
        case UUID():
            return {"uuid": str(value)}
        case bytes() | bytearray() | memoryview():
            return {"bytes": base64.b64encode(value).decode("ascii")}
        case _:
            raise TypeError(type(value).__name__)
