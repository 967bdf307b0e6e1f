"""Most acceptance tests wait for processes: more of them can wait at once than there are cores.

The longest begin first, and each worker takes the next as it becomes free: so none is left to run
alone at the end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import pytest

# How long an example takes to draw tells of the machine, which does other work at the same time.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("busy")

LONGEST_FIRST = (
    "test_poison", "test_verify", "test_attacks", "test_nothing_twice", "test_kills", "test_rate",
    "test_outages", "test_real_faults", "test_tokens", "test_quota", "test_secrets",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return max(4, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if "acceptance" not in item.path.parts:
        return len(LONGEST_FIRST) + 1
    name = item.path.stem
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)
