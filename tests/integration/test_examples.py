"""The example is run as it stands: it loads, stops in good order, and resumes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.harness import Sandbox, end, ndjson, until

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 2_000


def test_the_example_loads_drains_and_resumes(tmp_path: Path) -> None:
    ndjson(tmp_path / "mail.ndjson", RECORDS)
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=tmp_path,
                env={**os.environ, "HUBSPOT_ACCESS_TOKEN": "any", "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            stack.callback(end, process)
            assert process.stdout is not None
            return process

        def line(process: subprocess.Popen[bytes]) -> str:
            assert process.stdout is not None
            return process.stdout.readline().decode().strip()

        served = start("-m", "bulkload", "sandbox", "--port", "0")
        remote = Sandbox("http://" + line(served).rpartition("http://")[2], served)
        example = (str(ROOT / "examples" / "library.py"), "mail.ndjson", remote.url)

        first = start(*example)
        until(lambda: len(remote.emails()) >= 200)
        first.send_signal(signal.SIGINT)
        assert " loaded, 0 dead letters, 0 in doubt" in line(first)
        assert first.wait(30) == 3

        second = start(*example)
        assert line(second) == f"{RECORDS} loaded, 0 dead letters, 0 in doubt"
        assert second.wait(30) == 0
        assert max(remote.subjects().values()) == 1
        assert len(remote.subjects()) == RECORDS
