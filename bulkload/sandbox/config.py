"""Every option of the sandbox, as one frozen value, and how each is read from text.

Law: a sandbox is wholly described by its config. Two with the same config and the same
calls in the same order give the same answers (clock times and correlation ids aside).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTAGE_KINDS = (
    "503", "html", "reset", "stall", "477", "423", "refuse",
    "502", "504", "521", "522", "523", "524",
)  # fmt: skip
POISON_KINDS = ("500", "503", "reset", "stall")
SHORTEST, LONGEST = 0.001, 1e9
"""Seconds that a window or an outage may last."""


@dataclass(frozen=True, slots=True)
class Outage:
    """From `start` seconds after the first request, for `length` seconds, all calls fail."""

    start: float
    length: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    # who may call
    token: str | None = None  # None: any non-empty bearer token
    token_life: float | None = None  # seconds; set: an OAuth app, tokens expire
    refresh_token: str = "sandbox-refresh"  # noqa: S105  # a sandbox has no secrets
    rotate_refresh_tokens: bool = False  # each refresh ends the refresh token that it used
    client_id: str | None = None  # None: any that is not empty
    client_secret: str | None = None
    missing_scope: bool = False
    without_scopes: tuple[str, ...] = ()  # calls that need one of these are refused
    # the portal
    portal_id: int = 62515
    time_zone: str = "Europe/Berlin"
    bare: bool = False  # neither bulkload_key nor bulkload_run exists
    only_key: bool = False  # bulkload_key without bulkload_run
    unique_allowed: bool = True  # emails accept a property with hasUniqueValue
    archived_keep_keys: bool = True  # an archived record still holds its unique values
    conflict_category: str = "VALIDATION_ERROR"  # or CONFLICT
    normalise: bool = False  # trailing blanks go, dates come back as ISO 8601
    # contact1@example.com ... exist from the start; or a line each: address[;secondary...]
    contacts: int | tuple[str, ...] = 0
    primary_only: bool = False  # reads find no contact by a secondary address
    refuse_addresses: str | None = None  # contacts with a matching address are refused
    companies: int | None = None  # ids 1 ... N exist; None: any id will do
    deals: int | None = None
    tickets: int | None = None
    owners: int = 0  # beside the two that are always there
    archived_owners: int = 0
    check_owners: bool = False  # hubspot_owner_id must be an owner's
    max_file: int = 20 * 1024 * 1024  # bytes
    refuse_files: str | None = r"(?i)\.(bat|cmd|com|exe|msi|scr)$"  # by the name
    check_attachments: bool = False  # hs_attachment_ids must name files that are there
    clock_skew: float = 0.0  # seconds that the portal's own clock is ahead
    # the wire
    tls_cert: str | None = None  # PEM file; set: https
    tls_key: str | None = None  # None: the key is in the same file
    jitter: float = 0.0  # seconds at most that a call is on its way, before it arrives
    # how much and how fast
    rate_limit: tuple[int, float] | None = (190, 10.0)
    search_limit: tuple[int, float] | None = (5, 1.0)
    others: float = 0.0  # calls a second that somebody else makes
    daily_limit: int | None = 650_000
    daily_reset: float | None = None  # seconds; None: midnight in the portal's time zone
    max_body: int = 16 * 1024 * 1024
    latency: float = 0.0  # median seconds, lognormal
    search_lag: float = 0.0
    read_lag: float = 0.0
    # how answers look
    trace_ids: bool = True
    processing_times: bool = True
    status_200: bool = False
    forget_bodies: bool = False
    # what goes wrong
    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    poison: str | None = None
    poison_as: str | None = None  # POISON_KINDS or any; None: 500 or reset, by the toss of a coin
    outages: tuple[Outage, ...] = ()
    late_after: float = 3.0
    slow_by: float = 2.0
    retry_after: int = 1  # what a 477 names when no outage tells it better


def parse_rate(text: str) -> tuple[int, float] | None:
    """`190/10s` → (190, 10.0); `none` → no limit."""
    if text.strip().lower() == "none":
        return None
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]+(?:\.[0-9]+)?)?\s*s?\s*", text)
    if not match or int(match[1]) < 1:
        raise ValueError(f"{text!r} is no rate: write CALLS/SECONDSs, as 190/10s, or none")
    return int(match[1]), _seconds(text, float(match[2] or 1))


def _seconds(text: str, seconds: float) -> float:
    if not SHORTEST <= seconds <= LONGEST:
        bounds = f"{SHORTEST:g} to {LONGEST:g}"
        raise ValueError(f"{text!r} lasts too short or too long: write {bounds} seconds")
    return seconds


def written_rate(rate: tuple[int, float] | None) -> str:
    """As `parse_rate` reads it."""
    return "none" if rate is None else f"{rate[0]}/{rate[1]:g}s"


def parse_contacts(text: str) -> int | tuple[str, ...]:
    """A number, or a file with a contact a line: `address[;secondary...]`, as a CSV's first column.

    Blank lines and a head without an address are passed over.
    """
    if (bare := text.strip()).isdecimal():
        if len(bare) > 7:
            raise ValueError(f"{bare[:20]} contacts are too many: write at most 9999999")
        return int(bare)
    try:
        lines = Path(text).read_text("utf-8-sig").splitlines()
    except OSError as wrong:
        why = wrong.strerror
        raise ValueError(f"{text!r} is neither a number nor a file of contacts: {why}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{text} is not UTF-8: write its contacts as UTF-8 text") from None
    first = [line.partition(",")[0].strip().strip('"') for line in lines]
    for number, one in enumerate(first, 1):
        if one and "@" not in one and number > 1:
            raise ValueError(f"{text}, line {number}: no address; write ADDRESS[;SECONDARY...]")
    return tuple(one for one in first if "@" in one)


def parse_time_zone(text: str) -> str:
    """A name that this machine's time zone database has; any where it has none at all."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of it is an OSError
        if available_timezones():
            raise ValueError(f"{text!r} is no time zone: write one as Europe/Berlin") from None
    return text


def parse_share(text: str) -> float:
    """`0.02` or `2%` → 0.02."""
    bare = text.strip()
    try:
        share = float(bare[:-1]) / 100 if bare.endswith("%") else float(bare)
    except ValueError:
        raise ValueError(f"{text!r} is no share: write 0.02 or 2%") from None
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is outside 0..1 (0%..100%)")
    return share


def parse_fault(text: str) -> tuple[str, float]:
    """`503=2%` → ("503", 0.02)."""
    kind, sign, share = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is no fault: write KIND=RATE, as 503=2%")
    return kind.strip(), parse_share(share)


def parse_outage(text: str) -> Outage:
    """`30+60:503` → an outage of 60 s, 30 s after the first request, answering 503."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\+([0-9]+(?:\.[0-9]+)?):(\S+)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is no outage: write START+LENGTH:KIND, as 30+60:503")
    start = float(match[1])
    if start > LONGEST:
        raise ValueError(f"{text!r} begins too late: write at most {LONGEST:g} seconds")
    return Outage(start, _seconds(text, float(match[2])), outage_kind(match[3]))


def outage_kind(text: str) -> str:
    """A kind by its name; `refused` is `refuse`."""
    kind = "refuse" if text == "refused" else text
    if kind not in OUTAGE_KINDS:
        raise ValueError(f"{text!r} is no outage: write one of {', '.join(OUTAGE_KINDS)}")
    return kind
