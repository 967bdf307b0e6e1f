"""The sandbox and the command as processes: what a scenario is played with."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from benchmarks import processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATENCY_MS, JITTER_MS = 300, 40
BATCH, LINE_BYTES = 100, 256
"""As many records as a call takes, short ones: the limit counts calls."""

STALL = "inject=fdatasync:delay_exit=2s:when={first}+{every}"
STALLED = " (DELAYED)"


@dataclass(slots=True)
class Sandbox:
    url: str
    ask_tls: Any = None  # the context by which the control plane is asked
    environment: dict[str, str] = field(default_factory=dict)

    def limits(self, **changed: Any) -> float:
        """Change limits; when that was, by the sandbox's clock."""
        body = json.dumps(changed).encode()
        with urlopen(
            Request(f"{self.url}/_sandbox/limits", body, method="POST"), context=self.ask_tls
        ):
            return time.monotonic()

    def arrivals(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/_sandbox/arrivals", context=self.ask_tls) as answer:
            return [json.loads(line) for line in answer]

    def creates(self) -> int:
        with urlopen(f"{self.url}/_sandbox/books", context=self.ask_tls) as answer:
            return int(json.load(answer)["creates_seen"])


@contextmanager
def sandbox(flags: tuple[str, ...], place: Path, *, tls: bool = False) -> Iterator[Sandbox]:
    """A sandbox as a process; its clock is the machine's monotonic one, as ours."""
    context: ssl.SSLContext | None = None
    environment: dict[str, str] = {}
    more: tuple[str, ...] = ()
    if tls:
        import trustme

        authority = trustme.CA()
        own, trusted = place / "sandbox.pem", place / "ca.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
        authority.cert_pem.write_to_path(trusted)
        context = ssl.create_default_context(cafile=str(trusted))
        environment = {"SSL_CERT_FILE": str(trusted)}
        more = ("--tls-cert", str(own))
    command = processes.bulkload(
        *("sandbox", "--port", "0", "--forget-bodies"),
        *("--latency", str(LATENCY_MS), "--jitter", str(JITTER_MS), *more, *flags),
    )
    process = processes.spawn(
        command, None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1]
        yield Sandbox(url, context, environment)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def loading(
    there: Sandbox, source: Path, run: Path, *more: str, stalls: tuple[int, int] | None = None
) -> Iterator[None]:
    """A load as a process, drained at the end. One that ended before is a failure."""
    command = processes.bulkload(
        *("load", str(source), "--run", str(run), "--base-url", there.url),
        *("--batch-size", str(BATCH), "--json", "--no-progress", *more),
    )
    if stalls is not None:
        fault = STALL.format(first=stalls[0], every=stalls[1])
        command = [
            *("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(run.with_name("traced"))),
            *("-e", "trace=fdatasync", "-e", fault, *command),
        ]
    process = subprocess.Popen(
        command,
        cwd=processes.ROOT,
        env=processes.environment() | there.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        # The whole session: strace keeps a signal that is meant for its child to itself.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            _, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, err = process.communicate()
    if process.returncode != 3:
        raise SystemExit(
            f"a load that was to be drained ended with {process.returncode}:\n"
            + err.decode()[-2000:]
        )
