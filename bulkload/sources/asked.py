"""How the user wants sources to be read: the options of a run that say so, and no others."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_BYTES = 64 << 20
"""Default of `--max-record-bytes`: what is larger is a dead letter by its position, unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Each field is an option of the same name; None where the source itself decides.

    `format`: what the sources are. `max_record_bytes`: what is larger stays unread. Of tables in
    text: `encoding`, and the characters `delimiter` and `quote`.
    Of a database: `table` or `query`, the rows in the order of the column `order_by`, without the
    columns in `exclude`, each of which may be several with commas between them.
    """

    format: str | None = None
    max_record_bytes: int = MAX_RECORD_BYTES
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    table: str | None = None
    query: str | None = None
    order_by: str | None = None
    exclude: tuple[str, ...] = ()

    @property
    def excluded(self) -> tuple[str, ...]:
        """The columns in `exclude`, one by one."""
        return tuple(name.strip() for several in self.exclude for name in several.split(","))
