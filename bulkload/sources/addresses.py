"""Addresses (scheme://...) of sources, as they may be shown and kept: without what lets one in."""

from __future__ import annotations

import re

from bulkload.errors import RefusedToStart

PASSWORD = "BULKLOAD_SOURCE_PASSWORD"  # noqa: S105  # where one is, not what it is
"""The variable that holds what a source's server asks for, if the address does not."""

SECRET = re.compile(r"pass|pwd|secret|token|sig|key|credential", re.IGNORECASE)
"""What is found in the name of a part of a query whose value is one."""

_PARTS = re.compile(r"([^:/?#]+://)([^/?#]*)(.*)", re.DOTALL)


_INSIDE = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?#'\"@]*@)?([^\s?'\"<>]*)(\?[^\s'\"<>]*)?"
)


def without_queries(error: Exception) -> str:
    """What an error says, in a line; addresses in it without a query, which may be a signature, and
    without who asks.
    """
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    return _INSIDE.sub(lambda found: found[1] + found[2] + ("?…" if found[3] else ""), said)


def without_password(address: str) -> str:
    """The address with no more than the user's name before the host.

    Raises RefusedToStart where it can't be told what the password is.
    """
    found = _PARTS.fullmatch(address)
    if found is None:
        return address
    scheme, server, rest = found.groups()
    user, at, host = server.rpartition("@")
    if (
        not at
        and "@" in rest
        and not (server.rpartition(":")[2] or "0").isdigit()
        and ":" in server
    ):
        raise RefusedToStart(
            f"{scheme}…: its password holds a /, ? or #, which is written %2F, %3F or %23 there. "
            f"Or leave it out, and put it into {PASSWORD}"
        )
    return f"{scheme}{user.partition(':')[0]}{at}{host}{rest}"


def public(address: str) -> str:
    """The address without a password and without secrets in its query."""
    where, mark, query = without_password(address).partition("?")
    kept = [each for each in query.split("&") if not SECRET.search(each.partition("=")[0])]
    return where + (mark + "&".join(kept) if any(kept) else "")
