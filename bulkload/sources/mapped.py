"""What `check --mapped` wrote, as a source: one mapped record a line, as it is or as edited.

A line has its record's `input` in HubSpot's own shape, the `key` that it had in its source and the
`people` whose contacts it is to be tied to. Mapping takes it as it takes a dead letter; a line that
is none of them is a plain NDJSON record.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.sources.ndjson import NdjsonSource

if TYPE_CHECKING:
    from bulkload.model import Kind

FORM = "mapped/1"

_MARK = re.compile(rb'\s*\{[^\n]*"bulkload"\s*:\s*"mapped/')


class MappedSource(NdjsonSource):
    """A file of mapped records."""

    format = "mapped"
    noun = "record"
    kind: Kind = "letter"


def is_mapped(head: bytes) -> bool:
    """Whether a file that begins with `head` begins with a mapped record."""
    return _MARK.match(head.removeprefix(b"\xef\xbb\xbf")) is not None
