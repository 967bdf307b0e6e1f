"""A mistake of the sandbox's own: answered as HubSpot answers its own, and said in one line.

Law: it quotes no value of a record; whoever mends it is told the call, the mistake and its place.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from traceback import extract_tb
from typing import TYPE_CHECKING

from bulkload.sandbox.answers import error

if TYPE_CHECKING:
    from bulkload.sandbox.answers import Answer

_log = logging.getLogger(__name__)


def told(call: str, mistake: Exception) -> Answer:
    frames = extract_tb(mistake.__traceback__)
    place = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    _log.error("the sandbox's own mistake: %s: %s at %s", call, type(mistake).__name__, place)
    return error(500, "INTERNAL_ERROR", "internal error")
