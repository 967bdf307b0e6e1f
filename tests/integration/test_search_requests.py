"""The loader's search requests, as the sandbox reads them: pages, dates, what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bulkload.hubspot import searching
from bulkload.hubspot.replies import Denied, Reply
from bulkload.hubspot.searching import Page, Result, judge
from bulkload.pipeline.verifying import weigh
from bulkload.sandbox import search, writes
from bulkload.sandbox.answers import Call, Refused
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.portal import Portal
from tests.making import entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = 1_700_000_000.25


class Remote:
    """A portal without a socket, on a clock that the test moves."""

    def __init__(self, **config: Any) -> None:
        self.now = START
        self.portal = Portal(SandboxConfig(**config), lambda: self.now, lambda: self.now)

    def create(self, *sent: Mapping[str, str]) -> None:
        inputs = [{"properties": each, "associations": []} for each in sent]
        answer = writes.create_batch(self.portal, self._call({"inputs": inputs}), kind="emails")
        assert answer.status == 201

    def search(self, request: bytes) -> Any:
        try:
            answer = search.search(self.portal, self._call(orjson.loads(request)), kind="emails")
        except Refused as refused:
            answer = refused.answer
        return judge(Reply(answer.status, {}, answer.body))

    def page(self, request: bytes) -> Page:
        shown = self.search(request)
        assert isinstance(shown, Page)
        return shown

    def _call(self, body: Any) -> Call:
        return Call(orjson.dumps(body), {}, {}, self.now, self.now)


def email(number: int, stamp: str = "") -> dict[str, str]:
    return {
        "hs_timestamp": stamp or str(1_600_000_000_000 + number),
        "hs_email_subject": f"subject {number} ",
        "hs_email_text": f"text\r\n{number}",
    }


def everything(remote: Remote, sent: Sequence[Mapping[str, str]], since: float) -> list[Result]:
    found: list[Result] = []
    after = ""
    stamps = [each["hs_timestamp"] for each in sent]
    while True:
        page = remote.page(searching.request(stamps, sent[0], since, after))
        found += page.results
        after = page.after
        if not after:
            assert page.total == len(found)
            return found


@pytest.mark.parametrize("normalise", [False, True])
def test_what_was_sent_is_found_and_recognised(normalise: bool) -> None:
    remote = Remote(normalise=normalise, bare=True)
    sent = [email(number) for number in range(99)]
    sent.append(email(5, "2020-09-13T12:26:40.005Z"))
    remote.create(*sent)
    remote.now += 1
    remote.create(email(1000))
    found = everything(remote, sent, START)
    assert len(found) == 100
    entries = [entry(number, each) for number, each in enumerate(sent)]
    seen = weigh(entries, found, claimed=(), others=(), fresh=True)
    assert {each.id for each in seen if each.decision == "loaded"} == {each.id for each in found}
    assert {result.created for result in found} == {START}


def test_pages_are_followed_to_the_end() -> None:
    remote = Remote(bare=True)
    for _ in range(5):
        remote.create(*(email(number) for number in range(100)))
        remote.now += 1
    found = everything(remote, [email(number) for number in range(100)], START)
    assert len({result.id for result in found}) == len(found) == 500
    assert [result.created for result in found] == sorted(r.created or 0.0 for r in found)


def test_what_was_made_before_is_not_asked_for() -> None:
    remote = Remote(bare=True)
    remote.create(email(1))
    assert everything(remote, [email(1)], START + 1.0)  # a second's slack
    assert not everything(remote, [email(1)], START + 1.1)


def test_the_newest_shows_how_far_search_has_come() -> None:
    remote = Remote(bare=True, search_lag=5.0)
    remote.create(email(1))
    remote.now += 5
    remote.create(email(2))
    assert [r.created for r in remote.page(searching.newest(START)).results] == [START]
    assert not remote.page(searching.newest(START + 0.001)).results
    remote.now += 5
    assert [r.created for r in remote.page(searching.newest(START)).results] == [START + 5]


def test_many_timestamps_are_one_request() -> None:
    remote = Remote(bare=True)
    for first in range(0, 500, 100):
        remote.create(*(email(number) for number in range(first, first + 100)))
    assert len(everything(remote, [email(number) for number in range(500)], START)) == 500


def test_behind_ten_thousand_results_the_search_is_refused() -> None:
    remote = Remote(bare=True)
    request = searching.request(["5"], [], START, str(searching.MAX_RESULTS))
    shown = remote.search(request)
    assert isinstance(shown, Denied)
    assert "VALIDATION_ERROR" in shown.reason
