"""What a doctor found out, as values: the checks are made of these and of nothing else.

Law kept here: what was never asked, or not answered, is told apart from what was answered: a
member that is None was not asked; one with `trouble` was not answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from bulkload.runs.learnt import Learnt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.hubspot.account import Account, Usages
    from bulkload.hubspot.inspecting import Definitions, Grant, Labels, PropertyMade
    from bulkload.hubspot.ratelimits import Daily, Told

State = Literal["ok", "warn", "fail"]

NOTHING = Learnt()


class Check(NamedTuple):
    """One line of the table. `next_step`: what to do about it, None where there is nothing."""

    name: str
    state: State
    says: str
    next_step: str | None = None


class Disk(NamedTuple):
    """Where runs are to be kept. `folder`: what was looked at, the nearest that exists.

    `free_bytes` for this user; `sync_s`: median of a 4 KiB write made durable. None: not known,
    and `trouble` says why.
    """

    folder: str
    free_bytes: int | None = None
    sync_s: float | None = None
    trouble: str = ""


class Skew(NamedTuple):
    """The remote's clock minus this machine's lies between these, in seconds."""

    least: float
    most: float

    @property
    def surely(self) -> float:
        """So far apart they are at least; negative where this machine's is ahead."""
        if self.least > 0:
            return self.least
        return min(self.most, 0.0)


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe records showed. `conflict`: how a key that is taken is called.

    `keyed`: they had keys. `left`: ids of those that could not be archived. `unsure`: one may have
    been made that nobody could find. `trouble`: why it is not all known.
    """

    learnt: Learnt = NOTHING
    keyed: bool = False
    conflict: str = ""
    left: tuple[str, ...] = ()
    unsure: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`unreached`: why the remote could not be asked; `refused`: why the token is no good.

    `exhausted`: the day's calls are used up. `now`: wall clock, seconds since the epoch.
    `made`: what `--fix` made, by name. `learnt`: what is known of the portal by now, `earlier`
    included.
    """

    base_url: str
    now: float
    disk: Disk
    proxy: str = ""
    private_token: bool = False
    unreached: str = ""
    refused: str = ""
    exhausted: bool = False
    interrupted: bool = False
    account: Account | None = None
    grant: Grant | None = None
    rolling: Told | None = None
    daily: Daily | None = None
    usage: Usages | None = None
    skew: Skew | None = None
    definitions: Definitions | None = None
    made: Mapping[str, PropertyMade] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, Labels] = field(default_factory=lambda: MappingProxyType({}))
    probed: Probed | None = None
    learnt: Learnt | None = None

    @property
    def portal(self) -> str:
        """Its id, "" where nobody said."""
        told = (
            self.account.portal if self.account else "",
            self.grant.portal if self.grant else "",
        )
        return next(filter(None, told), "")
