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
settings.register_profile(
    "busy",
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    max_examples=100 if os.environ.get("THOROUGH") else 50,
)
settings.load_profile("busy")

# Each process that a test starts would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

LONGEST_FIRST = (
    "test_poison", "test_verify", "test_attacks", "test_nothing_twice", "test_kills", "test_rate",
    "test_outages", "test_real_faults", "test_tokens", "test_quota", "test_secrets",
)  # fmt: skip

VARIATIONS = (
    "test_attacks.py::test_a_lone_poison_record_does_not_keep_the_only_worker_from_all_others[--only",
    "test_load.py::test_an_outage_dead_letters_nothing_and_doubts_no_more_than_was_in_flight[477]",
    "test_nothing_twice.py::test_with_a_key_nothing_is_lost_made_twice_or_in_doubt[('--only-key',)]",
    "test_nothing_twice.py::test_a_source_that_was_loaded_before_makes_nothing[('--only-key',)]",
    "test_nothing_twice.py::test_an_archived_record_that_holds_its_key_is_a_letter_that_says_so[CONF",
    "test_outages.py::test_with_a_key_an_outage_costs_no_record_and_hardly_a_call[html]",
    "test_outages.py::test_with_a_key_an_outage_costs_no_record_and_hardly_a_call[refuse]",
    "test_outages.py::test_with_a_key_an_outage_costs_no_record_and_hardly_a_call[423]",
    "test_outages.py::test_without_a_key_an_outage_puts_in_doubt_what_was_in_flight_and_no_more[re",
    "test_outages.py::test_without_a_key_an_outage_puts_in_doubt_what_was_in_flight_and_no_more[st",
    "test_outages.py::test_patience_ends_an_outage_and_the_printed_command_goes_on[477]",
    "test_quota.py::test_no_more_than_the_share_is_used_however_often_the_run_is_resumed[6%]",
    "test_rate.py::test_a_limit_that_is_raised_is_used_and_one_that_is_lowered_is_kept",
    "test_real_faults.py::test_a_clock_that_jumps_by_hours_decides_nothing[--bare]",
    "test_real_faults.py::test_killed_at_any_sync_of_the_disk[with-key]",
    "test_real_faults.py::test_a_replay_that_is_killed_at_syncs_of_the_disk[without-key]",
    "test_real_faults.py::test_a_disk_that_breaks_in_mid_run_stops_it_resumable[with-key]",
    "test_real_faults.py::test_stopped_for_longer_than_every_time_limit[remote",
    "test_real_faults.py::test_stopped_for_longer_than_every_time_limit[loader-without-key]",
    "test_real_faults.py::test_a_damaged_journal_is_named_and_nothing_is_sent[h",
    "test_verify.py::test_verify_leaves_in_doubt_only_what_is_truly_alike[5-normalise1]",
)
"""Of what takes long, that which varies what another test shows, in the simulation or with another
parameter: with THOROUGH=1 only.
"""


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return max(4, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("THOROUGH"):
        items[:] = [item for item in items if not _varies(item)]
    items.sort(key=_turn)


def _varies(item: pytest.Item) -> bool:
    return any(f"{item.path.name}::{item.name}".startswith(each) for each in VARIATIONS)


def _turn(item: pytest.Item) -> int:
    if "acceptance" not in item.path.parts:
        return len(LONGEST_FIRST) + 1
    name = item.path.stem
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)
