"""Addresses (scheme://...) of sources, as they may be shown and kept: without what lets one in."""

from __future__ import annotations

import re

PASSWORD = "BULKLOAD_SOURCE_PASSWORD"  # noqa: S105  # where one is, not what it is
"""The variable that holds what a source's server asks for, if the address does not."""

SECRET = re.compile(r"pass|pwd|secret|token|sig|key|credential", re.IGNORECASE)
"""What is found in the name of a part of a query whose value is one."""

_PASSWORD = re.compile(r"(://[^/?#:@]*):[^/?#]*@")


def without_password(address: str) -> str:
    """The address with no more than the user's name before the host."""
    return _PASSWORD.sub(r"\1@", address)


def public(address: str) -> str:
    """The address without a password and without secrets in its query."""
    where, mark, query = without_password(address).partition("?")
    kept = [each for each in query.split("&") if not SECRET.search(each.partition("=")[0])]
    return where + (mark + "&".join(kept) if any(kept) else "")
