"""bulkload: load millions of emails into HubSpot. Nothing lost, nothing twice.

    from bulkload import load

    summary = await load("mail.mbox")

Names are imported when they are used, so that `bulkload --help` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bulkload.version import __version__

if TYPE_CHECKING:
    from bulkload.afterwards.extending import extend
    from bulkload.afterwards.replaying import replay
    from bulkload.afterwards.resolving import resolve
    from bulkload.afterwards.undoing import undo
    from bulkload.afterwards.undoplan import Undone
    from bulkload.checking.check import check
    from bulkload.checking.checked import Checked
    from bulkload.errors import BulkloadError, RefusedToStart, StoppedForGood, StoppedResumable
    from bulkload.loader import load, resume
    from bulkload.options import Options
    from bulkload.runs.inquiry import doubts, letters, skipped, status
    from bulkload.runs.summary import Summary
    from bulkload.sources.own import OwnSource

__all__ = [
    "BulkloadError",
    "Checked",
    "Options",
    "OwnSource",
    "RefusedToStart",
    "StoppedForGood",
    "StoppedResumable",
    "Summary",
    "Undone",
    "__version__",
    "check",
    "doubts",
    "extend",
    "letters",
    "load",
    "replay",
    "resolve",
    "resume",
    "skipped",
    "status",
    "undo",
]

_HOMES = {
    "Checked": "checking.checked",
    "Summary": "runs.summary",
    "check": "checking.check",
    "extend": "afterwards.extending",
    "load": "loader",
    "resolve": "afterwards.resolving",
    "resume": "loader",
    "doubts": "runs.inquiry",
    "letters": "runs.inquiry",
    "skipped": "runs.inquiry",
    "status": "runs.inquiry",
    "replay": "afterwards.replaying",
    "undo": "afterwards.undoing",
    "Undone": "afterwards.undoplan",
    "Options": "options",
    "OwnSource": "sources.own",
    "BulkloadError": "errors",
    "RefusedToStart": "errors",
    "StoppedForGood": "errors",
    "StoppedResumable": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
