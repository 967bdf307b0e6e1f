"""Sources: one file a format; each yields records with positions."""

from __future__ import annotations

from bulkload.sources.asked import MAX_RECORD_BYTES, Asked
from bulkload.sources.catalogue import describe, reopen
from bulkload.sources.detect import open_sources
from bulkload.sources.formats import FORMATS

__all__ = ["FORMATS", "MAX_RECORD_BYTES", "Asked", "describe", "open_sources", "reopen"]
