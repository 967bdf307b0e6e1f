"""A dead-letter file as a source: one letter a line, as the run wrote it or as edited.

The bytes are an NDJSON file's; only the kind differs: mapping unwraps the letter, and takes
a line that is no letter as a plain NDJSON record.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.sources.ndjson import NdjsonSource

if TYPE_CHECKING:
    from bulkload.model import Kind

_MARK = re.compile(rb'\s*\{[^\n]*"bulkload"\s*:\s*"dead-letter/')


class LettersSource(NdjsonSource):
    """A file of dead letters."""

    format = "letters"
    noun = "letter"
    kind: Kind = "letter"


def is_letter(head: bytes) -> bool:
    """Whether a file that begins with `head` begins with a dead letter."""
    return _MARK.match(head.removeprefix(b"\xef\xbb\xbf")) is not None
