"""What one life of a run reads: its sources made into batches, as fast as that pays.

Law kept here: the keys of a batch are durable before it is handed on.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Self

from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.processes.parallel import Pool, processes
from bulkload.records.added import relabelled
from bulkload.records.batching import batches
from bulkload.records.deciding import has_mail
from bulkload.records.making import Maker, Making, lost
from bulkload.records.reading import Reader, total_size
from bulkload.records.recent import Recent
from bulkload.records.rules import Rules
from bulkload.records.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from bulkload.batch import Batch, Entry, Letter, Skip
    from bulkload.hubspot.lookup import Marks
    from bulkload.journal.settlement import State
    from bulkload.options import Options
    from bulkload.protocols import KeysSeen, Source
    from bulkload.records.letters import LetterWriter
    from bulkload.records.making import Numbered
    from bulkload.records.people import People
    from bulkload.rundir import RunDir

SAMPLED = 100
"""Records that a new run's mapping is tried on before the first call."""

WORTH_BYTES = 4 << 20
"""Of mail: what is smaller is read sooner than a process is started."""

MOST_PROCESSES = 4
"""More would read faster than any account takes records."""


def keys_seen(
    folder: Path, options: Options, *, mail: bool, marked: bool, durable: bool = True
) -> KeysSeen:
    """What knows a key again, with its files in `folder`.

    Where the remote refuses a second record, since each is marked, the last will do.
    """
    if mail or (options.key is not None and not marked):
        return Seen(folder, durable=durable)
    return Recent(max(10_000, 4 * options.max_in_flight * options.batch_size))


class Supply:
    """Use it as a context manager. `facts` are those of the run's journal."""

    def __init__(
        self,
        directory: RunDir,
        sources: Sequence[Source],
        options: Options,
        facts: Mapping[str, Any],
        marks: Marks | None,
        letters: LetterWriter,
    ) -> None:
        self._directory = directory
        self._sources = sources
        self._options = options
        self._rules = Rules.from_json(facts["rules"]).owned(facts.get("owners", {}))
        nouns = tuple(source.noun for source in sources)
        self._maker = Maker(
            facts["run_id"],
            letters,
            nouns,
            self._rules,
            options.max_batch_bytes,
            marks,
            options.key,
        )
        self._bound = facts["fingerprints"]
        self._marked = marks is not None
        self._settled: tuple[int, int] = tuple(facts.get("settled", (0, 0)))
        self._mail = has_mail(sources)
        self._kept = ExitStack()
        self._begun = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            keys = keys_seen(
                self._directory.path, self._options, mail=self._mail, marked=self._marked
            )
            self._seen = opening.enter_context(closing(keys))
            pool = self._pool()
            if pool is not None:
                opening.enter_context(pool)
            self._kept = opening.pop_all()
        self.reader = Reader(
            self._sources,
            self._maker.make,
            self._seen,
            lines=self._maker.lines,
            limit=self._options.limit,
            pool=pool,
            bound=self._bound,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def sample(self) -> list[dict[str, str]]:
        """What the first records are mapped to. Blocking."""
        with closing(self.reader.numbered(0, 0, None)) as records:
            looked = (self._maker.look(*each)[1] for each in islice(records, SAMPLED))
            return [mapped.input.properties for mapped in looked if mapped is not None]

    def batches(self, state: State, people: People) -> Iterator[Batch]:
        """What is not settled yet, to be read in one thread."""
        return self._begun.enter_context(closing(self._batches(state, people)))

    def leave(self) -> None:
        """Close the sources, by the thread that reads, before what it reads with is closed: a run
        that stops early would leave them open until somebody collects the garbage.
        """
        self._begun.close()

    def _batches(self, state: State, people: People) -> Generator[Batch]:
        label, options = self._rules.label_property, self._options
        with closing(self.reader.read(state.seek, state.covered, self._settled)) as read:
            for batch in batches(
                read,
                max_records=options.batch_size,
                max_bytes=options.max_batch_bytes,
                overhead=ENVELOPE_BYTES,
                known=people.knows,
                relabel=partial(relabelled, name=label) if label else None,
            ):
                self._seen.commit()
                yield batch

    def _pool(self) -> Pool[Numbered, Entry | Letter | Skip] | None:
        """Mail takes time, and may end a process that reads it: others read it where that pays."""
        size = total_size(self._sources)
        if not self._mail or (size is not None and size < WORTH_BYTES):
            return None
        return Pool(Making(self._maker), lost, processes=min(processes(None, size), MOST_PROCESSES))
