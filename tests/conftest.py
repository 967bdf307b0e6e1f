"""Most acceptance tests wait for processes: more of them can wait at once than there are cores."""

from __future__ import annotations

import os


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return max(4, os.cpu_count() or 1)
