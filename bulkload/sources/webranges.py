"""A web server's answers to requests for ranges, held against what was asked for.

Law kept here: nothing is taken for what it is not: a server may answer with another range than the
one that was asked for, or with the whole (RFC 9110 15.3.7), and fsspec takes either as it comes.
"""

from __future__ import annotations

import re
from typing import Any

_ASKED = re.compile(r"bytes=(\d+)-(\d+)")
_GIVEN = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")


class OtherRange(OSError):  # noqa: N818  # named by what is the matter
    """The server gave other bytes than those asked for; the next answer may be right."""


class CheckedSession:
    """An aiohttp session as fsspec uses it."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def get(self, url: Any, **more: Any) -> Any:
        answer = await self._session.get(url, **more)
        try:
            check(more.get("headers", {}).get("Range"), answer.status, answer.headers)
        except BaseException:
            answer.close()
            raise
        return answer


def check(asked: str | None, status: int, headers: Any) -> None:
    """Raises OtherRange, or ValueError where it is the whole file."""
    wanted = _ASKED.fullmatch(asked or "")
    if wanted is None:
        return
    first, last = map(int, wanted.groups())
    if status == 200 and first:
        raise ValueError("the server gives no range of it")
    if status != 206:
        return
    given = _GIVEN.fullmatch(headers.get("Content-Range", "").strip())
    if given is None or int(given[1]) != first or int(given[2]) > last:
        raise OtherRange(f"the server gave other bytes than {first:,} to {last:,}")
