"""How a run was called: kept in its journal, so that a resume needs no flags.

What decides which records there are, and in which batches they can have been sent, may not
change within a run; how fast and how patiently may.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulkload.calls.room import RateLimit
from bulkload.calls.share import Share
from bulkload.errors import RefusedToStart
from bulkload.hubspot.route import address
from bulkload.sources.asked import MAX_RECORD_BYTES, Asked
from bulkload.verdict import InDoubt
from bulkload.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterable

OnQuota = Literal["wait", "stop"]
TooLong = Literal["cut", "reject"]
Attachments = Literal["none", "list", "upload"]
AttachmentFailure = Literal["load", "reject"]
UnknownContacts = Literal["skip", "create", "reject"]
"""What becomes of a record where the portal has no contact of one of its people."""
_CHOICES = {
    "in_doubt": InDoubt,
    "on_quota": OnQuota,
    "too_long": TooLong,
    "unknown_contacts": UnknownContacts,
    "attachments": Attachments,
    "attachment_failure": AttachmentFailure,
}
AUTO = "auto"
DEFAULT_BASE_URL = "https://api.hubapi.com"
MAY_CHANGE = frozenset(
    {
        "base_url",
        "rate_limit",
        "rate_share",
        "on_quota",
        "daily_share",
        "max_in_flight",
        "timeout",
        "max_outage",
        "max_attempts",
        "max_dead_letters",
        "in_doubt",
    }
)


DECIDE = frozenset(
    {
        "mine",
        "owners",
        "thread_property",
        "label_property",
        "timezone",
        "too_long",
        "leave_out",
        "filter",
        "never_log",
        "contacts",
        "associate",
        "attachments",
        "map",
        "mapping",
    }
)
"""Those that the rules of a run are made of."""

_SEVERAL = ("exclude", "mine", "leave_out", "filter", "never_log", "associate", "map")
"""Those that hold several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Every knob of a run. Seconds and bytes throughout.

    `max_outage` None: wait for ever. `max_dead_letters`: "500", or "20%" of what was read
    (judged from 1,000 records on). `limit`: only the first so many records. `key`: the field
    of a row that names it; `key_property`: the unique property that holds keys, None to use
    bulkload_key where the portal has it. `rate_limit`: "auto" is what the remote says; `rate_share`
    of it is used, and of the day's calls `daily_share`, all where it is None. `on_quota`: what is
    done when they are used up.

    Of mail: `mine`: domains and addresses that are ours; `owners`: "auto", or a file;
    `timezone`: of dates that name none; `leave_out`: kinds of mail, empty for the usual ones;
    `filter`, `never_log` as the flags have them. Of rows: `map`, `mapping` (a file). Raises
    RefusedToStart for a value that can't be.
    """

    base_url: str = DEFAULT_BASE_URL
    format: str | None = None
    limit: int | None = None
    batch_size: int = 100
    max_batch_bytes: int = 8 << 20
    max_record_bytes: int = MAX_RECORD_BYTES
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    table: str | None = None
    query: str | None = None
    order_by: str | None = None
    exclude: tuple[str, ...] = ()
    max_in_flight: int = 20
    rate_limit: str = "auto"
    rate_share: str = "100%"
    on_quota: OnQuota = "wait"
    daily_share: str | None = None
    max_attempts: int = 3
    timeout: float = 60.0
    max_outage: float | None = 3600.0
    max_dead_letters: str = "20%"
    in_doubt: InDoubt = "hold"
    key: str | None = None
    key_property: str | None = None
    mine: tuple[str, ...] = ()
    owners: str | None = None
    thread_property: str | None = None
    label_property: str | None = None
    timezone: str = "UTC"
    too_long: TooLong = "cut"
    leave_out: tuple[str, ...] = ()
    filter: tuple[str, ...] = ()
    never_log: tuple[str, ...] = ()
    contacts: bool = True
    unknown_contacts: UnknownContacts = "skip"
    associate: tuple[str, ...] = ()
    attachments: Attachments = "list"
    attachment_failure: AttachmentFailure = "load"
    max_attachment_bytes: int = 50 << 20
    map: tuple[str, ...] = ()
    mapping: str | None = None

    def __post_init__(self) -> None:
        for name in _SEVERAL:
            object.__setattr__(self, name, _several(getattr(self, name)))
        address(self.base_url)
        try:
            self.most_calls()
            self.share_of_rate()
            self.share_of_day()
            self.dead_letters_allowed()
        except ValueError as error:
            raise RefusedToStart(str(error)) from None
        if not 1 <= self.batch_size <= 100:
            raise RefusedToStart("--batch-size is 1 to 100: HubSpot takes no more a call")
        for name in (
            "max_in_flight",
            "max_batch_bytes",
            "max_record_bytes",
            "max_attempts",
            "max_attachment_bytes",
        ):
            if getattr(self, name) < 1:
                raise RefusedToStart(f"--{name.replace('_', '-')} must be at least 1")
        outage = 0.0 if self.max_outage is None else self.max_outage
        if not (0 < self.timeout < math.inf and 0 <= outage < math.inf):
            raise RefusedToStart("--timeout and --max-outage are seconds, greater than 0")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in get_args(allowed):
                flag = name.replace("_", "-")
                raise RefusedToStart(f"--{flag} is {' or '.join(get_args(allowed))}")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise RefusedToStart(
                f"--timezone {self.timezone}: unknown; name one as in Europe/Berlin or UTC"
            ) from None
        if self.limit is not None and self.limit < 1:
            raise RefusedToStart("--limit must be at least 1")

    def asked(self) -> Asked:
        """How sources are to be read."""
        return Asked(**{each.name: getattr(self, each.name) for each in fields(Asked)})

    def most_calls(self) -> RateLimit | None:
        """The bound that the user set; None: as the remote says. Raises ValueError."""
        if self.rate_limit.strip().lower() == AUTO:
            return None
        return RateLimit.parse(self.rate_limit)

    def share_of_rate(self) -> float:
        """The part of the account's rate that is ours: 0 < share ≤ 1. Raises ValueError."""
        text = self.rate_share.strip()
        try:
            share = float(text.removesuffix("%")) / 100 if text.endswith("%") else math.nan
        except ValueError:
            share = math.nan
        if not 0 < share <= 1:
            raise ValueError(f"--rate-share takes a percentage, such as 50%, not {text!r}")
        return share

    def share_of_day(self) -> Share | None:
        """Of the account's calls a day, those that are this run's; None: all. Raises ValueError."""
        return None if self.daily_share is None else Share.parse(self.daily_share)

    def dead_letters_allowed(self) -> tuple[int | None, float | None]:
        """(count, share): one of them set. Raises ValueError with what was expected."""
        text = self.max_dead_letters.strip()
        try:
            if text.endswith("%"):
                share = float(text[:-1]) / 100
                if 0 <= share <= 1:
                    return None, share
            elif int(text) >= 0:
                return int(text), None
        except ValueError:
            pass
        raise ValueError(f"--max-dead-letters takes a number or a percentage, not {text!r}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Options:
        known = {field.name for field in fields(cls)}
        found: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in kept.items()
            if name in known
        }
        return cls(**found)

    def changed(self, given: dict[str, Any]) -> Options:
        """These options with what was given again. Raises RefusedToStart where one may not, or is
        none.
        """
        refuse_unknown(given)
        given = {n: _several(value) if n in _SEVERAL else value for n, value in given.items()}
        for name, value in given.items():
            if name not in MAY_CHANGE and value != getattr(self, name):
                raise RefusedToStart(
                    f"--{name.replace('_', '-')} can't change within a run: it was "
                    f"{_shown(getattr(self, name))}, now it is {_shown(value)}. "
                    "Leave it out to resume, or start another run"
                )
        return replace(self, **given)


def refuse_unknown(names: Iterable[str]) -> None:
    """Raises RefusedToStart where one is no option's."""
    known = [field.name for field in fields(Options)]
    for name in names:
        if name not in known:
            raise RefusedToStart(f"{name!r} is no option of a run{meant(name, known)}")


def _several(value: Any) -> Any:
    """An option that holds several in the one form of it, however a program or a file gave it."""
    if isinstance(value, str):  # else its letters would be taken
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _shown(value: object) -> object:
    return "not given" if value is None else value
