"""Servers of files on loopback, for tests and benchmarks: S3, a web server, SFTP; and a line that
is cut or slow.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = next((p for p in map(Path, ("/usr/sbin/sshd", "/usr/bin/sshd")) if p.exists()), None)
S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-s3",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@dataclass
class S3:
    """A server with one bucket, named "mail"."""

    url: str
    client: Any

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def environment(self, url: str | None = None) -> dict[str, str]:
        return {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": url or self.url}

    def put(self, key: str, content: bytes) -> str:
        self.client.put_object(Bucket="mail", Key=key, Body=content)
        return f"s3://mail/{key}"


@contextmanager
def s3_server() -> Iterator[S3]:
    """Boto's own word for what S3 does: moto, as a server."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="someone",
            aws_secret_access_key="s3cret-of-s3",
        )
        # What other servers of this process were given is kept in one place.
        urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
        client.create_bucket(Bucket="mail")
        yield S3(url, client)
        client.close()
    finally:
        server.stop()


class Line:
    """A TCP line to a server, which breaks after so many bytes of answers, `cuts` times."""

    def __init__(self, port: int, *, after: int = 0, cuts: int = 0, pause_s: float = 0.0) -> None:
        self._to = port
        self.after, self.cuts, self.pause_s = after, cuts, pause_s
        self.broken = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                for ends in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, to: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(65536):
                passed += len(block)
                if answers and self.broken < self.cuts and passed > self.after:
                    self.broken += 1
                    linger = struct.pack("ii", 1, 0)  # a reset, not an end
                    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    break
                if answers and self.pause_s:
                    time.sleep(self.pause_s)
                to.sendall(block)
        for each in (source, to):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def line(port: int, **how: Any) -> Iterator[Line]:
    made = Line(port, **how)
    try:
        yield made
    finally:
        made.close()


class Web(ThreadingHTTPServer):
    """One file at any path; what it does with ranges and marks is the test's."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content = content
        self.ranges = True
        self.etag: str | None = '"one"'
        self.login: str | None = None
        self.ranged: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        web, wanted = self.server, self.headers.get("Range")
        if web.login is not None and self.headers.get("Authorization") != web.login:
            self._send(401, b"", body=body)
        elif self.headers.get("If-Match") not in (None, web.etag):
            self._send(412, b"", body=body)
        elif wanted and web.ranges:
            web.ranged.append(wanted)
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last) + 1, len(web.content)) if last else len(web.content)
            where = f"bytes {first}-{end - 1}/{len(web.content)}"
            self._send(206, web.content[int(first) : end], body=body, where=where)
        else:
            self._send(200, web.content, body=body)

    def _send(self, status: int, content: bytes, *, body: bool, where: str = "") -> None:
        self.send_response(status)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        if where:
            self.send_header("Content-Range", where)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_server(content: bytes) -> Iterator[Web]:
    server = Web(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Sftp:
    """An SSH server that lets in whoever has the key in `home`/.ssh."""

    port: int
    home: Path
    user: str
    process: subprocess.Popen[bytes]

    def address(self, path: Path | str) -> str:
        return f"sftp://{self.user}@127.0.0.1:{self.port}{path}"

    def believe(self) -> None:
        """Put its key into known_hosts."""
        kind, key = (self.home / "host.pub").read_text().split()[:2]
        known = self.home / ".ssh" / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")


@contextmanager
def sftp_server(home: Path) -> Iterator[Sftp]:
    import pwd

    assert SSHD is not None
    ssh = home / ".ssh"
    ssh.mkdir(mode=0o700)
    for name in (ssh / "id_ed25519", home / "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], check=True)
    shutil.copy(ssh / "id_ed25519.pub", home / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\n"
        f"AuthorizedKeysFile {home}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server's own separation wants it
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield Sftp(port, home, pwd.getpwuid(os.geteuid()).pw_name, process)
    finally:
        process.terminate()
        process.wait()
