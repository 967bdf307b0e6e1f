"""Secrets and bodies stay in: after each kind of failure everything that a command said and left
behind is searched for them.

Secrets are nowhere but where the user put them. What a message says is in the sources, in the
dead letters and, for those, in the journal; nowhere else.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from bulkload.hubspot import route
from bulkload.hubspot.oauthfile import OAuthFile
from bulkload.runs.call import Access, Call
from tests.acceptance.harness import Cli, Sandbox, until

Start = Callable[..., Sandbox]

TOKEN, FILED = "pat-na1-SECRETenvironment", "pat-na1-SECRETfiled"
CLIENT, REFRESH, PROXY = "SECRETclient-91", "SECRETrefresh-82", "SECRETproxy-64"
SECRET = re.compile(
    b"SECRET|sandbox-[0-9a-f]{24}|"  # what the sandbox fetches too
    + re.escape(base64.b64encode(f"user:{PROXY}".encode()))
)
BODY = re.compile(rb"MARKED\w+", re.IGNORECASE)

NEVER = ("oauth.json", "token")
"""The user's own: neither is searched for secrets."""

BODIES = ("in.ndjson", "in.mbox", "in.csv", "letters.ndjson", "stdin.ndjson", "dead-letters.ndjson")
"""What may say what a message says: the sources, copies of them, dead letters."""

FAST = ("--rate-limit", "100000/1s", "--batch-size", "10", "--max-in-flight", "4", "-v")


