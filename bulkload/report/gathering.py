"""What a run's page tells, from its journal alone: live, or after the fact."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bulkload.journal import history, readers
from bulkload.report.page import Told
from bulkload.runs import inquiry
from bulkload.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

SPANS = 60
"""Of the chart."""


def told(run: str | Path) -> Told:
    """Raises RefusedToStart where there is no such run, StoppedForGood where it is damaged."""
    directory = inquiry.existing(run)
    facts = readers.facts(directory)
    return Told(
        summary=inquiry.status(directory.path),
        began=facts["created"],
        written=time.time(),
        version=__version__,
        sources=[source["name"] for source in facts["sources"]],
        options=facts["options"],
        answers=history.answers(directory),
        causes=history.causes(directory),
        pace=history.pace(directory, SPANS),
        portal=str(facts.get("portal") or ""),
    )
