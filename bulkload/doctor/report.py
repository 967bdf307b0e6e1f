"""Pure: facts → the checks in their order, and what they come to.

Exit code: 3 where the remote could not be reached, refused the token, or the look was cut short;
else by the worst check: 1 where one failed, 0 with warnings too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.doctor import account, machine, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.doctor.facts import Check, Facts
    from bulkload.runs.learnt import Learnt

CHECKS: tuple[Callable[[Facts], Check | None], ...] = (
    account.check_remote,
    account.check_token,
    account.check_scopes,
    account.check_portal,
    account.check_zone,
    account.check_limits,
    account.check_quota,
    records.check_key,
    records.check_run,
    records.check_unique,
    records.check_traces,
    records.check_reads,
    records.check_search,
    records.check_archived,
    records.check_probes,
    records.check_associations,
    records.check_workflows,
    account.check_clock,
    machine.check_proxy,
    machine.check_space,
    machine.check_sync,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What `bulkload doctor` found."""

    portal: str
    checks: tuple[Check, ...]
    learnt: Learnt | None
    exit_code: int

    def as_json(self) -> dict[str, Any]:
        """`portal` null where it is not known; `fix` only where there is something to do."""
        return {
            "portal": self.portal or None,
            "checks": [_line(check) for check in self.checks],
            "learnt": self.learnt._asdict() if self.learnt else {},
            "exit_code": self.exit_code,
        }


def judge(facts: Facts) -> Report:
    checks = tuple(check for make in CHECKS if (check := make(facts)) is not None)
    stopped = facts.unreached or facts.refused or facts.interrupted
    failed = any(check.state == "fail" for check in checks)
    return Report(facts.portal, checks, facts.learnt, 3 if stopped else int(failed))


def _line(check: Check) -> dict[str, str]:
    line = {"name": check.name, "state": check.state, "says": check.says}
    return line if check.next_step is None else {**line, "fix": check.next_step}
