"""What can go wrong, grouped by what to do next.

    BulkloadError
    ├── RefusedToStart       exit 2: nothing was sent; mend the call and run it again
    ├── StoppedResumable     exit 3: stopped before the end; `bulkload resume` goes on
    ├── StoppedForGood       exit 4: this run cannot go on
    │   └── Mixed            not even with the old source: another's records may be settled
    └── RecordError          one record's fault: it ends as a dead letter, the run goes on
        ├── UnreadableRecord
        └── UnmappableRecord

Law kept here: the remote's trouble is not the record's. Only a `RecordError`, or the
remote's own judgement of a record, makes a dead letter.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class BulkloadError(Exception):
    """A message for a person: it names the file, the position and the next step."""

    exit_code: ClassVar[int] = 2


class RefusedToStart(BulkloadError):  # noqa: N818  # named by what to do next
    """Usage, configuration or a source that can't be opened. Nothing was sent."""

    exit_code = 2


class StoppedResumable(BulkloadError):  # noqa: N818  # named by what to do next
    """A signal, an outage, a quota, a token or a disk stopped the run before its end."""

    exit_code = 3


class StoppedForGood(BulkloadError):  # noqa: N818  # named by what to do next
    """Another source, another account, or a damaged journal: resuming would be wrong."""

    exit_code = 4


class Mixed(StoppedForGood):
    """A source was another while it was read, and that one's records count as those of the run:
    who puts the old one back and resumes would never load those, and be told that all is settled.
    """


class RecordError(BulkloadError):
    """One record's fault. The message becomes the dead letter's."""

    reason: ClassVar[Literal["unreadable", "unmappable"]]


class UnreadableRecord(RecordError):  # noqa: N818  # the dead letter's word
    """The bytes are not what the format says: broken JSON, a ragged row, a record too large."""

    reason = "unreadable"


class UnmappableRecord(RecordError):  # noqa: N818  # the dead letter's word
    """It can be read, but no valid HubSpot input can be made of it: no date, a wrong type."""

    reason = "unmappable"
