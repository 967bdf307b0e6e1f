"""Columns → what HubSpot takes: how a row or a flat object is mapped, as the user says it. Pure.

`Columns` is a whole mapping: `parse` makes it of what the user wrote, `from_json` of what a run
kept. `Associate` is the part of it that ties records to others; `fields_of` makes a row of a
record.
"""

from __future__ import annotations

from bulkload.columns.associate import Associate
from bulkload.columns.columns import Columns
from bulkload.columns.flat import flat
from bulkload.columns.reading import from_json, parse
from bulkload.columns.record import fields_of

__all__ = ["Associate", "Columns", "fields_of", "flat", "from_json", "parse"]
