"""The examples are run as they stand: they load, stop in good order, and resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bulkload import status
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
        assert " loaded, 0 existing, 0 dead letters, 0 in doubt" in line(first)
        assert first.wait(30) == 3

        second = start(*example)
        assert line(second) == f"{RECORDS} loaded, 0 existing, 0 dead letters, 0 in doubt"
        assert second.wait(30) == 0
        assert max(remote.subjects().values()) == 1
        assert len(remote.subjects()) == RECORDS


class Rows(BaseHTTPRequestHandler):
    """A service of 2,000 rows, a hundred a page."""

    asked: list[int] = []  # noqa: RUF012  # one server at a time
    fails_from = RECORDS

    def do_GET(self) -> None:
        first = int(parse_qs(urlsplit(self.path).query)["from"][0])
        self.asked.append(first)
        if first >= self.fails_from:
            self.send_error(500)
            return
        rows = [
            {"id": n, "sent": "17", "about": f"s {n}"}
            for n in range(first, min(first + 100, RECORDS))
        ]
        body = json.dumps({"rows": rows, "more": first + 100 < RECORDS}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Rows) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mails"
        server.shutdown()
        thread.join()


def test_a_source_of_ones_own_is_resumed_after_a_kill(tmp_path: Path) -> None:
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=tmp_path,
                env={**os.environ, "HUBSPOT_ACCESS_TOKEN": "any", "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            stack.callback(end, process)
            stack.callback(process.stderr.close)  # type: ignore[union-attr]  # a pipe
            return process

        served = start("-m", "bulkload", "sandbox", "--port", "0", "--latency", "50")
        assert served.stdout is not None
        address = served.stdout.readline().decode().strip().rpartition("http://")[2]
        remote = Sandbox(f"http://{address}", served)
        rows = stack.enter_context(service())
        example = (str(ROOT / "examples" / "own_source.py"), rows, remote.url)
        (tmp_path / "own-run").mkdir()  # a run is begun where there is a journal

        first = start(*example)
        # Not what the remote has made, but what is settled: from there the resume reads on.
        until(lambda: len(remote.emails()) >= 300)
        until(lambda: status(tmp_path / "own-run").loaded >= 600)
        first.kill()
        first.wait()
        Rows.asked.clear()
        other = start(*example[:1], rows + "/others", remote.url)
        assert other.wait(30) == 1
        assert b"is not the source that this run began with" in other.communicate()[1]
        lost = start("-m", "bulkload", "resume", "own-run")
        assert lost.wait(30) == 2
        assert b"only that program can read" in lost.communicate()[1]
        assert Rows.asked == []

        second = start(*example)
        out, _ = second.communicate(timeout=60)
        assert out.decode().strip() == f"{RECORDS} loaded, 0 existing, 0 dead letters"
        assert Rows.asked[0] > 0, "what was settled was asked for again"
        assert remote.subjects() == dict.fromkeys((f"s {n}" for n in range(RECORDS)), 1)


def test_a_service_that_fails_stops_the_example_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rows, "fails_from", 1_000)
    with ExitStack() as stack:
        words = [sys.executable, "-m", "bulkload", "sandbox", "--port", "0"]
        env = {**os.environ, "HUBSPOT_ACCESS_TOKEN": "any", "PYTHONPATH": str(ROOT)}
        served = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE)
        stack.callback(end, served)
        assert served.stdout is not None
        address = served.stdout.readline().decode().strip().rpartition("http://")[2]
        rows = stack.enter_context(service())
        example = [
            sys.executable, str(ROOT / "examples" / "own_source.py"), rows, f"http://{address}",
        ]  # fmt: skip

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                example, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60,
                check=False,
            )  # fmt: skip

        failed = run()
        assert failed.returncode == 3
        assert (
            "crm: its reading failed at record 1,001 (ClientResponseError, own_source.py line"
            in (failed.stderr)
        )
        assert "500, message='Internal Server Error'" in failed.stderr
        assert json.loads((tmp_path / "own-run" / "summary.json").read_text())["exit_code"] == 3
        monkeypatch.setattr(Rows, "fails_from", RECORDS)
        assert run().stdout.strip() == f"{RECORDS} loaded, 0 existing, 0 dead letters"


@pytest.mark.parametrize("name", ["library.py", "own_source.py"])
def test_without_arguments_they_say_what_they_take(name: str) -> None:
    said = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert said.returncode == 1
    assert said.stderr.startswith(f"usage: {name} S")
