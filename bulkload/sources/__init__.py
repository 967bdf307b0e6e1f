"""Sources: one file a format; each yields records with positions."""

from __future__ import annotations

from bulkload.sources.catalogue import describe, reopen
from bulkload.sources.detect import FORMATS, open_sources
from bulkload.sources.files import MAX_RECORD_BYTES

__all__ = ["FORMATS", "MAX_RECORD_BYTES", "describe", "open_sources", "reopen"]
