"""Who asks how a run stands does not wait for what loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bulkload
from bulkload.runs import inquiry


@pytest.mark.parametrize("room", ["bulkload.runs.inquiry", "bulkload.cli", "bulkload.cli.status"])
def test_what_only_asks_imports_nothing_that_loads(room: str) -> None:
    code = f"import sys, {room}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"aiohttp", "bulkload.loader", "bulkload.sources"} & set(ended.stdout.split())


def test_it_is_the_public_status() -> None:
    assert bulkload.status is inquiry.status
