"""The demo's processes end with it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, until


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed by Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_its_loader_and_its_sandbox(cli: Cli, number: signal.Signals) -> None:
    with cli.start("demo") as process:
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(listed.read_text().split()) == 2)
        children = listed.read_text().split()
        process.send_signal(number)
        process.send_signal(number)  # as `timeout` does, to the command and to its group
        _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert b"Traceback" not in err
    assert not [child for child in children if Path("/proc", child).exists()]
