"""Packages that are no part of a plain install: imported where they are used, asked for by name
where they are missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bulkload.errors import RefusedToStart


def needed(module: str, extra: str, what: str, instead: str = "") -> Any:
    """The module. Raises RefusedToStart, with the command that installs `extra`, where it is
    missing; `what` needs it, and `instead` is another way.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and lacks something of its own
        raise RefusedToStart(
            f"{what} needs a package that is not installed: pip install 'bulkload[{extra}]'"
            + (f". Or: {instead}" if instead else "")
        ) from None