class Watched(Cli):
    """A command whose every word is kept, and what its process shows of itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment |= {"HUBSPOT_ACCESS_TOKEN": TOKEN, "XDG_STATE_HOME": str(folder / "state")}
        self.said: list[str] = []
        self.shown: list[bytes] = []

    def start(self, *words: object, **more: Any) -> subprocess.Popen[bytes]:
        process = super().start(*words, **more)
        self.shown.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return process

    def run(self, *words: object, code: int | None = None, **more: Any) -> str:
        ended = super().__call__(*words, code=code, **more)
        self.said += [ended.out, ended.err]
        return ended.out + ended.err

    def load(self, url: str, *words: object, code: int | None = None, **more: Any) -> str:
        return self.run(
            "load", source(self.folder), "--run", "run", "--base-url", url, *FAST, *words,
            code=code, **more,
        )  # fmt: skip

    def searched(self, *, letters: bool = False) -> None:
        """`letters`: there are dead letters, so the journal holds what they say."""
        for said in self.said:
            content = said.encode()
            assert not SECRET.search(content), said
            assert not BODY.search(content), said
        for shown in self.shown:
            assert not SECRET.search(shown), shown
        for path in self.folder.rglob("*"):
            if path.is_dir() or path.name in NEVER:
                continue
            content = path.read_bytes()
            assert not SECRET.search(content), path
            holds = (*BODIES, "journal.db", "journal.db-wal") if letters else BODIES
            if path.name not in holds:
                assert not BODY.search(content), (path, BODY.search(content))
            if "run" in path.parts or "state" in path.parts:
                assert path.stat().st_mode & 0o077 == 0, path


@pytest.fixture
def cli(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def source(folder: Path, count: int = 60, **bad: str) -> Path:
    """Each says something unheard of in every property that a message fills."""
    path = folder / "in.ndjson"
    if path.exists() and not bad:
        return path
    with path.open("w") as file:
        for number in range(count):
            people = {"from": {"email": f"MARKEDfrom{number}@private.example"}}
            properties = {
                "hs_timestamp": str(1_700_000_000_000 + number),
                "hs_email_subject": f"MARKEDsubject{number}",
                "hs_email_text": f"MARKEDtext{number} " * 5,
                "hs_email_html": f"<p>MARKEDhtml{number}</p>",
                "hs_email_headers": json.dumps(people),
                **(bad if number % 7 == 3 else {}),
            }
            file.write(json.dumps({"properties": properties}) + "\n")
    return path


def oauth(cli: Watched, refresh: str = REFRESH) -> tuple[object, ...]:
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    path = cli.folder / "oauth.json"
    members = {"client_id": "me", "client_secret": CLIENT, "refresh_token": refresh}
    path.write_text(json.dumps(members))
    path.chmod(0o600)
    return "--oauth-file", path


def filed(cli: Watched) -> tuple[object, ...]:
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    path = cli.folder / "token"
    path.write_text(FILED + "\n")
    return "--token-file", path


# The remote's failures


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        ("--fault 401=100%", "", 3),
        ("--missing-scope", "", 3),
        ("--outage 0.5+600:html", "--max-outage 1 --rate-limit 6/1s", 3),
        ("--outage 0+600:502", "--max-outage 1", 3),
        ("--outage 0.5+600:refuse", "--max-outage 1 --rate-limit 6/1s", 3),
        ("--fault reset-after=50%", "", 0),
        ("--fault stall=30% --seed 3", "--timeout 1", 0),
        ("--fault truncate=50% --bare", "", 1),
        ("--daily-limit 8 --daily-reset 600", "--on-quota stop", 3),
        ("--fault 429=30% --seed 5", "", 0),
    ],
)
def test_after_a_failure_of_the_remote(
    cli: Watched, sandbox: Start, flags: str, words: str, code: int
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "20", *flags.split())
    kept = () if "401" in flags else filed(cli)  # a file is waited for, a minute long
    cli.load(remote.url, *words.split(), *kept, code=code)
    cli.run("doubts" if "bare" in flags else "status", "run")
    cli.searched()


@pytest.mark.parametrize("labels", [[], ["--no-trace-ids"]], ids=["named", "unnamed"])
def test_after_refusals_that_quote_the_values_and_a_replay_of_what_was_refused(
    cli: Watched, sandbox: Start, labels: list[str]
) -> None:
    remote = sandbox("--rate-limit", "none", *labels)
    source(cli.folder, 20, hs_email_direction="MARKEDdirection", hubspot_owner_id="MARKEDowner")
    cli.load(remote.url, "--max-dead-letters", "100%", code=1)
    letters = (cli.folder / "run" / "dead-letters.ndjson").read_bytes()
    assert letters.count(b"\n") == 3
    assert b"MARKEDdirection" in letters, "the remote did quote it"
    cli.run("replay", "run", "--run", "replay-run", *FAST[:2], "-v", code=1)
    cli.run("replay", cli.folder / "run" / "dead-letters.ndjson", *FAST[:2], "-v", code=1)
    cli.searched(letters=True)


def test_after_records_that_can_not_be_read_or_mapped(cli: Watched, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none")
    path = source(cli.folder)
    with path.open("a") as file:
        file.write('{"properties": {"hs_email_subject": "MARKEDbroken"\n')
        file.write('["MARKEDlist"]\n')
        file.write('{"properties": {"hs_timestamp": "MARKEDdate", "hs_email_subject": 5}}\n')
    cli.load(remote.url, code=1)
    table = cli.folder / "in.csv"
    table.write_text(
        "hs_timestamp,hs_email_subject\nMARKEDdate,MARKEDrow\n1,MARKEDrow,MARKEDragged\n"
    )
    cli.run("load", table, "--run", "run2", "--base-url", remote.url, *FAST, code=1)
    box = cli.folder / "in.mbox"
    box.write_text(
        "From MARKEDfrom@private.example Mon Jan  6 10:00:00 2020\n"
        "From: MARKEDfrom@private.example\nSubject: MARKEDsubject\n"
        "Date: MARKEDdate\n\nMARKEDtext\n"
    )
    cli.run("load", box, "--run", "run3", "--base-url", remote.url, *FAST)
    cli.searched(letters=True)


def test_after_a_kill_a_resume_and_a_word_on_what_is_in_doubt(cli: Watched, sandbox: Start) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "stall=30%", "--seed", "1")
    words = ("load", source(cli.folder), "--run", "run", "--base-url", remote.url, *FAST)
    with cli.start(*words) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 3)
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
    cli.said += [out.decode(), err.decode()]
    remote.faults(faults={})
    cli.run("resume", "run", "-v", code=1)
    cli.run("doubts", "run")
    cli.run("resume", "run", "--in-doubt", "resend", "-v")
    cli.run("status", "run", "--json")
    cli.searched()


def test_after_an_undo_and_a_doctors_look(cli: Watched, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none", "--bare")
    cli.run("doctor", "--base-url", remote.url, "--fix", "--probe")
    cli.load(remote.url, code=0)
    remote.faults(outages=["0+1:503"])
    cli.run("undo", "run", "--yes", "-v", code=0)
    refused = sandbox("--token", "another")
    for words in (("undo", "run", "--yes"), ("doctor",), ("resume", "run")):
        cli.run(*words, "--base-url", refused.url)
    cli.searched()


# Tokens that are fetched


@pytest.mark.parametrize("refresh", [REFRESH, "SECRETwrong"])
def test_after_refreshes_and_a_refresh_that_is_refused(
    cli: Watched, sandbox: Start, refresh: str
) -> None:
    remote = sandbox(
        "--token", "none-but-fetched-ones", "--token-life", "2", "--refresh-token", REFRESH,
        "--rotate-refresh-tokens", "--client-secret", CLIENT, "--rate-limit", "none",
    )  # fmt: skip
    words = oauth(cli, refresh)
    good = refresh == REFRESH
    cli.load(remote.url, "--rate-limit", "3/1s", *words, code=0 if good else 3)
    cli.run("doctor", "--base-url", remote.url, *words)
    cli.run("undo", "run", "--yes", "-v", *words)
    if good:
        assert int(remote.books()["refreshes"]) > 2
        assert json.loads((cli.folder / "oauth.json").read_text())["refresh_token"] != REFRESH
    cli.searched()


# A remote that says all that it was told


class Echo(BaseHTTPRequestHandler):
    """Answers with everything that it was asked, as a page or in words of HubSpot's."""

    status, page = 400, False
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = f"{self.path} {self.headers} {self.rfile.read(length).decode()}"
        error = {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": f"Property values were not valid: {told}",
            "context": {"told": [told]},
            "error_description": told,
            "errors": [{"message": told, "name": "hs_email_text", "context": {"told": [told]}}],
        }
        content = f"<html>{told}</html>" if self.page else json.dumps(error)
        self.send_response_only(self.status, "told")
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Type", "text/html" if self.page else "application/json")
        self.send_header("Content-Length", str(len(content.encode())))
        self.send_header("Location", f"https://elsewhere.example/?told={quote(told)}")
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815  # the server's own names

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who does not trust a certificate hangs up."""


@contextmanager
def echoing(status: int, *, page: bool = False, certificate: Path | None = None) -> Iterator[int]:
    """Gives the port."""
    server = Quiet(("127.0.0.1", 0), type("Told", (Echo,), {"status": status, "page": page}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "page"),
    [
        *((status, False) for status in (400, 401, 403, 413, 500)),
        *((status, True) for status in (302, 401, 503)),
    ],
)
def test_after_an_answer_that_quotes_all_that_was_sent(
    cli: Watched, status: int, page: bool
) -> None:
    with echoing(status, page=page) as port:
        url = f"http://127.0.0.1:{port}"
        more = ("--max-outage", "0.5", "--max-dead-letters", "100%")
        cli.load(url, *more)
        words = oauth(cli)
        cli.run("resume", "run", "--base-url", url, "--max-outage", "0.5", "-v", *words)
        if status in (401, 403):
            cli.run("doctor", "--base-url", url, *words)
    cli.searched(letters=status in (400, 413))


# Proxies and TLS


def proxied(cli: Cli, scheme: str, port: object) -> None:
    names = (f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
    cli.environment |= dict.fromkeys(names, f"http://user:{PROXY}@127.0.0.1:{port}")


@pytest.mark.parametrize("status", [200, 407, 502])
def test_after_a_proxy_that_is_no_help(cli: Watched, status: int) -> None:
    with echoing(status, page=True) as port:
        proxied(cli, "https", port)
        said = cli.load("https://hubspot.invalid", "--max-outage", "0.5", code=3)
        assert f"127.0.0.1:{port}" in said, "it went through the proxy"
        if status == 407:
            cli.run("doctor", "--base-url", "https://hubspot.invalid")
    cli.searched()


def test_after_a_proxy_of_plain_http_that_answers_in_the_remotes_place(cli: Watched) -> None:
    with echoing(407, page=True) as port:
        proxied(cli, "http", port)
        cli.load("http://hubspot.invalid", "--max-outage", "0.5", code=3)
    cli.searched()


def test_after_a_proxy_that_can_not_be_read(cli: Watched) -> None:
    proxied(cli, "https", "x")
    cli.load("https://hubspot.invalid", code=2)
    cli.searched()


def test_after_a_certificate_that_nobody_knows(cli: Watched) -> None:
    certificate = cli.folder / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    with echoing(200, certificate=certificate) as port:
        said = cli.load(f"https://127.0.0.1:{port}", *filed(cli), code=3)
    assert "can't be trusted" in said
    cli.searched()


# What holds one


def test_what_holds_a_secret_shows_none(
    cli: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PROXY}@proxy.example:3128")
    monkeypatch.setenv("https_proxy", f"http://user:{PROXY}@proxy.example:3128")
    access = Access.of(TOKEN)
    oauth(cli)
    path = tmp_path / "oauth.json"
    file, fetching = OAuthFile(path), Access(oauth_file=path)
    holders: list[object] = [
        access, Call(access), access.credentials(), file, fetching, fetching.credentials(),
        route.find("https://hubspot.invalid"),
    ]  # fmt: skip
    for holder in holders:
        for shown in (repr(holder), str(holder), f"{holder}", repr([holder])):
            assert not SECRET.search(shown.encode()), shown
