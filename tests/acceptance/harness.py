"""The command as a process, the sandbox as a process: what a user has, faults included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TOKEN = "pat-test-3f9d1c"

UNPRIVILEGED = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)
"""Root reads and writes everything, unless it gives up the right to."""


def surroundings() -> dict[str, str]:
    """Our environment without what the command would take from it. No certificates of the system:
    reading them is a fifth of a start, and nobody is called for whom they would vouch.
    """
    own = ("BULKLOAD_", "HUBSPOT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {"SSL_CERT_FILE": os.devnull}


@dataclass
class Sandbox:
    url: str
    process: subprocess.Popen[bytes]

    def books(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/_sandbox/books") as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def emails(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/_sandbox/emails") as answer:
            return [json.loads(line) for line in answer]

    def contacts(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/_sandbox/contacts") as answer:
            return [json.loads(line) for line in answer]

    def files(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/_sandbox/files") as answer:
            return [json.loads(line) for line in answer]

    def add_contacts(self, addresses: list[str]) -> None:
        self._control("contacts", {"emails": addresses})

    def archive_contacts(self, ids: Iterable[str]) -> None:
        """As somebody else would."""
        self._post("/crm/v3/objects/contacts/batch/archive", {"inputs": [{"id": i} for i in ids]})

    def arrivals(self) -> list[dict[str, Any]]:
        """Each call that reached it, in the order in which they came; `ended` None: under way."""
        with urlopen(f"{self.url}/_sandbox/arrivals") as answer:
            return [json.loads(line) for line in answer]

    def subjects(self) -> Counter[str]:
        return Counter(e["properties"]["hs_email_subject"] for e in self.emails())

    def faults(self, **control: Any) -> None:
        self._control("faults", control)

    def limits(self, **control: Any) -> None:
        self._control("limits", control)

    def _control(self, name: str, values: dict[str, Any]) -> None:
        self._post(f"/_sandbox/{name}", values)

    def _post(self, path: str, values: dict[str, Any]) -> None:
        call = Request(f"{self.url}{path}", json.dumps(values).encode(), method="POST")
        call.add_header("Authorization", f"Bearer {TOKEN}")
        call.add_header("Content-Type", "application/json")
        while True:
            try:
                with urlopen(call):
                    return
            except HTTPError as error:
                # As another application on the same limit does.
                if error.code != 429:
                    raise
                time.sleep(1)


@dataclass
class Ended:
    code: int
    out: str
    err: str

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        assert found["exit_code"] == self.code
        assert found["read"] == (
            found["loaded"]
            + found["existing"]
            + found["dead_lettered"]
            + found["in_doubt"]
            + found["skipped"]
        )
        return found


class Cli:
    """Runs `bulkload` in a folder of its own, with a token in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = surroundings() | {
            "HUBSPOT_ACCESS_TOKEN": TOKEN,
            "PYTHONUNBUFFERED": "1",
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def start(self, *words: object, **more: Any) -> subprocess.Popen[bytes]:
        before = UNPRIVILEGED if more.pop("unprivileged", False) else ()
        through = more.pop("through", ())  # a command that runs another, strace
        return subprocess.Popen(
            [*before, *through, sys.executable, "-m", "bulkload", *map(str, words)],
            cwd=self.folder,
            env=self.environment | more.pop("environment", {}),
            stdin=more.pop("stdin", subprocess.DEVNULL),
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **more,
        )

    def __call__(
        self, *words: object, code: int | None = None, patience: float = 120, **more: Any
    ) -> Ended:
        with self.start(*words, **more) as process:
            try:
                out, err = process.communicate(timeout=patience)
            finally:
                process.kill()
        ended = Ended(process.returncode, (out or b"").decode(), err.decode())
        assert "Traceback" not in ended.err, ended.err
        assert TOKEN not in ended.out + ended.err
        if code is not None:
            assert ended.code == code, (ended.out, ended.err)
        return ended


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll another process: there is nothing of ours to hand a clock to."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def ndjson(path: Path, count: int, **changes: Callable[[int], Any]) -> Path:
    """`count` good records with subjects "s 0"…; `changes` replace a property, None drops it."""
    with path.open("w") as file:
        for number in range(count):
            properties: dict[str, Any] = {
                "hs_timestamp": str(1_700_000_000_000 + number),
                "hs_email_subject": f"s {number}",
                "hs_email_text": "x" * 200,
            }
            for name, change in changes.items():
                if (value := change(number)) is not None:
                    properties[name] = value
            file.write(json.dumps({"properties": properties}) + "\n")
    return path


def letters(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "dead-letters.ndjson").read_text().splitlines()]
