"""What a pipeline is made of and how it is to behave, as values; life.py owns their lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload.journal.readers import Counts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload import events, verdict
    from bulkload.batch import Batch
    from bulkload.calls.traffic import Traffic
    from bulkload.hubspot.lookup import Marks
    from bulkload.hubspot.sink import Sink
    from bulkload.journal.journal import Journal
    from bulkload.options import AttachmentFailure, Options, UnknownContacts
    from bulkload.records.letters import LetterWriter


@dataclass(frozen=True, slots=True)
class Policy:
    """How a run behaves. `max_outage_s` None: never give up.

    `marks` are set where `means` is "key"; `run` is its id, and `began` the remote's clock when
    it began, where that is known. `quiet_s`: how long after its beginning a call may still be
    carried out.
    """

    in_flight: int = 20
    means: verdict.Means = "hold"
    max_attempts: int = 3
    max_outage_s: float | None = 3600.0
    max_dead_share: float | None = 0.2
    max_dead_count: int | None = None
    marks: Marks | None = None
    run: str = ""
    began: float | None = None
    quiet_s: float = 120.0
    unknown_contacts: UnknownContacts = "skip"
    uploads: bool = False
    attachment_failure: AttachmentFailure = "load"
    max_attachment_bytes: int = 50 << 20

    @classmethod
    def of(
        cls,
        options: Options,
        means: verdict.Means,
        marks: Marks | None,
        run: str,
        began: float | None,
        late_s: float,
    ) -> Policy:
        """`late_s`: how long after its time limit the remote may still carry a call out."""
        count, share = options.dead_letters_allowed()
        return cls(
            in_flight=options.max_in_flight,
            means=means,
            max_attempts=options.max_attempts,
            max_outage_s=options.max_outage,
            max_dead_share=share,
            max_dead_count=count,
            marks=marks,
            run=run,
            began=began,
            quiet_s=options.timeout + late_s,
            unknown_contacts=options.unknown_contacts,
            uploads=options.attachments == "upload",
            attachment_failure=options.attachment_failure,
            max_attachment_bytes=options.max_attachment_bytes,
        )


class Tally:
    """What is settled, counted after it is durable; `requests` and what follows by this process."""

    def __init__(self) -> None:
        self.loaded = self.existing = self.dead = self.doubt = self.skipped = 0
        self.batches = self.requests = self.retries = self.throttled = 0
        self.first_request: float | None = None
        self.last_settled: float | None = None
        self.settled_now = 0
        self.files_left_out = 0

    @property
    def counts(self) -> Counts:
        settled = self.loaded, self.existing, self.dead, self.doubt, self.skipped
        return Counts(*settled, self.batches)

    def take(self, counts: Counts) -> None:
        """Begin with what earlier lives of the run settled."""
        self.loaded, self.existing, self.dead, self.doubt, self.skipped, self.batches = counts

    @property
    def read(self) -> int:
        return self.counts.read


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms that a pipeline joins."""

    sink: Sink
    journal: Journal
    traffic: Traffic
    letters: LetterWriter
    random: Random
    tell: events.Announcer
    consumed: Callable[[], int]
    offload: Callable[[Callable[[], list[Batch]]], Awaitable[list[Batch]]]
    stop_reading: Callable[[], None] = lambda: None
