"""Fixtures of the acceptance tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, end, surroundings


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with the flags given; ends them, by their own process, afterwards."""
    with contextlib.ExitStack() as stack:

        def start(*flags: object) -> Sandbox:
            process = subprocess.Popen(
                [sys.executable, "-m", "bulkload", "sandbox", "--port", "0", *map(str, flags)],
                cwd=tmp_path,
                env=surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(end, process)
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            assert "http://" in line
            return Sandbox("http://" + line.strip().rpartition("http://")[2], process)

        yield start
