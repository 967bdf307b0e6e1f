"""Placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.mail.mine import Mine
    from bulkload.model import Email, Record


@dataclass(frozen=True, slots=True)
class Filters:
    @classmethod
    def parse(
        cls,
        filters: Sequence[str],
        leave_out: Sequence[str] | None,
        never_log: Sequence[str],
        *,
        timezone: str = "UTC",
    ) -> Filters:
        del filters, leave_out, never_log, timezone
        return cls()

    def reason(self, email: Email, record: Record, mine: Mine) -> str | None:
        del email, record, mine
        return None

    def as_json(self) -> Any:
        return {}

    @classmethod
    def from_json(cls, kept: Any) -> Filters:
        del kept
        return cls()

    def words(self) -> str:
        return ""
