"""A run as one page: whole HTML that needs nothing else, and tells no record."""

from __future__ import annotations

import asyncio
import stat
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from bulkload import Options, load, status
from bulkload.cli.report import command
from bulkload.errors import RefusedToStart
from bulkload.journal.history import Answers, Pace
from bulkload.report.page import Told, page
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.runs.summary import Summary

VOID = {"meta", "rect"}


class Whole(HTMLParser):
    """Each element is closed where it was opened; `texts` in order."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.rects = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rects += tag == "rect"
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        assert tag not in ("script", "link", "img", "iframe")
        if tag != "meta":
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Whole:
    whole = Whole()
    whole.feed(text)
    whole.close()
    assert whole.opened == []
    assert whole.addresses == []
    return whole


async def loaded(source: Path) -> Summary:
    sandbox = await start(SandboxConfig(rate_limit=None))
    try:
        return await load(str(source), options=Options(base_url=sandbox.url), run="r", token="x")
    finally:
        await sandbox.close()


def test_it_tells_what_became_of_the_records_and_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "<in>.ndjson"
    good = '{"properties":{"hs_timestamp":"1700000000000","hs_email_subject":"private"}}\n'
    bad = good.replace("1700000000000", "hush")
    source.write_text(good * 150 + bad * 2 + "no json\n" + good * 3)
    asyncio.run(loaded(source))
    ended = CliRunner().invoke(command, ["r"])
    assert (ended.exit_code, ended.output) == (0, "r/report.html\n")
    file = tmp_path / "r" / "report.html"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    told = read(text)
    assert told.rects >= 1
    for word in ("153", "rejected", "207 VALIDATION_ERROR", "unreadable", "<in>.ndjson 151"):
        assert any(word in each for each in told.texts), word
    assert "private" not in text, "what records hold"
    assert "hush" not in text, "what the remote quoted of one"
    assert "bulkload replay r" in text
    shown = CliRunner().invoke(command, ["r", "--output", "-"])
    assert read(shown.output).texts[0] == told.texts[0]


def test_what_has_hardly_begun_has_a_page_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ndjson").write_text("no json\n")
    asyncio.run(loaded(tmp_path / "in.ndjson"))
    bare = Told(status("r"), 0.0, 1.0, "1", ["in.ndjson"], {})
    assert read(page(bare)).rects == 0


def test_each_span_is_a_bar_and_each_call_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ndjson").write_text("no json\n")
    asyncio.run(loaded(tmp_path / "in.ndjson"))
    answers = [Answers("loaded", 201, 12_345), Answers("doubt", 0, 1), Answers("open", None, 2)]
    told = Told(
        status("r"), 0.0, 1.0, "1", ["in.ndjson"], {"map": ["<a>=b"], "limit": None},
        answers=answers, pace=Pace(0.0, 60.0, [100, 0, 1]), portal="7",
    )  # fmt: skip
    texts = read(page(told)).texts
    assert sum("until" in each for each in texts) == 3
    for word in ("12,345", "no answer", "sent, and not answered yet", "<a>=b"):
        assert word in texts
    assert not any("--limit" in each for each in texts)


def test_where_it_can_not_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ndjson").write_text("no json\n")
    asyncio.run(loaded(tmp_path / "in.ndjson"))
    with pytest.raises(RefusedToStart, match=r"none/x\.html: can't be written: No such file"):
        command.callback("r", output=tmp_path / "none" / "x.html")  # type: ignore[misc]
    with pytest.raises(RefusedToStart, match="there is no such run"):
        command.callback(tmp_path / "nowhere", output=None)  # type: ignore[misc]
