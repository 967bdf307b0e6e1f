"""Answers to requests for ranges: only the range that was asked for is taken for it."""

from __future__ import annotations

import pytest

from bulkload.sources.webranges import OtherRange, check


@pytest.mark.parametrize(
    ("asked", "status", "given"),
    [
        (None, 200, None),
        ("bytes=0-99", 200, None),
        ("bytes=100-199", 206, "bytes 100-199/1000"),
        ("bytes=100-199", 206, "bytes 100-150/*"),
        ("bytes=100-199", 412, None),
    ],
)
def test_what_was_asked_for_passes(asked: str | None, status: int, given: str | None) -> None:
    check(asked, status, {"Content-Range": given} if given else {})


@pytest.mark.parametrize(
    "given", ["bytes 0-99/1000", "bytes 101-199/1000", "bytes 100-200/1000", ""]
)
def test_another_range_does_not(given: str) -> None:
    with pytest.raises(OtherRange, match="other bytes than 100 to 199"):
        check("bytes=100-199", 206, {"Content-Range": given})


def test_nor_does_the_whole_of_a_file() -> None:
    with pytest.raises(ValueError, match="no range"):
        check("bytes=100-199", 200, {"Content-Length": "50"})
