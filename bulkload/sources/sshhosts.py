"""Which SSH server is believed: one whose key stands in known_hosts, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko

from bulkload.errors import RefusedToStart

_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


class _Known(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]  # it ships no types
    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002  # paramiko's
        for name in _FILES:
            path = Path(name).expanduser()
            if path.is_file() and paramiko.HostKeys(str(path)).check(hostname, key):
                return
        host, _, port = hostname.lstrip("[").partition("]:")
        raise RefusedToStart(
            f"{hostname}: its SSH key ({key.get_name()}) is not in ~/.ssh/known_hosts, so who "
            "answers there is not known. Compare it with what its owner says, then: "
            f"ssh-keyscan {f'-p {port} ' if port else ''}{host} >> ~/.ssh/known_hosts"
        )


KNOWN = _Known()
"""Refuses a server whose key is not known, with what to do."""
